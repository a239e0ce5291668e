package ramback.remote;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.EOFException;
import java.io.IOException;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.SocketChannel;
import java.util.ArrayDeque;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import ramback.clock.Clock;
import ramback.protocol.Protocol;

/**
 * One connection in the transmission phase: sends requests one behind the other, takes replies in whatever order they come, and hands
 * each request on when it is answered. Payload goes straight between socket and the request's memory, but for what of it arrives together
 * with a header. For the exchange's thread; never blocks. An {@link IOException} ends the connection: its message is the reason.
 */
final class Link {

    private static final int OUT_BYTES = 4096;
    private static final int IN_BYTES = 4096;
    private static final int MESSAGE_BYTES_MAX = 400;

    /** An answer about extents that is longer is an attack: the most that a server known to us sends is 8 MiB. */
    private static final int STATUS_BYTES_MAX = 64 << 20;

    /** What the next received byte is. */
    private enum Expected {
        HEADER,
        /** Of a READ's data: {@code remaining} bytes of it follow. */
        DATA,
        /** Where the data or the hole begins, of a structured chunk. */
        CHUNK_OFFSET,
        CONTEXT,
        EXTENT,
        ERROR,
        MESSAGE,
        /** To be passed over: {@code remaining} bytes of it. */
        NOTHING
    }

    private final SocketChannel channel;
    private final Sockets sockets;
    private final Terms terms;
    private final Request[] requests;
    private final Consumer<Request> onDone;

    private final ArrayDeque<Request> unsent;
    private final ByteBuffer out = ByteBuffer.allocateDirect(OUT_BYTES);
    private final ByteBuffer[] gathered = new ByteBuffer[2];
    private @Nullable ByteBuffer payload;

    private final ByteBuffer in = ByteBuffer.allocateDirect(IN_BYTES).limit(0);
    private Expected expected = Expected.HEADER;
    private @Nullable Request answered;
    private long remaining;
    private boolean isLastChunk;
    private boolean isHole;
    private boolean isOurs;
    private byte[] message = new byte[0];

    private int underWay;
    private int slowUnderWay;
    private long weightBytes;
    private long aliveNanos;
    private boolean ended;

    /**
     * Takes a connection that has been agreed on.
     *
     * @param requests the table in which cookies are looked up
     * @param onDone called with each request that is answered
     */
    Link(SocketChannel channel, Sockets sockets, Terms terms, Request[] requests, Consumer<Request> onDone) {
        this.channel = channel;
        this.sockets = sockets;
        this.terms = terms;
        this.requests = requests;
        this.onDone = onDone;
        this.unsent = new ArrayDeque<>(requests.length);
        out.limit(0);
    }

    Terms terms() {
        return terms;
    }

    /** Bytes of data that are on their way in either direction: the connection with the fewest takes the next request. */
    long weightBytes() {
        return weightBytes;
    }

    // ---------------------------------------------------------------------------------------------- requests

    /** Takes a request on its way, behind those before. */
    void take(Request request, long nowNanos) {
        if (underWay++ == 0) {
            aliveNanos = nowNanos;
        }
        slowUnderWay += isSlow(request) ? 1 : 0;
        weightBytes += request.weightBytes();
        request.link = this;
        request.receivedBytes = 0;
        unsent.add(request);
    }

    private static boolean isSlow(Request request) {
        return request.command == Protocol.CMD_FLUSH || request.command == Protocol.CMD_WRITE_ZEROES;
    }

    /** When the server must have shown a sign of life: only while it owes an answer. */
    long silentSinceNanos() {
        return underWay == 0 ? Clock.NEVER : aliveNanos;
    }

    /** Whether it has been asked for something that may take long. */
    boolean isSlow() {
        return slowUnderWay > 0;
    }

