package ramback.ublk;

import java.io.IOException;

/** Something about a ublk block device did not work; the message is one line for the operator. */
public final class UblkException extends IOException {
    private static final long serialVersionUID = 1L;

    UblkException(String message) {
        super(message);
    }

    UblkException(String message, Throwable cause) {
        super(message, cause);
    }
}
