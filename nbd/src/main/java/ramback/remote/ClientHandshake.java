package ramback.remote;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;
import ramback.backing.BackingOpenException;
import ramback.backing.BackingOpenException.Reason;
import ramback.protocol.Protocol;

/**
 * The client's side of "Fixed newstyle negotiation": asks for structured replies and {@code base:allocation} if they are wanted, takes
 * what of it there is, and ends in the transmission phase. A server that does not know GO is asked with EXPORT_NAME. Reads exactly the
 * bytes of each answer, so that the connection may then be somebody else's. Used once, by one thread.
 */
public final class ClientHandshake {

    /** A connection on which a server waits for a client. Both calls are about all of the bytes, and fail when it takes too long. */
    public interface ServerChannel {
        /** Sends all that remains. */
        void send(ByteBuffer from) throws IOException;

        /**
         * Receives all that is missing.
         *
         * @throws EOFException when the server has hung up
         */
        void receive(ByteBuffer into) throws IOException;
    }

    /** No answer to an option that we send is longer. */
    private static final int ANSWER_BYTES_MAX = 64 << 10;

    private static final int GREETING_BYTES = 18;
    private static final int MESSAGE_CHARS_MAX = 200;

    /** "Oldstyle negotiation": the second word of its greeting. */
    private static final long OLDSTYLE_MAGIC = 0x00420281861253L;

    private record Answer(int type, ByteBuffer data) {
        boolean isError() {
            return (type & Protocol.REP_FLAG_ERROR) != 0;
        }

        String message() {
            return ClientHandshake.readable(UTF_8.decode(data.duplicate()).toString());
        }
    }

    private final RemoteUri uri;
    private final ServerChannel channel;
    private final boolean wantsStructured;
    private final byte[] export;

    private boolean zeroesFollow;
    private long sizeBytes = -1;
    private int flags;
    private long blockBytesMin = Protocol.BLOCK_BYTES_MIN;
    private long blockBytesMax = Protocol.PAYLOAD_BYTES_DEFAULT;
    private boolean structured;
    private long context = Terms.NO_CONTEXT;

    /**
     * Prepares it; nothing is sent yet.
     *
     * @param uri whose export is asked for, and whose spelling is used in messages
     * @param wantsStructured whether whoever has the connection then understands structured replies
     */
    public ClientHandshake(RemoteUri uri, ServerChannel channel, boolean wantsStructured) {
        this.uri = uri;
        this.channel = channel;
        this.wantsStructured = wantsStructured;
        this.export = uri.export().getBytes(UTF_8);
    }

    /**
     * Runs the whole phase.
     *
     * @throws BackingOpenException when the server refuses, with what the operator can do about it
     */
    public Terms run() throws IOException {
        boolean isFixed = greet();
        if (!isFixed) {
            takeByExportName();
        } else {
            structured = wantsStructured
                    && isTaken(ask(Protocol.OPT_STRUCTURED_REPLY, ByteBuffer.allocate(0)), "STRUCTURED_REPLY");
            if (structured) {
                selectContext();
            }
            if (!go()) {
                takeByExportName();
            }
        }
        return new Terms(
                sizeBytes,
                flags,
                (int) blockBytesMin,
                blockBytesMax(),
                structured,
                structured ? context : Terms.NO_CONTEXT);
    }

    /** Returns whether the server is of the fixed kind, which answers options that it does not know. */
    private boolean greet() throws IOException {
        ByteBuffer greeting;
        try {
            greeting = receive(GREETING_BYTES);
        } catch (EOFException e) {
            throw new BackingOpenException(
                    Reason.FAILED,
                    "the server of " + uri + " hangs up at once: it is no NBD server, or takes no more clients; look at"
                            + " its own messages",
                    e);
        }
        long first = greeting.getLong();
        long second = greeting.getLong();
        if (first != Protocol.NBDMAGIC || second != Protocol.IHAVEOPT) {
            throw new BackingOpenException(
                    Reason.FAILED,
                    first == Protocol.NBDMAGIC && second == OLDSTYLE_MAGIC
                            ? "the server of " + uri + " speaks the oldstyle protocol; let it speak newstyle"
                            : "what answers at " + uri + " is not an NBD server; check the address",
                    null);
        }
        int serverFlags = greeting.getShort();
        int own = serverFlags & (Protocol.FLAG_FIXED_NEWSTYLE | Protocol.FLAG_NO_ZEROES);
        zeroesFollow = (own & Protocol.FLAG_NO_ZEROES) == 0;
        send(ByteBuffer.allocate(Integer.BYTES).putInt(own));
        return (own & Protocol.FLAG_FIXED_NEWSTYLE) != 0;
    }

