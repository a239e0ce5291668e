package ramback.nbd;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ByteChannel;
import java.nio.channels.SocketChannel;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import ramback.device.Device;
import ramback.device.DeviceSession;
import ramback.device.TooManySessionsException;
import ramback.protocol.Protocol;

/**
 * "Fixed newstyle negotiation": greets a client, answers its options, and ends with a session on the export it took.
 * Reads exactly the bytes of each option, so that nothing of the transmission phase is read too early. The time it may
 * take is limited by {@link HandshakeRoom}, which closes the channel.
 */
final class Handshake {

    /** Most data of an option that is skipped to keep the stream parseable; more is taken for an attack. */
    static final long DATA_SKIPPED_BYTES_MAX = 1 << 20;

    /**
     * What was agreed.
     *
     * @param session open, for the connection to close
     * @param dialect how the two speak from now on
     * @param tls what encrypts the connection, or null
     */
    record Agreed(
            Export export,
            DeviceSession session,
            Dialect dialect,
            @Nullable TlsChannel tls) {}

    private final Exports exports;
    private final SocketChannel socket;
    private final Encryption encryption;
    private final @Nullable TlsChannel tls;
    private final ByteChannel channel;
    private final ByteBuffer in = ByteBuffer.allocate(HandshakeOption.DATA_BYTES_MAX);
    /** Room for the longest reply: a LIST entry with name and description. */
    private final ByteBuffer out =
            ByteBuffer.allocate(Protocol.OPTION_REPLY_HEADER_BYTES + Integer.BYTES + 2 * Protocol.STRING_BYTES_MAX);

    private boolean zeroes = true;
    private boolean isFixed;
    private boolean aborted;
    private ReplyForm form = ReplyForm.SIMPLE;
    private Set<MetaContext> contexts = Set.of();
    private @Nullable Export contextsOf;

    /**
     * Begins a connection.
     *
     * @param encryption what is asked of clients that came in this way
     */
    Handshake(Exports exports, SocketChannel socket, Encryption encryption) {
        this(exports, socket, encryption, null);
    }

    private Handshake(Exports exports, SocketChannel socket, Encryption encryption, @Nullable TlsChannel tls) {
        this.exports = exports;
        this.socket = socket;
        this.encryption = encryption;
        this.tls = tls;
        this.channel = tls == null ? socket : tls;
    }

    /**
     * Runs the whole phase.
     *
     * @return what was agreed, or null when the client said goodbye
     * @throws ProtocolViolation when the connection must be closed without an answer
     */
    @Nullable
    Agreed run() throws IOException {
        out.putLong(Protocol.NBDMAGIC).putLong(Protocol.IHAVEOPT).putShort((short)
                (Protocol.FLAG_FIXED_NEWSTYLE | Protocol.FLAG_NO_ZEROES));
        send();
        int clientFlags = receive(Integer.BYTES).getInt();
        if ((clientFlags & ~Protocol.CLIENT_FLAGS_KNOWN) != 0) {
            throw new ProtocolViolation("unknown client flags 0x" + Integer.toHexString(clientFlags));
        }
        zeroes = (clientFlags & Protocol.FLAG_C_NO_ZEROES) == 0;
        isFixed = (clientFlags & Protocol.FLAG_C_FIXED_NEWSTYLE) != 0;
        if (encryption.isRequired() && !isFixed) {
            throw new ProtocolViolation("TLS is required, and without fixed newstyle negotiation there is none");
        }
        return haggle();
    }

    /** Answers options until an export is taken, or the client says goodbye. */
    private @Nullable Agreed haggle() throws IOException {
        while (!aborted) {
            ByteBuffer header = receive(Protocol.OPTION_HEADER_BYTES);
            if (header.getLong() != Protocol.IHAVEOPT) {
                throw new ProtocolViolation("option without its magic number");
            }
            int code = header.getInt();
            HandshakeOption option = receiveOption(code, Integer.toUnsignedLong(header.getInt()));
            Agreed agreed = answer(code, option);
            if (agreed != null) {
                return agreed;
            }
        }
        return null;
    }

