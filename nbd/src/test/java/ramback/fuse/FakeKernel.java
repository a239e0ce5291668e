package ramback.fuse;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import ramback.device.TooManySessionsException;
import ramback.nbd.RamDevice;
import ramback.posix.Descriptors;
import ramback.posix.Posix;
import ramback.posix.PosixException;
import ramback.posix.Vectors;
import ramback.traffic.Traffic;

/**
 * The kernel's side of a connection, over a pair of sockets that keep messages whole: sends requests, receives replies
 * in any order. One thread's.
 */
final class FakeKernel implements AutoCloseable {

    /** Longer than any message: a socket takes no more than about 200 KiB at once. */
    private static final int MESSAGE_BYTES_MAX = 256 << 10;

    static final int ALL_FLAGS = -1;

    /** A reply; the body is in the machine's byte order. */
    record Reply(int error, ByteBuffer body) {

        byte[] bytes() {
            byte[] bytes = new byte[body.capacity()];
            body.get(0, bytes);
            return bytes;
        }
    }

    private final Arena arena = Arena.ofShared();
    private final MemorySegment message = arena.allocate(MESSAGE_BYTES_MAX, 8);
    private final MemorySegment vector = arena.allocate(Vectors.BYTES, 8);
    private final ByteBuffer bytes = message.asByteBuffer().order(ByteOrder.nativeOrder());
    private final Map<Long, Reply> replies = new HashMap<>();
    private final Descriptors.Pair pair;
    private final FuseServer server;
    private long lastUnique = 100;
    private boolean closed;

    /** Where the server counts. */
    final Traffic traffic = new Traffic();

    /** What the server answered to INIT. */
    final ByteBuffer init;

    FakeKernel(RamDevice device, List<FuseFile> files) throws IOException, TooManySessionsException {
        this(device, files, 7, 45, ALL_FLAGS);
    }

    FakeKernel(RamDevice device, List<FuseFile> files, int major, int minor, int flags)
            throws IOException, TooManySessionsException {
        pair = Descriptors.socketPair(Descriptors.SOCK_SEQPACKET);
        long unique = send(
                FuseProtocol.INIT,
                0,
                body(64).putInt(major).putInt(minor).putInt(4096).putInt(flags));
        if (major > FuseProtocol.MAJOR) {
            send(
                    FuseProtocol.INIT,
                    0,
                    body(64).putInt(7).putInt(45).putInt(4096).putInt(flags));
        }
        boolean started = false;
        try {
            Tree tree = new Tree(device, files, 0);
            // The other end is the server's: it closes it.
            server = FuseServer.start(pair.second(), device, tree, traffic, 1, true);
            started = true;
        } finally {
            if (!started) {
                Posix.close(pair.first());
                arena.close();
            }
        }
        init = await(unique).body;
    }

    /** The server, to be watched. */
    FuseServer server() {
        return server;
    }

    /**
     * Room for what belongs to a request's opcode; as much of it is sent as was put there, but at least this many
     * bytes.
     */
    static ByteBuffer body(int lengthBytes) {
        return ByteBuffer.allocate(lengthBytes).order(ByteOrder.nativeOrder());
    }

    /** A name as the kernel sends it. */
    static ByteBuffer name(String name) {
        return ByteBuffer.wrap((name + "\0").getBytes(StandardCharsets.UTF_8));
    }

    /** Sends a request with all of its body and returns its number. */
    long send(int opcode, long node, ByteBuffer body) throws PosixException {
        long unique = lastUnique += 2;
        int length = FuseProtocol.IN_HEADER_BYTES + body.capacity();
        sendRaw(length, length, opcode, unique, node, body);
        return unique;
    }

    /** Sends a message of a length that may differ from what it says. */
    void sendRaw(int sentBytes, int saidBytes, int opcode, long unique, long node, ByteBuffer body)
            throws PosixException {
        bytes.clear()
                .putInt(saidBytes)
                .putInt(opcode)
                .putLong(unique)
                .putLong(node)
                .putLong(0)
                .putLong(0)
                .put(body.duplicate().clear());
        Vectors.set(vector, 0, message.address(), sentBytes);
        long sent = Vectors.write(pair.first(), vector.address(), 1);
        if (sent != sentBytes) {
            throw new PosixException("write", (int) -sent, null);
        }
    }