    /** "NBD_OPT_SET_META_CONTEXT"; a server that has none of it tells no holes. */
    private void selectContext() throws IOException {
        byte[] query = Protocol.CONTEXT_ALLOCATION.getBytes(UTF_8);
        ByteBuffer data = ByteBuffer.allocate(3 * Integer.BYTES + export.length + query.length);
        data.putInt(export.length).put(export).putInt(1).putInt(query.length).put(query);
        sendOption(Protocol.OPT_SET_META_CONTEXT, data);
        Answer answer = receiveAnswer(Protocol.OPT_SET_META_CONTEXT);
        while (answer.type() == Protocol.REP_META_CONTEXT) {
            ByteBuffer selected = answer.data();
            if (selected.remaining() < Integer.BYTES) {
                throw broken("a metadata context without a number");
            }
            long number = Integer.toUnsignedLong(selected.getInt());
            if (UTF_8.decode(selected).toString().equals(Protocol.CONTEXT_ALLOCATION)) {
                context = number;
            }
            answer = receiveAnswer(Protocol.OPT_SET_META_CONTEXT);
        }
        if (!isTaken(answer, "SET_META_CONTEXT")) {
            context = Terms.NO_CONTEXT;
        }
    }

    /** "NBD_OPT_GO"; returns false when the server does not know it. */
    private boolean go() throws IOException {
        ByteBuffer data = ByteBuffer.allocate(Integer.BYTES + export.length + 2 * Short.BYTES);
        data.putInt(export.length).put(export).putShort((short) 1).putShort((short) Protocol.INFO_BLOCK_SIZE);
        sendOption(Protocol.OPT_GO, data);
        Answer answer = receiveAnswer(Protocol.OPT_GO);
        while (answer.type() == Protocol.REP_INFO) {
            learn(answer.data());
            answer = receiveAnswer(Protocol.OPT_GO);
        }
        if (answer.type() == Protocol.REP_ERR_UNSUP) {
            return false;
        }
        if (answer.isError()) {
            throw refused(answer);
        }
        if (answer.type() != Protocol.REP_ACK || sizeBytes < 0) {
            throw broken("GO answered with type " + answer.type() + (sizeBytes < 0 ? " and no size" : ""));
        }
        return true;
    }

    private void learn(ByteBuffer info) throws BackingOpenException {
        int length = info.remaining();
        int item = length < Short.BYTES ? -1 : info.getShort();
        if (item == Protocol.INFO_EXPORT && length == 12) {
            sizeBytes = info.getLong();
            flags = Short.toUnsignedInt(info.getShort());
        } else if (item == Protocol.INFO_BLOCK_SIZE && length == 14) {
            blockBytesMin = Integer.toUnsignedLong(info.getInt());
            info.getInt(); // the preferred one
            blockBytesMax = Integer.toUnsignedLong(info.getInt());
            if (Long.bitCount(blockBytesMin) != 1
                    || blockBytesMin > Protocol.BLOCK_BYTES_MIN_LARGEST
                    || blockBytesMax < blockBytesMin) {
                throw broken("blocks of " + blockBytesMin + " to " + blockBytesMax + " bytes");
            }
        } else if (item == Protocol.INFO_EXPORT || item == Protocol.INFO_BLOCK_SIZE) {
            throw broken("information " + item + " of " + length + " bytes");
        }
    }

    /** No request is longer than an int can say, and each is whole blocks. */
    private int blockBytesMax() {
        long bytes = Math.min(blockBytesMax, Protocol.PAYLOAD_BYTES_DEFAULT);
        return (int) (bytes - bytes % blockBytesMin);
    }

    /** "NBD_OPT_EXPORT_NAME": a server that does not have the export can only hang up. */
    private void takeByExportName() throws IOException {
        sendOption(Protocol.OPT_EXPORT_NAME, ByteBuffer.allocate(export.length).put(export));
        int lengthBytes = Long.BYTES + Short.BYTES + (zeroesFollow ? Protocol.EXPORT_NAME_ZEROES_BYTES : 0);
        try {
            ByteBuffer answer = receive(lengthBytes);
            sizeBytes = answer.getLong();
            flags = Short.toUnsignedInt(answer.getShort());
        } catch (EOFException e) {
            throw unknownExport("", e);
        }
    }

