package ramback.posix;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.nio.file.Path;
import java.util.List;

/**
 * Starts another program that inherits an open file, which the JDK's own processes can't: they close all but their standard
 * streams. Descriptors that are not closed on exec are inherited as well. Cold paths only. May be called from any thread.
 */
public final class Spawn {

    /** The number that the inherited file has in the program. */
    public static final int INHERITED_FD = 3;

    private static final int STANDARD_ERROR = 2;
    /** posix_spawn_file_actions_t is 80 bytes in glibc, on both processors. */
    private static final int FILE_ACTIONS_BYTES_MAX = 256;

    private Spawn() {}

    /**
     * Starts a program.
     *
     * @param command its arguments, its own name first
     * @param environment {@code NAME=VALUE}
     * @param inherited the open file that it has as {@link #INHERITED_FD}
     * @param standardError the open file that it has as its standard error
     * @return its process id, to be given to {@link #await}
     */
    public static int start(
            Path program, List<String> command, List<String> environment, int inherited, int standardError)
            throws PosixException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment id = arena.allocate(JAVA_INT);
            MemorySegment actions = arena.allocate(FILE_ACTIONS_BYTES_MAX, 16);
            MemorySegment state = Native.state();
            int errno;
            try {
                errno = (int) Init.CALL.invokeExact(state, actions);
                if (errno == 0) {
                    errno = (int) AddDup2.CALL.invokeExact(state, actions, standardError, STANDARD_ERROR);
                }
                if (errno == 0) {
                    errno = (int) AddDup2.CALL.invokeExact(state, actions, inherited, INHERITED_FD);
                }
                if (errno == 0) {
                    errno = (int) PosixSpawn.CALL.invokeExact(
                            state,
                            id,
                            Posix.bytes(arena, program),
                            actions,
                            MemorySegment.NULL,
                            strings(arena, command),
                            strings(arena, environment));
                }
                int _ = (int) Destroy.CALL.invokeExact(state, actions);
            } catch (Throwable t) {
                throw Native.unexpected(t);
            }
            Posix.check("posix_spawn", -errno, program);
            return id.get(JAVA_INT, 0);
        }
    }

    /**
     * Waits until a program has ended.
     *
     * @param processId what {@link #start} returned; once
     * @return its exit code, or 128 and the number of the signal that ended it
     */
    public static int await(int processId) throws PosixException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment status = arena.allocate(JAVA_INT);
            MemorySegment state = Native.state();
            int result;
            try {
                do {
                    result = (int) Waitpid.CALL.invokeExact(state, processId, status, 0);
                } while (Native.interrupted(result, state));
                result = Native.resultOrErrno(result, state);
            } catch (Throwable t) {
                throw Native.unexpected(t);
            }
            Posix.check("waitpid", result, null);
            int word = status.get(JAVA_INT, 0);
            int signal = word & 0x7F;
            return signal == 0 ? word >> 8 & 0xFF : 128 + signal;
        }
    }

    private static MemorySegment strings(Arena arena, List<String> texts) {
        MemorySegment pointers = arena.allocate(ADDRESS, texts.size() + 1L);
        for (int i = 0; i < texts.size(); i++) {
            pointers.setAtIndex(ADDRESS, i, Posix.bytes(arena, texts.get(i)));
        }
        pointers.setAtIndex(ADDRESS, texts.size(), MemorySegment.NULL);
        return pointers;
    }

    private static final class Init {
        static final MethodHandle CALL =
                Native.link("posix_spawn_file_actions_init", JAVA_INT, Native.NOT_VARIADIC, ADDRESS);
    }

    private static final class AddDup2 {
        static final MethodHandle CALL = Native.link(
                "posix_spawn_file_actions_adddup2", JAVA_INT, Native.NOT_VARIADIC, ADDRESS, JAVA_INT, JAVA_INT);
    }

    private static final class Destroy {
        static final MethodHandle CALL =
                Native.link("posix_spawn_file_actions_destroy", JAVA_INT, Native.NOT_VARIADIC, ADDRESS);
    }

    private static final class PosixSpawn {
        static final MethodHandle CALL = Native.link(
                "posix_spawn", JAVA_INT, Native.NOT_VARIADIC, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS);
    }

    private static final class Waitpid {
        static final MethodHandle CALL =
                Native.link("waitpid", JAVA_INT, Native.NOT_VARIADIC, JAVA_INT, ADDRESS, JAVA_INT);
    }
}