    private HandshakeOption receiveOption(int code, long lengthBytes) throws IOException {
        if (lengthBytes > DATA_SKIPPED_BYTES_MAX) {
            throw new ProtocolViolation("option " + code + " with " + lengthBytes + " bytes of data; at most "
                    + DATA_SKIPPED_BYTES_MAX + " are skipped");
        }
        if (lengthBytes <= HandshakeOption.DATA_BYTES_MAX) {
            return HandshakeOption.parse(code, receive((int) lengthBytes));
        }
        for (long left = lengthBytes; left > 0; left -= in.limit()) {
            receive((int) Math.min(left, in.capacity()));
        }
        return HandshakeOption.oversized(code, lengthBytes);
    }

    private @Nullable Agreed answer(int code, HandshakeOption option) throws IOException {
        if (code == Protocol.OPT_SET_META_CONTEXT) {
            contexts = Set.of(); // "replaces what was set", even when it fails
        }
        if (mustEncryptFirst(code)) {
            refuse(code, Protocol.REP_ERR_TLS_REQD, "this server wants TLS; say STARTTLS first");
            return null;
        }
        switch (option) {
            case HandshakeOption.ExportName(String name) -> {
                return takeByExportName(name);
            }
            case HandshakeOption.Info info -> {
                return inform(code, info);
            }
            case HandshakeOption.ListExports ignored -> list(code);
            case HandshakeOption.StartTls ignored -> {
                return startTls(code);
            }
            case HandshakeOption.StructuredReplies ignored -> useStructuredReplies(code);
            case HandshakeOption.ExtendedHeaders ignored -> {
                form = ReplyForm.EXTENDED;
                reply(code, Protocol.REP_ACK);
            }
            case HandshakeOption.MetaContexts metaContexts -> metaContexts(code, metaContexts);
            case HandshakeOption.Abort ignored -> {
                reply(code, Protocol.REP_ACK);
                aborted = true;
            }
            case HandshakeOption.Unknown ignored ->
                refuse(code, Protocol.REP_ERR_UNSUP, "option " + code + " is unknown");
            case HandshakeOption.Malformed ignored
            when code == Protocol.OPT_STARTTLS && encryption.keys() == null -> refuseTls();
            case HandshakeOption.Malformed(String why) -> refuse(code, Protocol.REP_ERR_INVALID, why);
            case HandshakeOption.TooBig(long lengthBytes) ->
                refuse(
                        code,
                        Protocol.REP_ERR_TOO_BIG,
                        lengthBytes + " bytes of option data; at most " + HandshakeOption.DATA_BYTES_MAX);
        }
        return null;
    }

    // --------------------------------------------------------------------------------------------------------- TLS

    private boolean mustEncryptFirst(int code) {
        return encryption.isRequired() && tls == null && code != Protocol.OPT_STARTTLS && code != Protocol.OPT_ABORT;
    }

    /**
     * "NBD_OPT_STARTTLS": all that was agreed before counts for nothing, since somebody in between may have said it: what
     * follows is another handshake, which knows only the client's flags. Nothing that was sent too early is taken for a
     * part of it, since no byte behind the option has been read.
     */
    private @Nullable Agreed startTls(int code) throws IOException {
        TlsKeys keys = encryption.keys();
        if (keys == null) {
            refuseTls();
            return null;
        }
        if (!isFixed) {
            refuse(
                    code,
                    Protocol.REP_ERR_POLICY,
                    "TLS needs fixed newstyle negotiation, which the client did not choose");
            return null;
        }
        if (tls != null) {
            refuse(code, Protocol.REP_ERR_INVALID, "TLS is there already");
            return null;
        }
        reply(code, Protocol.REP_ACK);
        TlsChannel encrypted = TlsChannel.accept(socket, keys.engine());
        Handshake anew = new Handshake(exports, socket, encryption, encrypted);
        anew.zeroes = zeroes;
        anew.isFixed = true;
        Agreed agreed = anew.haggle();
        if (agreed == null) {
            aborted = true;
            encrypted.sayGoodbye();
        }
        return agreed;
    }

    private void refuseTls() throws IOException {
        refuse(Protocol.OPT_STARTTLS, Protocol.REP_ERR_UNSUP, "this server has no TLS");
    }