    // ---------------------------------------------------------------------------------------------- refusals

    /** Whether an option was taken; one that a server does not know, or does not like, is done without. */
    private boolean isTaken(Answer answer, String option) throws BackingOpenException {
        if (answer.type() == Protocol.REP_ERR_TLS_REQD) {
            throw refused(answer);
        }
        if (!answer.isError() && answer.type() != Protocol.REP_ACK) {
            throw broken(option + " answered with type " + answer.type());
        }
        return !answer.isError();
    }

    private BackingOpenException refused(Answer answer) {
        String said = answer.message().isEmpty() ? "" : " (the server says: " + answer.message() + ")";
        return switch (answer.type()) {
            case Protocol.REP_ERR_UNKNOWN -> unknownExport(said, null);
            case Protocol.REP_ERR_TLS_REQD ->
                new BackingOpenException(
                        Reason.NOT_PERMITTED,
                        "the server of " + uri + " wants TLS" + said
                                + ", which this version does not speak to a server;"
                                + " use a tunnel, or let it serve without",
                        null);
            case Protocol.REP_ERR_POLICY, Protocol.REP_ERR_PLATFORM ->
                new BackingOpenException(
                        Reason.NOT_PERMITTED,
                        "the server of " + uri + " does not permit it" + said + "; look at its own messages",
                        null);
            case Protocol.REP_ERR_SHUTDOWN ->
                new BackingOpenException(
                        Reason.FAILED, "the server of " + uri + " is shutting down" + said + "; start it again", null);
            default ->
                new BackingOpenException(
                        Reason.FAILED,
                        "the server of " + uri + " refused it with error "
                                + Integer.toUnsignedString(answer.type() & ~Protocol.REP_FLAG_ERROR) + said
                                + "; look at its own messages",
                        null);
        };
    }

    private BackingOpenException unknownExport(String said, @Nullable Exception cause) {
        return new BackingOpenException(
                Reason.FAILED,
                "the server of " + uri + " has no export '" + readable(uri.export()) + "'" + said
                        + "; nbdinfo --list shows the names",
                cause);
    }

    private BackingOpenException broken(String what) {
        return new BackingOpenException(
                Reason.FAILED, "the server of " + uri + " breaks the protocol: " + what + "; use another server", null);
    }

    /** Text of the server's, fit for a line of ours. */
    static String readable(String text) {
        String line = text.codePoints()
                .map(c -> Character.isISOControl(c) ? ' ' : c)
                .limit(MESSAGE_CHARS_MAX)
                .collect(StringBuilder::new, StringBuilder::appendCodePoint, StringBuilder::append)
                .toString();
        return line.strip();
    }

    // ---------------------------------------------------------------------------------------------- the wire

    private Answer ask(int option, ByteBuffer data) throws IOException {
        sendOption(option, data);
        return receiveAnswer(option);
    }

    private void sendOption(int option, ByteBuffer data) throws IOException {
        ByteBuffer message = ByteBuffer.allocate(Protocol.OPTION_HEADER_BYTES + data.capacity());
        message.putLong(Protocol.IHAVEOPT)
                .putInt(option)
                .putInt(data.capacity())
                .put(data.flip());
        send(message);
    }

    private Answer receiveAnswer(int option) throws IOException {
        ByteBuffer header = receive(Protocol.OPTION_REPLY_HEADER_BYTES);
        long magic = header.getLong();
        int answered = header.getInt();
        int type = header.getInt();
        long lengthBytes = Integer.toUnsignedLong(header.getInt());
        if (magic != Protocol.OPTION_REPLY_MAGIC || answered != option) {
            throw broken("an answer to option " + answered + " where one to " + option + " is due");
        }
        if (lengthBytes > ANSWER_BYTES_MAX) {
            throw broken("an answer of " + lengthBytes + " bytes");
        }
        return new Answer(type, receive((int) lengthBytes));
    }

    private void send(ByteBuffer message) throws IOException {
        channel.send(message.flip());
    }

    private ByteBuffer receive(int lengthBytes) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(lengthBytes);
        channel.receive(bytes);
        return bytes.flip();
    }
}
