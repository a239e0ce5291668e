package ramback.control;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.net.ProtocolException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Locale;

/**
 * The client's end of one HTTP/1.1 exchange over a Unix socket, as much of RFC 9112 as it takes: a response framed by
 * Content-Length or in chunks. By hand, because a command has half a second with the JVM's start in it and an HTTP
 * client library takes that alone (docs/decisions.md). For one thread.
 */
final class HttpConnection implements AutoCloseable {

    /** Nothing came for too long. */
    static final class TimeoutException extends IOException {
        private static final long serialVersionUID = 1L;

        TimeoutException() {
            super("timed out");
        }
    }

    private static final int RESPONSE_BYTES_MAX = 1 << 20;
    private static final int BUFFER_BYTES = 8 << 10;

    private final SocketChannel channel;
    private final Selector selector;
    private final SelectionKey key;
    private final long deadlineNanos;
    private final ByteBuffer buffer = ByteBuffer.allocate(BUFFER_BYTES).flip();
    private int receivedBytes;

    private HttpConnection(SocketChannel channel, Selector selector, SelectionKey key, long deadlineNanos) {
        this.channel = channel;
        this.selector = selector;
        this.key = key;
        this.deadlineNanos = deadlineNanos;
    }

    /**
     * Connects.
     *
     * @param timeout for the whole exchange
     */
    static HttpConnection open(Path socket, Duration timeout) throws IOException {
        SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX);
        try {
            channel.connect(UnixDomainSocketAddress.of(socket));
            channel.configureBlocking(false);
            Selector selector = Selector.open();
            SelectionKey key = channel.register(selector, 0);
            return new HttpConnection(channel, selector, key, System.nanoTime() + timeout.toNanos());
        } catch (IOException | RuntimeException e) {
            channel.close();
            throw e;
        }
    }

    /**
     * Sends a request and returns its response.
     *
     * @param body JSON, or empty for none
     * @throws EOFException when the other side closed before the response was complete
     * @throws TimeoutException when the time is up
     */
    HttpReply exchange(String method, String path, byte[] body) throws IOException {
        String head = method + " " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                + "Content-Type: application/json\r\nContent-Length: " + body.length + "\r\n\r\n";
        try {
            send(ByteBuffer.wrap(head.getBytes(ISO_8859_1)));
            send(ByteBuffer.wrap(body));
            return receive();
        } catch (TimeoutException | EOFException | ProtocolException e) {
            throw e;
        } catch (IOException e) {
            // A reset or a broken pipe: the daemon died with our request in its hands.
            EOFException gone = new EOFException(e.getMessage());
            gone.initCause(e);
            throw gone;
        }
    }

    private HttpReply receive() throws IOException {
        String[] statusLine = line().split(" ", 3);
        if (statusLine.length < 2 || !statusLine[0].startsWith("HTTP/1.")) {
            throw new ProtocolException("not HTTP");
        }
        long contentLength = 0;
        boolean isChunked = false;
        for (String line = line(); !line.isEmpty(); line = line()) {
            int colon = line.indexOf(':');
            String name = line.substring(0, Math.max(colon, 0)).toLowerCase(Locale.ROOT);
            String value = line.substring(colon + 1).strip();
            if (name.equals("content-length")) {
                contentLength = number(value, 10);
            } else if (name.equals("transfer-encoding")) {
                isChunked = value.equalsIgnoreCase("chunked");
            }
        }
        ByteArrayOutputStream body = new ByteArrayOutputStream();
        if (isChunked) {
            for (long size = chunkSize(); size > 0; size = chunkSize()) {
                copy(size, body);
                line();
            }
        } else {
            copy(contentLength, body);
        }
        return new HttpReply((int) number(statusLine[1], 10), body.toString(UTF_8));
    }

    private long chunkSize() throws IOException {
        return number(line().split(";", 2)[0].strip(), 16);
    }

    private static long number(String digits, int radix) throws IOException {
        try {
            return Long.parseLong(digits, radix);
        } catch (NumberFormatException e) {
            throw new ProtocolException("not a number: " + digits);
        }
    }

    private void copy(long lengthBytes, ByteArrayOutputStream into) throws IOException {
        for (long i = 0; i < lengthBytes; i++) {
            into.write(next());
        }
    }

    private String line() throws IOException {
        StringBuilder line = new StringBuilder();
        for (char c = (char) (next() & 0xff); c != '\n'; c = (char) (next() & 0xff)) {
            line.append(c);
        }
        int last = line.length() - 1;
        return last >= 0 && line.charAt(last) == '\r' ? line.substring(0, last) : line.toString();
    }

    private byte next() throws IOException {
        if (!buffer.hasRemaining()) {
            buffer.clear();
            int count = channel.read(buffer);
            while (count == 0) {
                await(SelectionKey.OP_READ);
                count = channel.read(buffer);
            }
            if (count < 0) {
                throw new EOFException("closed before the end of the response");
            }
            receivedBytes += count;
            if (receivedBytes > RESPONSE_BYTES_MAX) {
                throw new ProtocolException("response longer than " + RESPONSE_BYTES_MAX + " bytes");
            }
            buffer.flip();
        }
        return buffer.get();
    }

    private void send(ByteBuffer bytes) throws IOException {
        while (bytes.hasRemaining()) {
            if (channel.write(bytes) == 0) {
                await(SelectionKey.OP_WRITE);
            }
        }
    }

    private void await(int operations) throws IOException {
        key.interestOps(operations);
        long leftMillis = (deadlineNanos - System.nanoTime()) / 1_000_000;
        if (leftMillis <= 0 || selector.select(leftMillis) == 0) {
            throw new TimeoutException();
        }
        selector.selectedKeys().clear();
    }

    @Override
    public void close() throws IOException {
        selector.close();
        channel.close();
    }
}