    // ------------------------------------------------------------------------------------------------- the options

    /** "NBD_OPT_EXPORT_NAME": the answer has no error, so a wish that can't be met ends the connection. */
    private Agreed takeByExportName(String name) throws IOException {
        Export export = exports.find(name);
        if (export == null) {
            throw new ProtocolViolation("EXPORT_NAME can't be answered with an error: " + exports.refusal(name));
        }
        DeviceSession session;
        try {
            session = export.device().openSession();
        } catch (TooManySessionsException | IllegalStateException e) {
            throw new ProtocolViolation("EXPORT_NAME can't be answered with an error: " + e.getMessage());
        }
        out.putLong(export.device().sizeBytes()).putShort((short) transmissionFlags(export));
        if (zeroes) {
            out.put(new byte[Protocol.EXPORT_NAME_ZEROES_BYTES]);
        }
        return sendThenAgree(export, session);
    }

    /** "NBD_OPT_INFO and NBD_OPT_GO". */
    private @Nullable Agreed inform(int code, HandshakeOption.Info option) throws IOException {
        Export export = exports.find(option.name());
        if (export == null) {
            refuse(code, Protocol.REP_ERR_UNKNOWN, exports.refusal(option.name()));
            return null;
        }
        DeviceSession session = null;
        if (option.go()) {
            try {
                session = export.device().openSession();
            } catch (TooManySessionsException e) {
                refuse(code, Protocol.REP_ERR_POLICY, "not now: " + e.getMessage());
                return null;
            } catch (IllegalStateException e) {
                refuse(code, Protocol.REP_ERR_SHUTDOWN, "the device is stopping");
                return null;
            }
        }
        try {
            describe(code, export, option);
            begin(code, Protocol.REP_ACK, 0);
        } catch (IOException | RuntimeException e) {
            abandon(session);
            throw e;
        }
        if (session == null) {
            send();
            return null;
        }
        return sendThenAgree(export, session);
    }

    /** Sends what was asked for; EXPORT always. */
    private void describe(int code, Export export, HandshakeOption.Info option) throws IOException {
        begin(code, Protocol.REP_INFO, Short.BYTES + Long.BYTES + Short.BYTES);
        out.putShort((short) Protocol.INFO_EXPORT)
                .putLong(export.device().sizeBytes())
                .putShort((short) transmissionFlags(export));
        send();
        if (option.items().contains(Protocol.INFO_NAME)) {
            sendInfo(code, Protocol.INFO_NAME, export.name());
        }
        if (option.items().contains(Protocol.INFO_DESCRIPTION)
                && !export.description().isEmpty()) {
            sendInfo(code, Protocol.INFO_DESCRIPTION, export.description());
        }
        if (option.items().contains(Protocol.INFO_BLOCK_SIZE)) {
            begin(code, Protocol.REP_INFO, Short.BYTES + 3 * Integer.BYTES);
            out.putShort((short) Protocol.INFO_BLOCK_SIZE)
                    .putInt(Protocol.BLOCK_BYTES_MIN)
                    .putInt(export.device().chunkBytes())
                    .putInt(Device.PAYLOAD_BYTES_MAX);
            send();
        }
    }

    private void sendInfo(int code, int item, String text) throws IOException {
        byte[] bytes = text.getBytes(UTF_8);
        begin(code, Protocol.REP_INFO, Short.BYTES + bytes.length);
        out.putShort((short) item).put(bytes);
        send();
    }

    private void list(int code) throws IOException {
        for (Export export : exports.all()) {
            byte[] name = export.name().getBytes(UTF_8);
            byte[] description = export.description().getBytes(UTF_8);
            begin(code, Protocol.REP_SERVER, Integer.BYTES + name.length + description.length);
            out.putInt(name.length).put(name).put(description);
            send();
        }
        reply(code, Protocol.REP_ACK);
    }

    /** "NBD_OPT_STRUCTURED_REPLY"; whoever has agreed to more can't go back. */
    private void useStructuredReplies(int code) throws IOException {
        if (form == ReplyForm.EXTENDED) {
            refuse(code, Protocol.REP_ERR_EXT_HEADER_REQD, "extended headers have been agreed on");
            return;
        }
        form = ReplyForm.STRUCTURED;
        reply(code, Protocol.REP_ACK);
    }