    /** Sends what there is room for; returns whether anything was sent. */
    boolean send(long nowNanos) throws IOException {
        boolean sent = false;
        while (true) {
            fill();
            ByteBuffer behind = payload;
            if (!out.hasRemaining() && behind == null) {
                sockets.watch(channel, SelectionKey.OP_READ);
                return sent;
            }
            long count;
            if (behind == null) {
                count = channel.write(out);
            } else {
                gathered[0] = out;
                gathered[1] = behind;
                count = channel.write(gathered, 0, 2);
                if (!behind.hasRemaining()) {
                    payload = null;
                }
            }
            if (count == 0) {
                sockets.watch(channel, SelectionKey.OP_READ | SelectionKey.OP_WRITE);
                return sent;
            }
            aliveNanos = nowNanos;
            sent = true;
        }
    }

    /** Puts headers into the empty buffer, up to the first one with a payload, which follows the buffer. */
    private void fill() {
        if (out.hasRemaining() || payload != null) {
            return;
        }
        out.clear();
        while (out.remaining() >= Protocol.REQUEST_BYTES && payload == null && !unsent.isEmpty()) {
            Request request = unsent.remove();
            out.putInt(Protocol.REQUEST_MAGIC)
                    .putShort((short) 0)
                    .putShort((short) request.command)
                    .putLong(request.cookie)
                    .putLong(request.offsetBytes)
                    .putInt(request.lengthBytes);
            if (request.command == Protocol.CMD_WRITE) {
                payload = request.memory;
            }
        }
        out.flip();
    }

    // ---------------------------------------------------------------------------------------------- replies

    /** Takes in what has come; returns whether anything had. */
    boolean receive(long nowNanos) throws IOException {
        boolean received = false;
        while (true) {
            consume();
            int count;
            ByteBuffer direct = expected == Expected.DATA ? memory() : null;
            if (direct != null) {
                int limit = direct.limit();
                direct.limit((int) Math.min(limit, direct.position() + remaining));
                count = channel.read(direct);
                direct.limit(limit);
                noteData(Math.max(0, count));
            } else {
                in.compact();
                count = channel.read(in);
                in.flip();
            }
            if (count < 0) {
                ended = true;
                throw new EOFException("the server closed the connection");
            }
            if (count == 0) {
                return received;
            }
            aliveNanos = nowNanos;
            received = true;
        }
    }

    /** Takes what has been received as far as it goes; all that is left is less than what is expected next. */
    private void consume() throws IOException {
        while (step()) {
            // One thing after the other.
        }
    }

    private boolean step() throws IOException {
        switch (expected) {
            case HEADER -> {
                return header();
            }
            case DATA -> {
                return data();
            }
            case CHUNK_OFFSET -> {
                return chunkOffset();
            }
            case CONTEXT -> {
                if (in.remaining() < Integer.BYTES) {
                    return false;
                }
                isOurs = Integer.toUnsignedLong(in.getInt()) == terms.allocationContext();
                remaining -= Integer.BYTES;
                expected = Expected.EXTENT;
            }
            case EXTENT -> {
                if (in.remaining() < Protocol.EXTENT_BYTES) {
                    return false;
                }
                extent(Integer.toUnsignedLong(in.getInt()), in.getInt());
            }
            case ERROR -> {
                if (in.remaining() < Protocol.REPLY_ERROR_BYTES) {
                    return false;
                }
                error(in.getInt(), Short.toUnsignedInt(in.getShort()));
            }
            case MESSAGE -> {
                if (in.remaining() < message.length) {
                    return false;
                }
                in.get(message);
                remaining -= message.length;
                answered().message = ClientHandshake.readable(new String(message, UTF_8));
                skipRest();
            }
            case NOTHING -> {
                int count = (int) Math.min(remaining, in.remaining());
                in.position(in.position() + count);
                remaining -= count;
                if (remaining > 0) {
                    return false;
                }
                endChunk();
            }
        }
        return true;
    }

    private boolean header() throws IOException {
        if (in.remaining() < Integer.BYTES) {
            return false;
        }
        int magic = in.getInt(in.position());
        if (magic == Protocol.SIMPLE_REPLY_MAGIC) {
            return in.remaining() >= Protocol.SIMPLE_REPLY_BYTES && simpleReply();
        }
        if (magic == Protocol.STRUCTURED_REPLY_MAGIC && terms.isStructured()) {
            return in.remaining() >= Protocol.STRUCTURED_REPLY_BYTES && structuredReply();
        }
        throw broken("a reply begins with 0x" + Integer.toHexString(magic));
    }

