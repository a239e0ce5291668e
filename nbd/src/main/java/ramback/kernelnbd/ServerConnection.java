package ramback.kernelnbd;

import java.io.EOFException;
import java.io.IOException;
import java.net.SocketTimeoutException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import ramback.clock.Clock;
import ramback.posix.Errno;
import ramback.posix.Posix;
import ramback.posix.PosixException;
import ramback.posix.RawSockets;
import ramback.remote.ClientHandshake;
import ramback.remote.RemoteUri;
import ramback.remote.Terms;

/**
 * A socket at the beginning of NBD's transmission phase, with simple replies, which are all that the kernel knows. Not one byte that comes
 * behind the handshake has been read.
 *
 * @param fd the socket, closed by {@link #close}; the kernel has a reference of its own to one that it was given
 * @param terms what the server said of the export
 */
record ServerConnection(int fd, Terms terms) implements AutoCloseable {

    private static final long HANDSHAKE_NANOS = 10_000_000_000L;

    /**
     * Connects to a server and agrees with it.
     *
     * @throws IOException with what the operator can do about it
     */
    static ServerConnection open(RemoteUri uri, Path socket, Clock clock) throws IOException {
        int fd;
        try {
            fd = RawSockets.connectUnix(socket);
        } catch (PosixException e) {
            throw new KernelNbdException(
                    e.errno() == Errno.EACCES
                            ? KernelNbdException.Reason.NOT_PERMITTED
                            : KernelNbdException.Reason.FAILED,
                    "cannot connect to " + socket + ": " + e.text() + "; is the server up?",
                    e);
        }
        boolean isAgreed = false;
        try {
            long deadlineNanos = clock.nanoTime() + HANDSHAKE_NANOS;
            Terms terms = new ClientHandshake(uri, new Channel(fd, clock, deadlineNanos), false).run();
            terms.check(uri, terms.isReadOnly());
            isAgreed = true;
            return new ServerConnection(fd, terms);
        } finally {
            if (!isAgreed) {
                Posix.close(fd);
            }
        }
    }

    /** The socket's number, by which {@code /proc/net/unix} has it. */
    long inode() throws PosixException {
        return Posix.status(fd).inode();
    }

    @Override
    public void close() throws PosixException {
        Posix.close(fd);
    }

    private record Channel(int fd, Clock clock, long deadlineNanos) implements ClientHandshake.ServerChannel {

        @Override
        public void send(ByteBuffer from) throws IOException {
            byte[] bytes = new byte[from.remaining()];
            from.get(bytes);
            // A server that takes none of an option's few bytes has not read thousands of them: not worth waiting for.
            int sent = RawSockets.send(fd, bytes, 0, bytes.length);
            if (sent < bytes.length) {
                throw new PosixException("send", Errno.EAGAIN, null);
            }
        }

        @Override
        public void receive(ByteBuffer into) throws IOException {
            while (into.hasRemaining()) {
                long leftNanos = deadlineNanos - clock.nanoTime();
                if (leftNanos <= 0 || !RawSockets.awaitReadable(fd, (int) (leftNanos / 1_000_000) + 1)) {
                    throw new SocketTimeoutException("the server does not answer");
                }
                int count = RawSockets.receive(fd, into.array(), into.arrayOffset() + into.position(), into.remaining());
                if (count == 0) {
                    throw new EOFException("the server hung up");
                }
                into.position(into.position() + count);
            }
        }
    }
}
