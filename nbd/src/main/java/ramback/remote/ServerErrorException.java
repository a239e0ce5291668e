package ramback.remote;

import java.io.IOException;
import ramback.posix.Errno;
import ramback.protocol.Protocol;

/** The server answered with an error. */
final class ServerErrorException extends IOException {
    private static final long serialVersionUID = 1L;

    private final int errno;

    /**
     * @param error one of the "Error values"; another one counts as EINVAL
     * @param message what the server says of it; may be empty
     */
    ServerErrorException(int error, String message) {
        super("the server answered " + Errno.text(errnoOf(error)) + " (" + Errno.name(errnoOf(error)) + ")"
                + (message.isEmpty() ? "" : ": " + message));
        this.errno = errnoOf(error);
    }

    int errno() {
        return errno;
    }

    /** The values are Linux's, so that it is only about which are known. */
    private static int errnoOf(int error) {
        return switch (error) {
            case Protocol.EPERM,
                    Protocol.EIO,
                    Protocol.ENOMEM,
                    Protocol.EINVAL,
                    Protocol.ENOSPC,
                    Protocol.EOVERFLOW,
                    Protocol.ENOTSUP,
                    Protocol.ESHUTDOWN -> error;
            default -> Protocol.EINVAL;
        };
    }
}
