package ramback.remote;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.EOFException;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.jspecify.annotations.Nullable;
import ramback.protocol.Protocol;

/**
 * An NBD server with a volatile cache, for tests: it has as many of the ways of servers as a test wants, and a hook sees each request before
 * it is carried out. It can be killed, with or without what was not flushed, and started again at the same place. Replies leave in
 * whatever order requests are done: each has a thread of its own.
 */
final class DiskServer implements AutoCloseable {

    /**
     * What it offers.
     *
     * @param isFixed whether it is of the fixed kind
     * @param knowsGo whether it knows GO
     * @param isStructured whether it has structured replies; READs are then answered in many chunks, last ones first
     * @param tellsHoles whether it has base:allocation
     * @param blockBytesMin 0 to say nothing about blocks
     */
    record Ways(
            boolean isFixed,
            boolean knowsGo,
            boolean isStructured,
            boolean tellsHoles,
            int blockBytesMin,
            int blockBytesMax,
            int flags) {

        static final int FLAGS = Protocol.FLAG_HAS_FLAGS | Protocol.FLAG_SEND_FLUSH | Protocol.FLAG_SEND_WRITE_ZEROES;
        static final Ways SIMPLE = new Ways(true, true, false, false, 0, 0, FLAGS);
        static final Ways RICH = new Ways(true, true, true, true, 1, 32 << 20, FLAGS | Protocol.FLAG_CAN_MULTI_CONN);
        static final Ways OLD = new Ways(false, false, false, false, 0, 0, FLAGS & ~Protocol.FLAG_SEND_WRITE_ZEROES);

        Ways withFlags(int other) {
            return new Ways(isFixed, knowsGo, isStructured, tellsHoles, blockBytesMin, blockBytesMax, other);
        }

        Ways withBlocks(int min, int max) {
            return new Ways(isFixed, knowsGo, isStructured, tellsHoles, min, max, flags);
        }
    }

    /** A request as it was carried out, in that order. */
    record Done(int connection, int command, long offsetBytes, int lengthBytes) {}

    /** Called before a request is carried out; may wait, and fail it with an "Error value". */
    interface Hook {
        int before(int connection, int command, long offsetBytes, int lengthBytes) throws InterruptedException;
    }

    static final int HOLE_BYTES = 4096;

    private final Path directory = Files.createTempDirectory("disk-server");
    private final Path socket = directory.resolve("s");
    private final @Nullable InetSocketAddress tcp;
    volatile Ways ways;
    volatile byte[] content;
    private byte[] durable;
    volatile @Nullable Hook hook;
    /** What is answered instead of every reply; null for replies. */
    volatile byte @Nullable [] babble;

    final List<Done> log = new CopyOnWriteArrayList<>();
    final List<SocketChannel> clients = new CopyOnWriteArrayList<>();
    private final List<Thread> threads = new CopyOnWriteArrayList<>();
    private @Nullable ServerSocketChannel listener;
    private @Nullable Thread acceptor;
    private int connectionCount;