    /** Receives replies until that of a request is there. */
    Reply await(long unique) throws PosixException {
        while (!replies.containsKey(unique)) {
            if (!receive()) {
                throw new AssertionError("the server closed");
            }
        }
        return replies.remove(unique);
    }

    /** Receives one message; false when the server has closed. */
    private boolean receive() throws PosixException {
        Vectors.set(vector, 0, message.address(), MESSAGE_BYTES_MAX);
        long received = Vectors.read(pair.first(), vector.address(), 1);
        if (received <= 0) {
            return false;
        }
        bytes.clear();
        if (bytes.getInt(0) != received) {
            throw new AssertionError("a message of " + received + " bytes says " + bytes.getInt(0));
        }
        int error = bytes.getInt(4);
        long unique = bytes.getLong(8);
        byte[] body = message.asSlice(FuseProtocol.OUT_HEADER_BYTES, received - FuseProtocol.OUT_HEADER_BYTES)
                .toArray(ValueLayout.JAVA_BYTE);
        Reply reply = new Reply(-error, ByteBuffer.wrap(body).order(ByteOrder.nativeOrder()));
        if (replies.put(unique, reply) != null) {
            throw new AssertionError("a second reply to " + unique);
        }
        return true;
    }

    /**
     * Whether a reply to a request has come already; reads nothing more than what an answered GETATTR shows to be
     * there.
     */
    boolean isAnswered(long unique) throws PosixException {
        call(FuseProtocol.GETATTR, FuseProtocol.ROOT_NODE, body(16));
        return replies.containsKey(unique);
    }

    /** Sends a request and waits for its reply. */
    Reply call(int opcode, long node, ByteBuffer body) throws PosixException {
        return await(send(opcode, node, body));
    }

    // ------------------------------------------------------------------------------------------------- common
    // requests

    long sendRead(long node, long fh, long offsetBytes, int lengthBytes) throws PosixException {
        return send(
                FuseProtocol.READ,
                node,
                body(40).putLong(fh).putLong(offsetBytes).putInt(lengthBytes));
    }

    long sendWrite(long node, long fh, long offsetBytes, byte[] payload, int openFlags) throws PosixException {
        return send(
                FuseProtocol.WRITE,
                node,
                body(40 + payload.length)
                        .putLong(fh)
                        .putLong(offsetBytes)
                        .putInt(payload.length)
                        .putInt(0)
                        .putLong(0)
                        .putInt(openFlags)
                        .putInt(0)
                        .put(payload));
    }

    Reply read(long offsetBytes, int lengthBytes) throws PosixException {
        return await(sendRead(Tree.DISK_NODE, 0, offsetBytes, lengthBytes));
    }

    Reply write(long offsetBytes, byte[] payload) throws PosixException {
        return await(sendWrite(Tree.DISK_NODE, 1, offsetBytes, payload, 1));
    }

    Reply allocate(int mode, long offsetBytes, long lengthBytes) throws PosixException {
        return call(
                FuseProtocol.FALLOCATE,
                Tree.DISK_NODE,
                body(32).putLong(1).putLong(offsetBytes).putLong(lengthBytes).putInt(mode));
    }

    Reply seek(long offsetBytes, int whence) throws PosixException {
        return call(
                FuseProtocol.LSEEK,
                Tree.DISK_NODE,
                body(24).putLong(0).putLong(offsetBytes).putInt(whence));
    }

    Reply open(long node, int flags) throws PosixException {
        return call(FuseProtocol.OPEN, node, body(8).putInt(flags));
    }

    /** Waits until the server has closed its end, whatever it says before. */
    void awaitEnd() throws PosixException {
        while (receive()) {
            // replies that nobody waits for
        }
    }

    /** Unmounts: the server's next read ends. */
    void unmount() throws PosixException {
        if (!closed) {
            closed = true;
            Posix.close(pair.first());
        }
    }

    /** Stops the server as {@link FuseDirectory#close} does, and waits for that. */
    @Override
    public void close() throws PosixException {
        unmount();
        server.stop();
        arena.close();
    }

    /** The server's end, after it left. */
    int serverEnd() {
        return pair.second();
    }
}
