package ramback.fuse;

import java.io.IOException;

/** A directory cannot be served here; the message is one line, for the operator: what is missing, and what to do. */
public final class FuseUnavailableException extends IOException {
    private static final long serialVersionUID = 1L;

    FuseUnavailableException(String message) {
        super(message);
    }

    FuseUnavailableException(String message, Throwable cause) {
        super(message, cause);
    }
}
