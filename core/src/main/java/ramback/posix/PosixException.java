package ramback.posix;

import java.io.IOException;
import org.jspecify.annotations.Nullable;

/** A system call that failed: which, on what, and with what errno. */
public final class PosixException extends IOException {
    private static final long serialVersionUID = 1L;

    private final String call;
    private final int errno;
    private final @Nullable String path;

    /**
     * @param call the system call's name
     * @param errno positive, one of {@link Errno} or any other of the system's
     * @param path what it was called on, or null where it was called on a descriptor
     */
    public PosixException(String call, int errno, @Nullable String path) {
        super(call + (path == null ? "" : " " + path) + ": " + Errno.text(errno) + " (" + Errno.name(errno) + ")");
        this.call = call;
        this.errno = errno;
        this.path = path;
    }

    /** The system call's name, {@code pwrite}. */
    public String call() {
        return call;
    }

    /** The errno value, positive. */
    public int errno() {
        return errno;
    }

    /** The path that it was called on, null for calls on a descriptor. */
    public @Nullable String path() {
        return path;
    }

    /** What the C library says about {@link #errno()}, without call and path: {@code No space left on device}. */
    public String text() {
        return Errno.text(errno);
    }
}
