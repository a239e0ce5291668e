package ramback.posix;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Wakes a thread that waits for descriptors: an eventfd(2), a counter that any thread raises and whose reading waits until
 * it is above zero and sets it back. Raising allocates nothing.
 */
public final class EventCounter implements AutoCloseable {

    private static final MemorySegment ONE = one();

    private final int fd;

    /** Makes a counter that stands at zero. Not inherited by child processes. */
    public EventCounter() throws PosixException {
        int result = Native.eventfd(0, Posix.O_CLOEXEC);
        if (result < 0) {
            throw new PosixException("eventfd", -result, null);
        }
        fd = result;
    }

    /** What a read of 8 bytes waits on. */
    public int fd() {
        return fd;
    }

    /** Raises the counter by one; any thread, until it is closed. */
    public void raise() throws PosixException {
        long result = Native.write(fd, ONE, Long.BYTES);
        if (result < 0) {
            throw new PosixException("write", (int) -result, null);
        }
    }

    @Override
    public void close() throws PosixException {
        Posix.close(fd);
    }

    private static MemorySegment one() {
        MemorySegment segment = Arena.global().allocate(JAVA_LONG);
        segment.set(JAVA_LONG, 0, 1);
        return segment.asReadOnly();
    }
}
