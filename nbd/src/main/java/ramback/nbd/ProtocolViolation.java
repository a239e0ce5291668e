package ramback.nbd;

import java.io.IOException;

/** The client broke a rule after which the stream cannot go on: the connection is closed. */
final class ProtocolViolation extends IOException {
    private static final long serialVersionUID = 1L;

    ProtocolViolation(String message) {
        super(message);
    }
}
