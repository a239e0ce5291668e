package ramback.nbd;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import ramback.protocol.Protocol;

/** A client that sends what it is told, right or wrong, and reads replies one at a time. */
final class NbdClient implements AutoCloseable {

    /** An option reply as it came. */
    record OptionReply(int option, int type, ByteBuffer data) {
        String text() {
            return UTF_8.decode(data.duplicate()).toString();
        }

        ByteBuffer buffer() {
            return data.duplicate();
        }
    }

    /** A simple reply; the payload is read apart. */
    record Reply(int error, long cookie) {}

    /** A chunk of a structured or an extended reply; {@code offset} is the request's, in an extended one. */
    record Chunk(int flags, int type, long cookie, long offset, ByteBuffer data) {
        boolean isLast() {
            return (flags & Protocol.REPLY_FLAG_DONE) != 0;
        }
    }

    final SocketChannel channel;

    private NbdClient(SocketChannel channel) {
        this.channel = channel;
    }

    static NbdClient connect(Path socket) throws IOException {
        return new NbdClient(SocketChannel.open(UnixDomainSocketAddress.of(socket)));
    }

    static NbdClient connect(InetSocketAddress address) throws IOException {
        return new NbdClient(SocketChannel.open(address));
    }

    /** Connects and takes an export with GO. */
    static NbdClient transmitting(Path socket, String export) throws IOException {
        NbdClient client = connect(socket);
        client.greet(3);
        client.go(export);
        return client;
    }

    // --------------------------------------------------------------------------------------------------- handshake

    NbdClient greet(int clientFlags) throws IOException {
        ByteBuffer greeting = receive(18);
        assertThat(greeting.getLong()).isEqualTo(0x4e42444d41474943L);
        assertThat(greeting.getLong()).isEqualTo(0x49484156454F5054L);
        assertThat(greeting.getShort()).isEqualTo((short) 3);
        send(ByteBuffer.allocate(4).putInt(clientFlags));
        return this;
    }

    void sendOption(int code, byte[] data) throws IOException {
        sendOptionHeader(code, data.length);
        send(ByteBuffer.wrap(data).position(data.length));
    }

    void sendOptionHeader(int code, int lengthBytes) throws IOException {
        send(ByteBuffer.allocate(16).putLong(0x49484156454F5054L).putInt(code).putInt(lengthBytes));
    }

    OptionReply readOptionReply() throws IOException {
        ByteBuffer header = receive(20);
        assertThat(header.getLong()).isEqualTo(0x3e889045565a9L);
        int option = header.getInt();
        int type = header.getInt();
        return new OptionReply(option, type, receive(header.getInt()));
    }

    /** Reads replies until the final one. */
    List<OptionReply> readOptionReplies() throws IOException {
        List<OptionReply> replies = new ArrayList<>();
        OptionReply reply;
        do {
            reply = readOptionReply();
            replies.add(reply);
        } while (reply.type() == Protocol.REP_INFO
                || reply.type() == Protocol.REP_SERVER
                || reply.type() == Protocol.REP_META_CONTEXT);
        return replies;
    }

    List<OptionReply> option(int code, byte[] data) throws IOException {
        sendOption(code, data);
        List<OptionReply> replies = readOptionReplies();
        assertThat(replies).allMatch(reply -> reply.option() == code);
        return replies;
    }

    static byte[] infoData(String name, int... items) {
        byte[] bytes = name.getBytes(UTF_8);
        ByteBuffer data = ByteBuffer.allocate(6 + bytes.length + 2 * items.length);
        data.putInt(bytes.length).put(bytes).putShort((short) items.length);
        for (int item : items) {
            data.putShort((short) item);
        }
        return data.array();
    }

    static byte[] metaData(String name, String... queries) {
        ByteBuffer data = ByteBuffer.allocate(1000);
        data.putInt(name.length()).put(name.getBytes(UTF_8)).putInt(queries.length);
        for (String query : queries) {
            data.putInt(query.length()).put(query.getBytes(UTF_8));
        }
        return Arrays.copyOf(data.array(), data.position());
    }

