package ramback.control;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.EOFException;
import java.io.IOException;
import java.net.ProtocolException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The client's end against a server that says exactly what it is told to. */
class HttpConnectionTest {

    private static final Duration PATIENT = Duration.ofSeconds(60);

    @TempDir
    Path directory;

    private Path socket;
    private ServerSocketChannel server;
    private final CountDownLatch finished = new CountDownLatch(1);

    @BeforeEach
    void listen() throws IOException {
        socket = directory.resolve("s");
        server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        server.bind(UnixDomainSocketAddress.of(socket));
    }

    @AfterEach
    void close() throws IOException {
        finished.countDown();
        server.close();
    }

    /** Answers the first connection with these bytes, a piece at a time, and closes it or holds it open. */
    private void answer(boolean closes, String... pieces) {
        Thread.ofVirtual().start(() -> {
            try (SocketChannel client = server.accept()) {
                client.read(ByteBuffer.allocate(8192));
                for (String piece : pieces) {
                    ByteBuffer bytes = ByteBuffer.wrap(piece.getBytes(ISO_8859_1));
                    while (bytes.hasRemaining()) {
                        client.write(bytes);
                    }
                    Thread.yield();
                }
                if (!closes) {
                    finished.await();
                }
            } catch (IOException | InterruptedException e) {
                // the test sees it at its own end
            }
        });
    }

    private HttpReply get(Duration timeout) throws IOException {
        try (HttpConnection connection = HttpConnection.open(socket, timeout)) {
            return connection.exchange("GET", "/status", new byte[0]);
        }
    }

    @Test
    void aBodyOfKnownLengthIsReadWithoutWaitingForTheEndOfTheConnection() throws IOException {
        answer(false, "HTTP/1.1 200 OK\r\ncontent-LENGTH: 4\r\n\r\n", "{}", "\r\n");
        assertThat(get(PATIENT)).isEqualTo(new HttpReply(200, "{}\r\n"));
    }

    @Test
    void aBodyInChunksIsPutTogether() throws IOException {
        answer(
                false,
                "HTTP/1.1 409 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
                "A;x=y\r\n0123456789\r\n",
                "0\r\n\r\n");
        assertThat(get(PATIENT)).isEqualTo(new HttpReply(409, "abc0123456789"));
    }

    @Test
    void aServerThatDiesInTheMiddleIsSeenAsGone() {
        answer(true, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc");
        assertThatThrownBy(() -> get(PATIENT)).isInstanceOf(EOFException.class);
    }

    @Test
    void aServerThatSaysNothingTimesOut() {
        answer(false);
        assertThatThrownBy(() -> get(Duration.ofMillis(50))).isInstanceOf(HttpConnection.TimeoutException.class);
    }

    @Test
    void whatIsNotHttpIsRefused() {
        answer(true, "SSH-2.0-x\r\n\r\n");
        assertThatThrownBy(() -> get(PATIENT)).isInstanceOf(ProtocolException.class);
    }

    @Test
    void anEndlessResponseIsCutOff() {
        answer(true, "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", "x".repeat(2 << 20));
        assertThatThrownBy(() -> get(PATIENT)).isInstanceOf(ProtocolException.class);
    }
}
