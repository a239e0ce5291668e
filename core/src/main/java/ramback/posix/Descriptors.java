package ramback.posix;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/**
 * Open files that go from one process to another: pairs of connected sockets, descriptors received over one,
 * descriptors that stay open over execve. Cold paths only. May be called from any thread.
 */
public final class Descriptors {

    /** A socket that carries bytes. */
    public static final int SOCK_STREAM = 1;

    /** A socket that carries messages, each whole. */
    public static final int SOCK_SEQPACKET = 5;

    private static final int AF_UNIX = 1;
    private static final int SOCK_CLOEXEC = 0x80000;
    private static final int SOL_SOCKET = 1;
    private static final int SCM_RIGHTS = 1;
    private static final int MSG_CMSG_CLOEXEC = 0x40000000;
    private static final int MSGHDR_BYTES = 56;
    /** One descriptor: the control message's header of 16 bytes, and 4 padded to 8. */
    private static final int CONTROL_BYTES = 24;

    private static final int F_SETFD = 2;
    private static final int FD_CLOEXEC = 1;

    /** Two sockets that are connected with each other. */
    public record Pair(int first, int second) {}

    private Descriptors() {}

    /**
     * Makes a pair of connected Unix sockets, both closed on exec.
     *
     * @param type {@link #SOCK_STREAM} or {@link #SOCK_SEQPACKET}
     */
    public static Pair socketPair(int type) throws PosixException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment both = arena.allocate(2L * Integer.BYTES, Integer.BYTES);
            MemorySegment state = Native.state();
            int result;
            try {
                result = Native.resultOrErrno(
                        (int) Socketpair.CALL.invokeExact(state, AF_UNIX, type | SOCK_CLOEXEC, 0, both), state);
            } catch (Throwable t) {
                throw Native.unexpected(t);
            }
            Posix.check("socketpair", result, null);
            return new Pair(both.get(JAVA_INT, 0), both.get(JAVA_INT, Integer.BYTES));
        }
    }

    /*
     * struct msghdr: 0 name, 8 name length u32, 16 vectors, 24 vector count, 32 control, 40 control length, 48 flags
     * s32 struct cmsghdr: 0 length u64, 8 level s32, 12 type s32, 16 data (include/linux/socket.h, struct user_msghdr;
     * the same on both processors)
     */
    /**
     * Receives a descriptor that was sent over a Unix socket together with at least one byte (SCM_RIGHTS of unix(7)).
     * It is closed on exec.
     *
     * @return the descriptor, or -1 when the other end closed, or sent none
     */
    public static int receive(int socket) throws PosixException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment one = arena.allocate(Long.BYTES, Long.BYTES);
            MemorySegment vector = arena.allocate(Vectors.BYTES, Long.BYTES);
            Vectors.set(vector, 0, one.address(), 1);
            MemorySegment control = arena.allocate(CONTROL_BYTES, Long.BYTES);
            MemorySegment header = arena.allocate(MSGHDR_BYTES, Long.BYTES);
            header.set(JAVA_LONG, 16, vector.address());
            header.set(JAVA_LONG, 24, 1);
            header.set(JAVA_LONG, 32, control.address());
            header.set(JAVA_LONG, 40, CONTROL_BYTES);
            MemorySegment state = Native.state();
            long result;
            try {
                do {
                    result = (long) Recvmsg.CALL.invokeExact(state, socket, header, MSG_CMSG_CLOEXEC);
                } while (Native.interrupted(result, state));
                result = Native.resultOrErrno(result, state);
            } catch (Throwable t) {
                throw Native.unexpected(t);
            }
            boolean isRights = Posix.check("recvmsg", result) > 0
                    && header.get(JAVA_LONG, 40) >= 16 + Integer.BYTES
                    && control.get(JAVA_INT, 8) == SOL_SOCKET
                    && control.get(JAVA_INT, 12) == SCM_RIGHTS;
            return isRights ? control.get(JAVA_INT, 16) : -1;
        }
    }

    /**
     * Has another number mean the same open file, instead of what it meant before; it stays open over execve.
     *
     * @param fd an open file
     * @param number a descriptor, open or not; not the same
     */
    public static void duplicate(int fd, int number) throws PosixException {
        MemorySegment state = Native.state();
        int result;
        try {
            do {
                result = (int) Dup2.CALL.invokeExact(state, fd, number);
            } while (Native.interrupted(result, state));
            result = Native.resultOrErrno(result, state);
        } catch (Throwable t) {
            throw Native.unexpected(t);
        }
        Posix.check("dup2", result, null);
    }

    /** Sets whether a descriptor is closed when the process becomes another program. */
    public static void closeOnExec(int fd, boolean closes) throws PosixException {
        Posix.check("fcntl", Native.fcntl(fd, F_SETFD, closes ? FD_CLOEXEC : 0), null);
    }

    private static final class Socketpair {
        static final MethodHandle CALL =
                Native.link("socketpair", JAVA_INT, Native.NOT_VARIADIC, JAVA_INT, JAVA_INT, JAVA_INT, ADDRESS);
    }

    private static final class Dup2 {
        static final MethodHandle CALL = Native.link("dup2", JAVA_INT, Native.NOT_VARIADIC, JAVA_INT, JAVA_INT);
    }

    private static final class Recvmsg {
        static final MethodHandle CALL =
                Native.link("recvmsg", JAVA_LONG, Native.NOT_VARIADIC, JAVA_INT, ADDRESS, JAVA_INT);
    }
}