    /** "NBD_OPT_LIST_META_CONTEXT", which anybody may ask, and "NBD_OPT_SET_META_CONTEXT". */
    private void metaContexts(int code, HandshakeOption.MetaContexts option) throws IOException {
        if (option.set() && form == ReplyForm.SIMPLE) {
            refuse(code, Protocol.REP_ERR_INVALID, "SET_META_CONTEXT needs structured replies; ask for them first");
            return;
        }
        Export export = exports.find(option.name());
        if (export == null) {
            refuse(code, Protocol.REP_ERR_UNKNOWN, exports.refusal(option.name()));
            return;
        }
        Set<MetaContext> matching = MetaContext.matching(option.queries(), !option.set());
        for (MetaContext context : matching) {
            byte[] name = context.contextName().getBytes(UTF_8);
            begin(code, Protocol.REP_META_CONTEXT, Integer.BYTES + name.length);
            out.putInt(option.set() ? context.id() : 0).put(name);
            send();
        }
        if (option.set()) {
            contexts = matching;
            contextsOf = export;
        }
        reply(code, Protocol.REP_ACK);
    }

    /** What was agreed on, if this export is taken: contexts that were set for another one are not meant. */
    private Dialect dialectFor(Export export) {
        return new Dialect(form, export.equals(contextsOf) ? contexts : Set.of());
    }

    private void refuse(int code, int error, String message) throws IOException {
        if (code == Protocol.OPT_EXPORT_NAME) {
            throw new ProtocolViolation("EXPORT_NAME can't be answered with an error: " + message);
        }
        byte[] bytes = message.getBytes(UTF_8);
        int lengthBytes = Math.min(bytes.length, Protocol.STRING_BYTES_MAX);
        begin(code, error, lengthBytes);
        out.put(bytes, 0, lengthBytes);
        send();
    }

    /** What is said of a device: a FLUSH covers every session (MULTI_CONN); a read-only one takes no changes. */
    private int transmissionFlags(Export export) {
        int flags = dialectFor(export).transmissionFlags()
                | Protocol.FLAG_HAS_FLAGS
                | Protocol.FLAG_SEND_FLUSH
                | Protocol.FLAG_SEND_FUA
                | Protocol.FLAG_CAN_MULTI_CONN
                | Protocol.FLAG_SEND_CACHE;
        return export.readOnly()
                ? flags | Protocol.FLAG_READ_ONLY
                : flags | Protocol.FLAG_SEND_TRIM | Protocol.FLAG_SEND_WRITE_ZEROES | Protocol.FLAG_SEND_FAST_ZERO;
    }

    // ---------------------------------------------------------------------------------------------------- the wire

    private Agreed sendThenAgree(Export export, DeviceSession session) throws IOException {
        try {
            send();
        } catch (IOException | RuntimeException e) {
            abandon(session);
            throw e;
        }
        return new Agreed(export, session, dialectFor(export), tls);
    }

    /** Gives a session back that no connection came to use: on behalf of both of its threads. */
    private static void abandon(@Nullable DeviceSession session) {
        if (session != null) {
            session.close();
            session.release();
            session.release();
        }
    }

    private void reply(int code, int type) throws IOException {
        begin(code, type, 0);
        send();
    }

    private void begin(int code, int type, int lengthBytes) {
        out.putLong(Protocol.OPTION_REPLY_MAGIC).putInt(code).putInt(type).putInt(lengthBytes);
    }

    private void send() throws IOException {
        out.flip();
        while (out.hasRemaining()) {
            channel.write(out);
        }
        out.clear();
    }

    /** Receives exactly so many bytes; the buffer is good until the next call. */
    private ByteBuffer receive(int lengthBytes) throws IOException {
        in.clear().limit(lengthBytes);
        while (in.hasRemaining()) {
            if (channel.read(in) < 0) {
                throw new EOFException("the client hung up during the handshake");
            }
        }
        return in.flip();
    }
}
