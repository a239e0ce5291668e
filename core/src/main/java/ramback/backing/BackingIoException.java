package ramback.backing;

import java.io.IOException;
import org.jspecify.annotations.Nullable;
import ramback.posix.Errno;
import ramback.posix.PosixException;

/** A device error: the slow disk did not do what it was asked. Says what, where, how much and why. */
public final class BackingIoException extends IOException {
    private static final long serialVersionUID = 1L;

    /** What was asked. */
    public enum Operation {
        READ("read"),
        WRITE("write"),
        ZERO("zero"),
        SYNC("sync"),
        SEEK("look for holes"),
        LOOK("look at");

        private final String verb;

        Operation(String verb) {
            this.verb = verb;
        }
    }

    private final Operation operation;
    private final long offsetBytes;
    private final long lengthBytes;
    private final int errno;

    /**
     * @param uri of the disk
     * @param lengthBytes of the range that was asked for; with {@code offsetBytes} 0 and 0 where nothing of it was asked for
     * @param errno 0 when the reason is not an errno
     * @param reason one phrase for the operator
     */
    public BackingIoException(
            Operation operation,
            String uri,
            long offsetBytes,
            long lengthBytes,
            int errno,
            String reason,
            @Nullable Throwable cause) {
        super(
                operation == Operation.SYNC || operation == Operation.LOOK
                        ? "cannot " + operation.verb + " " + uri + ": " + reason
                        : "cannot " + operation.verb + " " + lengthBytes + " bytes at " + offsetBytes + " of " + uri
                                + ": " + reason,
                cause);
        this.operation = operation;
        this.offsetBytes = offsetBytes;
        this.lengthBytes = lengthBytes;
        this.errno = errno;
    }

    static BackingIoException of(
            Operation operation, String uri, long offsetBytes, long lengthBytes, PosixException cause) {
        String reason = cause.text() + " (" + Errno.name(cause.errno()) + ")";
        return new BackingIoException(operation, uri, offsetBytes, lengthBytes, cause.errno(), reason, cause);
    }

    public Operation operation() {
        return operation;
    }

    /** Where the range begins that was asked for; the failing part may lie anywhere within. */
    public long offsetBytes() {
        return offsetBytes;
    }

    public long lengthBytes() {
        return lengthBytes;
    }

    /** Why, as an errno ({@link Errno}); 0 when the reason is not one (an image that was cut short, a lost server). */
    public int errno() {
        return errno;
    }

    /**
     * Whether the medium cannot give these bytes and may well give others: a bad sector, not a disk that is gone (ENXIO, ENODEV) or
     * a mistake of ours. The page cache says EIO for all of it, a direct read what the disk said: ENODATA where the medium failed,
     * EILSEQ where a protection's check did, EREMOTEIO where the target did. EBADMSG and EUCLEAN are a filesystem's, whose own
     * checksums don't match.
     */
    public boolean isBadMedium() {
        return switch (errno) {
            case Errno.EIO, Errno.ENODATA, Errno.EILSEQ, Errno.EREMOTEIO, Errno.EBADMSG, Errno.EUCLEAN -> true;
            default -> false;
        };
    }
}
