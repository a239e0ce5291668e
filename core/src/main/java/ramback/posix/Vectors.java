package ramback.posix;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/**
 * Scattered reads and gathered writes (readv(2), writev(2)) for hot paths: they take addresses and return errors as
 * numbers, so that a call allocates nothing and touches no arena. Whoever calls keeps the memory alive, and checks its
 * bounds. May be called from any thread.
 *
 * <pre>
 *   struct iovec     0 base address     8 length in bytes     16 end
 * </pre>
 */
public final class Vectors {

    /** The size of one vector. */
    public static final int BYTES = 16;

    private Vectors() {}

    /** Writes one vector of an array of them. */
    public static void set(MemorySegment vectors, int index, long address, long lengthBytes) {
        vectors.set(JAVA_LONG, (long) index * BYTES, address);
        vectors.set(JAVA_LONG, (long) index * BYTES + Long.BYTES, lengthBytes);
    }

    /**
     * Reads into memory that {@code count} vectors name; made again when a signal interrupts it.
     *
     * @param vectorsAddress where the vectors begin
     * @return bytes read, 0 at the end; or the negated {@link Errno}
     */
    public static long read(int fd, long vectorsAddress, int count) {
        MemorySegment state = Native.state();
        try {
            long result;
            do {
                result = (long) Readv.CALL.invokeExact(state, fd, vectorsAddress, count);
            } while (Native.interrupted(result, state));
            return Native.resultOrErrno(result, state);
        } catch (Throwable t) {
            throw Native.unexpected(t);
        }
    }

    /** As {@link #read}, but that a signal ends it: it returns the negated EINTR then. See {@link Wakeup}. */
    public static long readInterruptibly(int fd, long vectorsAddress, int count) {
        MemorySegment state = Native.state();
        try {
            return Native.resultOrErrno((long) Readv.CALL.invokeExact(state, fd, vectorsAddress, count), state);
        } catch (Throwable t) {
            throw Native.unexpected(t);
        }
    }

    /**
     * Writes the memory that {@code count} vectors name; made again when a signal interrupts it.
     *
     * @param vectorsAddress where the vectors begin
     * @return bytes written, or the negated {@link Errno}
     */
    public static long write(int fd, long vectorsAddress, int count) {
        MemorySegment state = Native.state();
        try {
            long result;
            do {
                result = (long) Writev.CALL.invokeExact(state, fd, vectorsAddress, count);
            } while (Native.interrupted(result, state));
            return Native.resultOrErrno(result, state);
        } catch (Throwable t) {
            throw Native.unexpected(t);
        }
    }

    private static final class Readv {
        static final MethodHandle CALL =
                Native.link("readv", JAVA_LONG, Native.NOT_VARIADIC, JAVA_INT, JAVA_LONG, JAVA_INT);
    }

    private static final class Writev {
        static final MethodHandle CALL =
                Native.link("writev", JAVA_LONG, Native.NOT_VARIADIC, JAVA_INT, JAVA_LONG, JAVA_INT);
    }
}
