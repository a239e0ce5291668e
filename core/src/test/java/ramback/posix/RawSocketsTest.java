package ramback.posix;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RawSocketsTest {

    @TempDir
    Path dir;

    @Test
    void bytesGoBothWaysOverAUnixSocketUntilItsOtherEndIsClosed() throws Exception {
        Path path = dir.resolve("s");
        try (ServerSocketChannel listener = listen(path)) {
            int fd = RawSockets.connectUnix(path);
            try (SocketChannel peer = listener.accept()) {
                byte[] bytes = "<hello>".getBytes(UTF_8);
                assertErrno(Errno.EAGAIN, () -> RawSockets.receive(fd, bytes, 0, 1));
                assertThat(RawSockets.awaitReadable(fd, 0)).isFalse();
                assertThat(RawSockets.send(fd, bytes, 1, 5)).isEqualTo(5);
                ByteBuffer received = ByteBuffer.allocate(5);
                while (received.hasRemaining()) {
                    peer.read(received);
                }
                peer.write(received.flip());
                assertThat(RawSockets.awaitReadable(fd, -1)).isTrue();
                byte[] into = new byte[10];
                assertThat(RawSockets.receive(fd, into, 2, 8)).isEqualTo(5);
                assertThat(into).isEqualTo("\0\0hello\0\0\0".getBytes(UTF_8));
                peer.shutdownOutput();
                assertThat(RawSockets.awaitReadable(fd, -1)).isTrue();
                assertThat(RawSockets.receive(fd, into, 0, 1)).isZero();
                peer.shutdownInput();
                assertErrno(Errno.EPIPE, () -> RawSockets.send(fd, bytes, 0, 1));
            } finally {
                Posix.close(fd);
            }
        }
    }

    @Test
    void aUnixSocketThatNobodyListensOnIsAnError() throws Exception {
        assertErrno(Errno.ENOENT, () -> RawSockets.connectUnix(dir.resolve("none")));
        Path left = dir.resolve("left");
        listen(left).close();
        assertErrno(Errno.ECONNREFUSED, () -> RawSockets.connectUnix(left));
        assertErrno(Errno.ECONNREFUSED, () -> RawSockets.connectUnix(Files.createFile(dir.resolve("file"))));
        assertErrno(Errno.ENAMETOOLONG, () -> RawSockets.connectUnix(Path.of("/" + "x".repeat(107))));
    }

    @Test
    void theKernelAnswersOnANetlinkSocket() throws Exception {
        int fd = RawSockets.openNetlink(RawSockets.NETLINK_GENERIC);
        try {
            assertErrno(Errno.EAGAIN, () -> RawSockets.receiveMessage(fd, 4096));
            byte[] noOperation = header(16, 1, 4 /* NLM_F_ACK alone: not even a request */);
            RawSockets.send(fd, noOperation, 0, noOperation.length);
            assertThat(RawSockets.awaitReadable(fd, 1000)).isTrue();
            ByteBuffer answer =
                    ByteBuffer.wrap(RawSockets.receiveMessage(fd, 4096)).order(ByteOrder.nativeOrder());
            assertThat(answer.getInt(0)).isEqualTo(answer.capacity());
            assertThat(answer.getShort(4)).as("an acknowledgement").isEqualTo((short) 2);
            assertThat(answer.getInt(8)).as("of number").isEqualTo(7);
            assertThat(answer.getInt(16)).isZero();
            RawSockets.send(fd, noOperation, 0, noOperation.length);
            assertErrno(Errno.EMSGSIZE, () -> RawSockets.receiveMessage(fd, 8));
        } finally {
            Posix.close(fd);
        }
    }

    private static byte[] header(int length, int type, int flags) {
        return ByteBuffer.allocate(16)
                .order(ByteOrder.nativeOrder())
                .putInt(length)
                .putShort((short) type)
                .putShort((short) flags)
                .putInt(7)
                .putInt(0)
                .array();
    }

    private static ServerSocketChannel listen(Path path) throws Exception {
        return ServerSocketChannel.open(StandardProtocolFamily.UNIX).bind(UnixDomainSocketAddress.of(path));
    }

    private static void assertErrno(int errno, ThrowingCallable call) {
        assertThatThrownBy(call)
                .isInstanceOfSatisfying(
                        PosixException.class, e -> assertThat(e.errno()).isEqualTo(errno));
    }
}
