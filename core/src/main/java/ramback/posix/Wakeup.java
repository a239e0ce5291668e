package ramback.posix;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/**
 * Wakes threads that wait in a system call which nothing else ends, by a signal that does nothing: the call fails with EINTR
 * where it isn't made again by itself ({@link Vectors#readInterruptibly}). A signal that comes before the call is lost, so
 * whoever wakes a thread says so elsewhere as well, and wakes it until it has heard. The JDK does the same for its channels,
 * with another signal.
 */
public final class Wakeup {

    /** A real-time signal that neither the C library (32, 33) nor the JDK (62) uses for itself. */
    private static final int SIGNAL = 42;
    /** struct sigaction of glibc on both processors: 0 handler, 8 mask (128 bytes), 136 flags s32, 144 restorer; 152 end. */
    private static final int SIGACTION_BYTES = 152;

    /** Does nothing, whatever it interrupts: getpid(2) touches neither memory nor errno. */
    private static final MemorySegment HANDLER = Linker.nativeLinker().defaultLookup().findOrThrow("getpid");

    private Wakeup() {}

    /** The calling thread, for {@link #wake}. */
    public static long self() throws PosixException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment action = arena.allocate(SIGACTION_BYTES, Long.BYTES);
            action.set(ADDRESS, 0, HANDLER); // without SA_RESTART: calls end
            MemorySegment state = Native.state();
            int result = Native.resultOrErrno(
                    (int) Sigaction.CALL.invokeExact(state, SIGNAL, action, MemorySegment.NULL), state);
            Posix.check("sigaction", result, null);
            return (long) PthreadSelf.CALL.invokeExact(state);
        } catch (PosixException e) {
            throw e;
        } catch (Throwable t) {
            throw Native.unexpected(t);
        }
    }

    /**
     * Wakes a thread.
     *
     * @param thread what {@link #self} said in it; it has not ended
     */
    public static void wake(long thread) throws PosixException {
        int errno;
        try {
            errno = (int) PthreadKill.CALL.invokeExact(Native.state(), thread, SIGNAL);
        } catch (Throwable t) {
            throw Native.unexpected(t);
        }
        Posix.check("pthread_kill", -errno, null);
    }

    private static final class Sigaction {
        static final MethodHandle CALL =
                Native.link("sigaction", JAVA_INT, Native.NOT_VARIADIC, JAVA_INT, ADDRESS, ADDRESS);
    }

    private static final class PthreadSelf {
        static final MethodHandle CALL = Native.link("pthread_self", JAVA_LONG, Native.NOT_VARIADIC);
    }

    private static final class PthreadKill {
        static final MethodHandle CALL =
                Native.link("pthread_kill", JAVA_INT, Native.NOT_VARIADIC, JAVA_LONG, JAVA_INT);
    }
}