    /** Asks for an option without data that must be granted. */
    NbdClient agree(int option) throws IOException {
        assertThat(option(option, new byte[0]).getLast().type()).isEqualTo(Protocol.REP_ACK);
        return this;
    }

    void go(String name) throws IOException {
        List<OptionReply> replies = option(Protocol.OPT_GO, infoData(name));
        assertThat(replies.getLast().type()).as(replies.getLast().text()).isEqualTo(Protocol.REP_ACK);
    }

    // ------------------------------------------------------------------------------------------------ transmission

    static ByteBuffer header(int flags, int command, long cookie, long offset, int length) {
        return ByteBuffer.allocate(28)
                .putInt(0x25609513)
                .putShort((short) flags)
                .putShort((short) command)
                .putLong(cookie)
                .putLong(offset)
                .putInt(length);
    }

    void request(int command, long cookie, long offset, int length) throws IOException {
        send(header(0, command, cookie, offset, length));
    }

    void request(int flags, int command, long cookie, long offset, int length) throws IOException {
        send(header(flags, command, cookie, offset, length));
    }

    void write(long cookie, long offset, byte[] payload) throws IOException {
        send(ByteBuffer.allocate(28 + payload.length)
                .put(header(0, Protocol.CMD_WRITE, cookie, offset, payload.length)
                        .flip())
                .put(payload));
    }

    Reply readReply() throws IOException {
        ByteBuffer reply = receive(16);
        assertThat(reply.getInt()).isEqualTo(0x67446698);
        return new Reply(reply.getInt(), reply.getLong());
    }

    Chunk readChunk() throws IOException {
        ByteBuffer header = receive(20);
        assertThat(header.getInt()).isEqualTo(0x668e33ef);
        return new Chunk(
                header.getShort(),
                Short.toUnsignedInt(header.getShort()),
                header.getLong(),
                -1,
                receive(header.getInt()));
    }

    Chunk readExtendedChunk() throws IOException {
        ByteBuffer header = receive(32);
        assertThat(header.getInt()).isEqualTo(0x6e8a278c);
        return new Chunk(
                header.getShort(),
                Short.toUnsignedInt(header.getShort()),
                header.getLong(),
                header.getLong(),
                receive(Math.toIntExact(header.getLong())));
    }

    static ByteBuffer extendedHeader(int flags, int command, long cookie, long offset, long length) {
        return ByteBuffer.allocate(32)
                .putInt(0x21e41c71)
                .putShort((short) flags)
                .putShort((short) command)
                .putLong(cookie)
                .putLong(offset)
                .putLong(length);
    }

    /** Reads at once and returns the payload. */
    byte[] read(long cookie, long offset, int length) throws IOException {
        request(Protocol.CMD_READ, cookie, offset, length);
        assertThat(readReply()).isEqualTo(new Reply(0, cookie));
        return receive(length).array();
    }

    void expect(long cookie, int error) throws IOException {
        assertThat(readReply()).isEqualTo(new Reply(error, cookie));
    }

    // ---------------------------------------------------------------------------------------------------- the wire

    /** Sends what lies before the buffer's position. */
    void send(ByteBuffer bytes) throws IOException {
        bytes.flip();
        while (bytes.hasRemaining()) {
            channel.write(bytes);
        }
    }

    ByteBuffer receive(int lengthBytes) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(lengthBytes);
        while (bytes.hasRemaining()) {
            if (channel.read(bytes) < 0) {
                throw new IOException(
                        "the server closed the connection after " + bytes.position() + " of " + lengthBytes + " bytes");
            }
        }
        return bytes.flip();
    }

    /** Waits until the server closes the connection; anything else it sends fails the test. */
    void expectClosed() {
        ByteBuffer one = ByteBuffer.allocate(1);
        try {
            assertThat(channel.read(one)).as("bytes before the end").isEqualTo(-1);
        } catch (IOException e) {
            assertThat(e).hasMessageContaining("reset"); // closed with our bytes unread
        }
    }

    @Override
    public void close() {
        try {
            channel.close();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