    DiskServer(int sizeBytes, Ways ways, boolean isTcp) throws IOException {
        this.ways = ways;
        this.content = new byte[sizeBytes];
        this.durable = new byte[sizeBytes];
        if (isTcp) {
            try (ServerSocketChannel probe = ServerSocketChannel.open()) {
                tcp = (InetSocketAddress) probe.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0))
                        .getLocalAddress();
            }
        } else {
            tcp = null;
        }
        start();
    }

    static DiskServer of(int sizeBytes, Ways ways) throws IOException {
        return new DiskServer(sizeBytes, ways, false);
    }

    RemoteUri uri() {
        return RemoteUri.parse(
                tcp == null ? "nbd+unix:///disk?socket=" + socket : "nbd://127.0.0.1:" + tcp.getPort() + "/disk");
    }

    byte[] durable() {
        synchronized (this) {
            return durable.clone();
        }
    }

    // ---------------------------------------------------------------------------------------------- life

    void start() throws IOException {
        Files.deleteIfExists(socket);
        ServerSocketChannel opened =
                tcp == null ? ServerSocketChannel.open(StandardProtocolFamily.UNIX) : ServerSocketChannel.open();
        if (tcp == null) {
            opened.bind(UnixDomainSocketAddress.of(socket));
        } else {
            opened.bind(tcp);
        }
        listener = opened;
        acceptor = startThread(() -> {
            while (true) {
                SocketChannel client = opened.accept();
                clients.add(client);
                int number;
                synchronized (this) {
                    number = connectionCount++;
                }
                startThread(() -> serve(client, number));
            }
        });
    }

    /** Ends as a process that is killed does: all connections are closed, and what is under way may still be carried out. */
    void kill() throws IOException {
        if (listener != null) {
            listener.close();
        }
        if (acceptor != null) {
            join(acceptor); // until then it takes another client, and keeps its port
        }
        for (SocketChannel client : clients) {
            client.close();
        }
        clients.clear();
    }

    /** Cuts the power of a server that was killed: what was not flushed is lost. */
    void losePower() {
        synchronized (this) {
            content = durable.clone();
        }
    }

    @Override
    public void close() throws IOException {
        hook = null;
        kill();
        boolean isInterrupted = false;
        for (Thread thread : threads) {
            try {
                thread.interrupt();
                thread.join();
            } catch (InterruptedException e) {
                isInterrupted = true;
            }
        }
        Files.deleteIfExists(socket);
        Files.delete(directory);
        if (isInterrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private interface Work {
        void run() throws IOException, InterruptedException;
    }

    private Thread startThread(Work work) {
        Thread thread = Thread.ofPlatform().daemon().unstarted(() -> {
            try {
                work.run();
            } catch (IOException | InterruptedException e) {
                // It was killed, or its client has gone.
            }
        });
        threads.add(thread);
        thread.start();
        return thread;
    }

    // ---------------------------------------------------------------------------------------------- handshake

    private void serve(SocketChannel client, int number) throws IOException {
        try (client) {
            ByteBuffer greeting = ByteBuffer.allocate(18)
                    .putLong(Protocol.NBDMAGIC)
                    .putLong(Protocol.IHAVEOPT)
                    .putShort((short) (ways.isFixed ? Protocol.FLAG_FIXED_NEWSTYLE : 0));
            write(client, greeting.flip());
            read(client, 4);
            boolean isStructured = false;
            while (true) {
                ByteBuffer option = read(client, 16);
                option.getLong();
                int code = option.getInt();
                ByteBuffer data = read(client, option.getInt());
                if (code == Protocol.OPT_EXPORT_NAME) {
                    if (!UTF_8.decode(data).toString().equals("disk")) {
                        return;
                    }
                    write(
                            client,
                            ByteBuffer.allocate(134)
                                    .putLong(content.length)
                                    .putShort((short) ways.flags)
                                    .clear());
                    break;
                }
                if (code == Protocol.OPT_STRUCTURED_REPLY && ways.isStructured) {
                    isStructured = true;
                    answer(client, code, Protocol.REP_ACK, ByteBuffer.allocate(0));
                } else if (code == Protocol.OPT_SET_META_CONTEXT && ways.tellsHoles) {
                    byte[] name = Protocol.CONTEXT_ALLOCATION.getBytes(UTF_8);
                    answer(
                            client,
                            code,
                            Protocol.REP_META_CONTEXT,
                            ByteBuffer.allocate(4 + name.length).putInt(77).put(name));
                    answer(client, code, Protocol.REP_ACK, ByteBuffer.allocate(0));
                } else if (code == Protocol.OPT_GO && ways.knowsGo) {
                    byte[] name = new byte[data.getInt()];
                    data.get(name);
                    if (!new String(name, UTF_8).equals("disk")) {
                        answer(
                                client,
                                code,
                                Protocol.REP_ERR_UNKNOWN,
                                ByteBuffer.wrap("not\nhere".getBytes(UTF_8)).position(8));
                        continue;
                    }
                    answer(
                            client,
                            code,
                            Protocol.REP_INFO,
                            ByteBuffer.allocate(12)
                                    .putShort((short) Protocol.INFO_EXPORT)
                                    .putLong(content.length)
                                    .putShort((short) ways.flags));
                    if (ways.blockBytesMin > 0) {
                        answer(
                                client,
                                code,
                                Protocol.REP_INFO,
                                ByteBuffer.allocate(14)
                                        .putShort((short) Protocol.INFO_BLOCK_SIZE)
                                        .putInt(ways.blockBytesMin)
                                        .putInt(4096)
                                        .putInt(ways.blockBytesMax));
                    }
                    answer(client, code, Protocol.REP_ACK, ByteBuffer.allocate(0));
                    break;
                } else {
                    answer(client, code, Protocol.REP_ERR_UNSUP, ByteBuffer.allocate(0));
                }
            }
            transmit(client, number, isStructured);
        }
    }

    private static void answer(SocketChannel client, int option, int type, ByteBuffer data) throws IOException {
        data.flip();
        ByteBuffer message = ByteBuffer.allocate(20 + data.remaining())
                .putLong(Protocol.OPTION_REPLY_MAGIC)
                .putInt(option)
                .putInt(type)
                .putInt(data.remaining())
                .put(data);
        write(client, message.flip());
    }

    // ---------------------------------------------------------------------------------------------- transmission

    private void transmit(SocketChannel client, int number, boolean isStructured) throws IOException {
        List<Thread> underWay = new ArrayList<>();
        try {
            receive(client, number, isStructured, underWay);
        } finally {
            // As the specification wants it: what was asked is done before the connection is closed.
            underWay.forEach(DiskServer::join);
        }
    }

    private static void join(Thread thread) {
        try {
            thread.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void receive(SocketChannel client, int number, boolean isStructured, List<Thread> underWay)
            throws IOException {
        while (true) {
            ByteBuffer header = read(client, Protocol.REQUEST_BYTES);
            int magic = header.getInt();
            header.getShort();
            int command = header.getShort();
            long cookie = header.getLong();
            long offset = header.getLong();
            int length = header.getInt();
            if (magic != Protocol.REQUEST_MAGIC || command == Protocol.CMD_DISC) {
                return;
            }
            ByteBuffer payload = command == Protocol.CMD_WRITE ? read(client, length) : ByteBuffer.allocate(0);
            underWay.add(startThread(
                    () -> carryOut(client, number, isStructured, command, cookie, offset, length, payload)));
        }
    }

    private void carryOut(
            SocketChannel client,
            int number,
            boolean isStructured,
            int command,
            long cookie,
            long offset,
            int length,
            ByteBuffer payload)
            throws IOException, InterruptedException {
        Hook seen = hook;
        int error = seen == null ? 0 : seen.before(number, command, offset, length);
        if (error == 0 && (offset | length) % Math.max(1, ways.blockBytesMin) != 0) {
            error = Protocol.EINVAL;
        }
        if (error == 0
                && ways.blockBytesMax > 0
                && command != Protocol.CMD_BLOCK_STATUS
                && length > ways.blockBytesMax) {
            error = Protocol.EINVAL;
        }
        List<ByteBuffer> reply = new ArrayList<>();
        synchronized (this) {
            if (error == 0) {
                log.add(new Done(number, command, offset, length));
                switch (command) {
                    case Protocol.CMD_WRITE -> payload.get(content, (int) offset, length);
                    case Protocol.CMD_WRITE_ZEROES ->
                        Arrays.fill(content, (int) offset, (int) offset + length, (byte) 0);
                    case Protocol.CMD_FLUSH -> durable = content.clone();
                    default -> {}
                }
            }
            if (!isStructured) {
                reply.add(simple(error, cookie));
                if (command == Protocol.CMD_READ && error == 0) {
                    reply.add(ByteBuffer.wrap(content.clone(), (int) offset, length));
                }
            } else if (error != 0) {
                reply.add(chunk(
                        cookie,
                        0x8001,
                        true,
                        ByteBuffer.allocate(9).putInt(error).putShort((short) 3).put("why".getBytes(UTF_8))));
            } else if (command == Protocol.CMD_READ) {
                addContent(reply, cookie, (int) offset, length);
            } else if (command == Protocol.CMD_BLOCK_STATUS) {
                reply.add(status(cookie, (int) offset, length));
            } else {
                reply.add(chunk(cookie, Protocol.REPLY_NONE, true, ByteBuffer.allocate(0)));
            }
        }
        byte[] instead = babble;
        if (instead != null) {
            reply = List.of(ByteBuffer.wrap(instead));
        }
        synchronized (client) {
            for (ByteBuffer part : reply) {
                write(client, part);
            }
        }
    }

    private static ByteBuffer simple(int error, long cookie) {
        return ByteBuffer.allocate(16)
                .putInt(Protocol.SIMPLE_REPLY_MAGIC)
                .putInt(error)
                .putLong(cookie)
                .flip();
    }

    private static ByteBuffer chunk(long cookie, int type, boolean isLast, ByteBuffer data) {
        data.flip();
        return ByteBuffer.allocate(20 + data.remaining())
                .putInt(Protocol.STRUCTURED_REPLY_MAGIC)
                .putShort((short) (isLast ? Protocol.REPLY_FLAG_DONE : 0))
                .putShort((short) type)
                .putLong(cookie)
                .putInt(data.remaining())
                .put(data)
                .flip();
    }

    /** In pieces of a page, the last ones first, zeroes as holes. */
    private void addContent(List<ByteBuffer> reply, long cookie, int offset, int length) {
        int end = offset + length;
        while (end > offset) {
            int begin = Math.max(offset, (end - 1) / HOLE_BYTES * HOLE_BYTES);
            reply.add(
                    isZero(begin, end)
                            ? chunk(
                                    cookie,
                                    Protocol.REPLY_OFFSET_HOLE,
                                    false,
                                    ByteBuffer.allocate(12).putLong(begin).putInt(end - begin))
                            : chunk(
                                    cookie,
                                    Protocol.REPLY_OFFSET_DATA,
                                    false,
                                    ByteBuffer.allocate(8 + end - begin)
                                            .putLong(begin)
                                            .put(content, begin, end - begin)));
            end = begin;
        }
        reply.add(chunk(cookie, Protocol.REPLY_NONE, true, ByteBuffer.allocate(0)));
    }

    private ByteBuffer status(long cookie, int offset, int length) {
        ByteBuffer data = ByteBuffer.allocate(4 + 8 * (length / HOLE_BYTES + 2)).putInt(77);
        for (int at = offset; at < offset + length; ) {
            int end = Math.min(content.length, (at / HOLE_BYTES + 1) * HOLE_BYTES);
            data.putInt(end - at).putInt(isZero(at, end) ? 3 : 0);
            at = end;
        }
        return chunk(cookie, Protocol.REPLY_BLOCK_STATUS, true, data);
    }

    private boolean isZero(int begin, int end) {
        for (int i = begin; i < end; i++) {
            if (content[i] != 0) {
                return false;
            }
        }
        return true;
    }

    // ---------------------------------------------------------------------------------------------- the wire

    private static void write(SocketChannel client, ByteBuffer bytes) throws IOException {
        while (bytes.hasRemaining()) {
            client.write(bytes);
        }
    }

    private static ByteBuffer read(SocketChannel client, int lengthBytes) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(lengthBytes);
        while (bytes.hasRemaining()) {
            if (client.read(bytes) < 0) {
                throw new EOFException();
            }
        }
        return bytes.flip();
    }
}
