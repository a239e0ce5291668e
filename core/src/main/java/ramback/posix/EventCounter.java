package ramback.posix;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/**
 * Wakes a thread that waits for descriptors: an eventfd(2), a counter that any thread raises and whose reading waits until
 * it is above zero and sets it back. Raising allocates nothing.
 */
public final class EventCounter implements AutoCloseable {

    private static final int EFD_CLOEXEC = 0x80000;
    private static final MemorySegment ONE = one();

    private final int fd;

    /** Makes a counter that stands at zero. Not inherited by child processes. */
    public EventCounter() throws PosixException {
        int result = eventfd();
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
        long result = write(fd);
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

    private static int eventfd() {
        MemorySegment state = Native.state();
        try {
            return Native.resultOrErrno((int) Eventfd.CALL.invokeExact(state, 0, EFD_CLOEXEC), state);
        } catch (Throwable t) {
            throw Native.unexpected(t);
        }
    }

    private static long write(int fd) {
        MemorySegment state = Native.state();
        try {
            long result;
            do {
                result = (long) Write.CALL.invokeExact(state, fd, ONE, (long) Long.BYTES);
            } while (Native.interrupted(result, state));
            return Native.resultOrErrno(result, state);
        } catch (Throwable t) {
            throw Native.unexpected(t);
        }
    }

    private static final class Eventfd {
        static final MethodHandle CALL = Native.link("eventfd", JAVA_INT, Native.NOT_VARIADIC, JAVA_INT, JAVA_INT);
    }

    private static final class Write {
        static final MethodHandle CALL =
                Native.link("write", JAVA_LONG, Native.NOT_VARIADIC, JAVA_INT, ADDRESS, JAVA_LONG);
    }
}
