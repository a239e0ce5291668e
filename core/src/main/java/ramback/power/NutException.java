package ramback.power;

import java.io.IOException;

/** A NUT server answered with an error, or not in its protocol. The connection is still good after an error answer. */
final class NutException extends IOException {

    private static final long serialVersionUID = 1L;

    /** The server knows the UPS and has not heard of it for too long. */
    static final String DATA_STALE = "DATA-STALE";

    /** The server knows the UPS and has lost its driver. */
    static final String DRIVER_NOT_CONNECTED = "DRIVER-NOT-CONNECTED";

    static final String ACCESS_DENIED = "ACCESS-DENIED";
    static final String FEATURE_NOT_CONFIGURED = "FEATURE-NOT-CONFIGURED";

    private final String code;

    /**
     * What went wrong.
     *
     * @param code the word behind ERR, or an empty one when the answer was none of the protocol
     * @param message for people; of the server's words only what {@link ForeignText} lets pass
     */
    NutException(String code, String message) {
        super(message);
        this.code = code;
    }

    String code() {
        return code;
    }
}
