package ramback.posix;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;

/**
 * Sockets by their descriptors, which the JDK keeps to itself: stream sockets that are to be handed to the kernel, and netlink sockets,
 * on which one talks with it. None of them ever blocks: {@link #awaitReadable} waits. They are not inherited by child processes, and
 * whoever opens one closes it with {@link Posix#close}. For cold paths. All methods may be called from any thread.
 *
 * <p>Source: unix(7), netlink(7), poll(2).
 */
public final class RawSockets {
    /** {@code NETLINK_GENERIC} of {@code linux/netlink.h}. */
    public static final int NETLINK_GENERIC = 16;

    private static final int AF_NETLINK = 16;
    private static final int SOCK_STREAM = 1;
    private static final int SOCK_RAW = 3;
    private static final int SOCK_NONBLOCK_CLOEXEC = 0x80800;
    private static final int MSG_TRUNC = 0x20;
    private static final short POLLIN = 1;
    private static final int POLLFD_BYTES = 8;

    private RawSockets() {}

    /**
     * Connects a stream socket to a Unix socket that somebody listens on.
     *
     * @throws PosixException ENOENT where there is no such file, ECONNREFUSED where nobody listens, EAGAIN where too many wait to be
     *     taken, EACCES where the file may not be written, ENAMETOOLONG for a path of more than 107 bytes
     */
    public static int connectUnix(Path path) throws PosixException {
        int fd = Posix.check("socket", Native.socket(Posix.AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK_CLOEXEC, 0), null);
        boolean isConnected = false;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment address = Posix.unixAddress(arena, path.toString(), "connect");
            Posix.check("connect", Native.connect(fd, address, Math.toIntExact(address.byteSize())), path);
            isConnected = true;
            return fd;
        } finally {
            if (!isConnected) {
                Posix.close(fd);
            }
        }
    }

    /**
     * A netlink socket, whose messages go to the kernel.
     *
     * @param protocol {@link #NETLINK_GENERIC}
     * @throws PosixException EPROTONOSUPPORT or EAFNOSUPPORT where the kernel has no such thing, or a sandbox hides it
     */
    public static int openNetlink(int protocol) throws PosixException {
        return Posix.check("socket", Native.socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK_CLOEXEC, protocol), null);
    }

    /**
     * Sends bytes, on a netlink socket a message.
     *
     * @return how many were sent, which on a stream may be fewer than there are
     * @throws PosixException EAGAIN where there is no room at present, EPIPE where the other end is closed
     */
    public static int send(int fd, byte[] bytes, int offset, int length) throws PosixException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment message = arena.allocate(length);
            MemorySegment.copy(bytes, offset, message, JAVA_BYTE, 0, length);
            return (int) Posix.check(
                    "send", Native.sendto(fd, message, length, Posix.MSG_NOSIGNAL, MemorySegment.NULL, 0));
        }
    }

    /**
     * Receives what a stream has.
     *
     * @return how many bytes, 1 to {@code length}; 0 when the other end is closed
     * @throws PosixException EAGAIN where there are none at present
     */
    public static int receive(int fd, byte[] into, int offset, int length) throws PosixException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment bytes = arena.allocate(length);
            int count = (int) Posix.check("recv", Native.recv(fd, bytes, length, 0));
            MemorySegment.copy(bytes, JAVA_BYTE, 0, into, offset, count);
            return count;
        }
    }

    /**
     * Receives one message.
     *
     * @param bytesMax the longest that is expected
     * @throws PosixException EAGAIN where there is none at present, EMSGSIZE where it is longer
     */
    public static byte[] receiveMessage(int fd, int bytesMax) throws PosixException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment message = arena.allocate(bytesMax);
            long count = Posix.check("recv", Native.recv(fd, message, bytesMax, MSG_TRUNC));
            if (count > bytesMax) {
                throw new PosixException("recv", Errno.EMSGSIZE, null);
            }
            return message.asSlice(0, count).toArray(JAVA_BYTE);
        }
    }

    /**
     * Waits until something can be received, or the other end is closed.
     *
     * @param timeoutMillis 0 does not wait, a negative one waits for ever
     * @return false when the time is over
     */
    public static boolean awaitReadable(int fd, int timeoutMillis) throws PosixException {
        try (Arena arena = Arena.ofConfined()) {
            // struct pollfd: 0 descriptor, 4 what is waited for u16, 6 what has come u16
            MemorySegment descriptor = arena.allocate(POLLFD_BYTES, Integer.BYTES);
            descriptor.set(JAVA_INT, 0, fd);
            descriptor.set(JAVA_SHORT, 4, POLLIN);
            return Posix.check("poll", Native.poll(descriptor, 1, timeoutMillis), null) > 0;
        }
    }
}