    /** "Simple reply message". */
    private boolean simpleReply() throws IOException {
        in.getInt();
        int error = in.getInt();
        Request request = find(in.getLong());
        request.error = error;
        isLastChunk = true;
        if (request.command == Protocol.CMD_READ && error == 0) {
            if (terms.isStructured()) {
                throw broken("data in a simple reply");
            }
            remaining = request.lengthBytes;
            expected = Expected.DATA;
        } else {
            endChunk();
        }
        return true;
    }

    /** "Structured reply chunk message". */
    private boolean structuredReply() throws IOException {
        in.getInt();
        isLastChunk = (in.getShort() & Protocol.REPLY_FLAG_DONE) != 0;
        int type = Short.toUnsignedInt(in.getShort());
        Request request = find(in.getLong());
        remaining = Integer.toUnsignedLong(in.getInt());
        if (type == Protocol.REPLY_NONE && remaining == 0 && isLastChunk) {
            endChunk();
        } else if (type == Protocol.REPLY_OFFSET_DATA
                && request.command == Protocol.CMD_READ
                && remaining > Long.BYTES) {
            isHole = false;
            expected = Expected.CHUNK_OFFSET;
        } else if (type == Protocol.REPLY_OFFSET_HOLE
                && request.command == Protocol.CMD_READ
                && remaining == Long.BYTES + Integer.BYTES) {
            isHole = true;
            expected = Expected.CHUNK_OFFSET;
        } else if (type == Protocol.REPLY_BLOCK_STATUS
                && request.command == Protocol.CMD_BLOCK_STATUS
                && remaining >= Integer.BYTES + Protocol.EXTENT_BYTES
                && remaining <= STATUS_BYTES_MAX
                && (remaining - Integer.BYTES) % Protocol.EXTENT_BYTES == 0) {
            expected = Expected.CONTEXT;
        } else if ((type & Protocol.REPLY_ERROR_BIT) != 0 && remaining >= Protocol.REPLY_ERROR_BYTES) {
            expected = Expected.ERROR;
        } else {
            throw broken("a chunk of type " + type + " and " + remaining + " bytes for command " + request.command);
        }
        return true;
    }

    private boolean chunkOffset() throws IOException {
        if (in.remaining() < Long.BYTES + (isHole ? Integer.BYTES : 0)) {
            return false;
        }
        Request request = answered();
        long begin = in.getLong() - request.offsetBytes;
        long lengthBytes = isHole ? Integer.toUnsignedLong(in.getInt()) : remaining - Long.BYTES;
        if (begin < 0 || lengthBytes < 1 || begin + lengthBytes > request.lengthBytes) {
            throw broken("data outside what was asked for");
        }
        ByteBuffer memory = memory();
        memory.position((int) begin);
        if (!isHole) {
            remaining = lengthBytes;
            expected = Expected.DATA;
            return true;
        }
        while (memory.position() + Long.BYTES <= begin + lengthBytes) {
            memory.putLong(0);
        }
        while (memory.position() < begin + lengthBytes) {
            memory.put((byte) 0);
        }
        request.receivedBytes += (int) lengthBytes;
        endChunk();
        return true;
    }

    private boolean data() throws IOException {
        int count = (int) Math.min(remaining, in.remaining());
        if (count == 0) {
            return false;
        }
        int limit = in.limit();
        in.limit(in.position() + count);
        memory().put(in);
        in.limit(limit);
        noteData(count);
        return true;
    }

    private void noteData(int count) throws IOException {
        Request request = answered();
        request.receivedBytes += count;
        remaining -= count;
        if (remaining == 0 && expected == Expected.DATA) {
            endChunk();
        }
    }

    private void extent(long lengthBytes, int stateFlags) throws IOException {
        Extents extents = answered().extents;
        remaining -= Protocol.EXTENT_BYTES;
        if (lengthBytes == 0 || extents == null) {
            throw broken("an extent of " + lengthBytes + " bytes");
        }
        if (isOurs) {
            extents.add(lengthBytes, (stateFlags & Protocol.STATE_ZERO) != 0);
        }
        if (remaining == 0) {
            endChunk();
        }
    }

    private void error(int error, int lengthBytes) throws IOException {
        remaining -= Protocol.REPLY_ERROR_BYTES;
        if (error == 0 || lengthBytes > remaining || lengthBytes > Protocol.STRING_BYTES_MAX) {
            throw broken("error " + error + " with a message of " + lengthBytes + " bytes");
        }
        answered().error = error;
        if (lengthBytes > 0) {
            message = new byte[Math.min(lengthBytes, MESSAGE_BYTES_MAX)];
            expected = Expected.MESSAGE;
        } else {
            skipRest();
        }
    }

    private void skipRest() throws IOException {
        expected = Expected.NOTHING;
        if (remaining == 0) {
            endChunk();
        }
    }

    /** Goes on to the next reply; with a request's last chunk it is answered. */
    private void endChunk() throws IOException {
        Request request = answered();
        expected = Expected.HEADER;
        answered = null;
        if (!isLastChunk) {
            return;
        }
        if (request.error == 0
                && request.command == Protocol.CMD_READ
                && request.receivedBytes != request.lengthBytes) {
            throw broken(request.receivedBytes + " bytes where " + request.lengthBytes + " were asked for");
        }
        letGo(request);
        onDone.accept(request);
    }

    private Request find(long cookie) throws IOException {
        int index = (int) (cookie & 0xffff);
        Request request = index < requests.length ? requests[index] : null;
        if (request == null || request.link != this || request.cookie != cookie) {
            throw broken("a reply to a request that was not made");
        }
        answered = request;
        return request;
    }

    private Request answered() throws IOException {
        Request request = answered;
        if (request == null) {
            throw broken("a part of no reply");
        }
        return request;
    }

    private ByteBuffer memory() throws IOException {
        ByteBuffer memory = answered().memory;
        if (memory == null) {
            throw broken("data for a request without memory");
        }
        return memory;
    }

    private static IOException broken(String what) {
        return new IOException("the server breaks the protocol: " + what);
    }

    private void letGo(Request request) {
        underWay--;
        slowUnderWay -= isSlow(request) ? 1 : 0;
        weightBytes -= request.weightBytes();
        request.link = null;
    }

    // ---------------------------------------------------------------------------------------------- the end

    /** Lets go of all requests, none of which is answered any more, and says to the server that no more follow. */
    void beginEnd() {
        unsent.clear();
        payload = null;
        for (Request request : requests) {
            if (request.link == this) {
                letGo(request);
            }
        }
        try {
            channel.shutdownOutput();
        } catch (IOException e) {
            ended = true;
        }
        sockets.watch(channel, SelectionKey.OP_READ);
    }

    /** Passes over what still comes; returns whether the server has closed its end. */
    boolean hasEnded() {
        while (!ended) {
            try {
                in.clear();
                int count = channel.read(in);
                if (count == 0) {
                    return false;
                }
                ended = count < 0;
            } catch (IOException e) {
                ended = true;
            }
        }
        return true;
    }

    /** Says goodbye, if there is room for it at once: "NBD_CMD_DISC". */
    void sayGoodbye() {
        out.clear();
        out.putInt(Protocol.REQUEST_MAGIC)
                .putShort((short) 0)
                .putShort((short) Protocol.CMD_DISC)
                .putLong(0)
                .putLong(0)
                .putInt(0)
                .flip();
        try {
            channel.write(out);
        } catch (IOException e) {
            // It hears it from the closed connection as well.
        }
    }

    /** Closes it; where the server has not closed its end, what was not received there yet is withdrawn, as far as TCP can. */
    void close() {
        try {
            if (!ended && channel.supportedOptions().contains(StandardSocketOptions.SO_LINGER)) {
                channel.setOption(StandardSocketOptions.SO_LINGER, 0);
            }
            channel.close();
        } catch (IOException e) {
            // Nothing is sent or received any more.
        }
    }
}
