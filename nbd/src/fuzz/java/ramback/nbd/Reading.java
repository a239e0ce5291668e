package ramback.nbd;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import ramback.device.Outcome;

/**
 * A second reading of the NBD specification, the fuzzer's oracle: goes through all the bytes that a client sends, as they
 * are, and says what must come back. It shares no code with the server, not even its numbers.
 *
 * <p>On its way it changes the stream in two places. Every request gets a cookie of its own, so that each reply belongs
 * to one request whatever was duplicated. And while the good client is beside, the stream is cut before a request that
 * may rightly change what is the good client's.
 */
final class Reading {

    /** How the stream ends for the server. */
    enum End {
        /** The client hangs up. */
        STREAM_ENDED,
        /** The client says goodbye: ABORT or DISC. */
        GOODBYE,
        /** The server must close, or may and does. */
        VIOLATION
    }

    /** What the exports' device says to a client that wants a session. */
    enum Availability {
        OPEN,
        FULL,
        STOPPING
    }

    /** What the messages of the transmission phase look like. */
    enum Form {
        SIMPLE,
        STRUCTURED,
        EXTENDED
    }

    /** Bytes of the handshake that must come; null data stands for any text. */
    @SuppressWarnings("ArrayRecordComponent") // nobody compares or changes them
    record Answer(int option, int type, byte @Nullable [] data) {

        /** Marks an answer that is only its data, without a header. */
        static final int BARE = -1;
    }

    static final long IHAVEOPT = 0x49484156454F5054L;
    static final int REQUEST_MAGIC = 0x25609513;
    static final int EXTENDED_REQUEST_MAGIC = 0x21e41c71;

    /** The contexts, in the order of their ids, which begin at 1. */
    static final List<String> CONTEXTS = List.of("base:allocation", "ramback:dirty");

    private static final int FLAG_REQ_ONE = 1 << 3;
    private static final int FLAG_PAYLOAD_LEN = 1 << 5;

    private static final int REP_ACK = 1;
    private static final int REP_SERVER = 2;
    private static final int REP_INFO = 3;
    private static final int REP_META_CONTEXT = 4;
    private static final int ERR_UNSUP = (1 << 31) + 1;
    private static final int ERR_POLICY = (1 << 31) + 2;
    private static final int ERR_INVALID = (1 << 31) + 3;
    private static final int ERR_TLS_REQD = (1 << 31) + 5;
    private static final int ERR_UNKNOWN = (1 << 31) + 6;
    private static final int ERR_SHUTDOWN = (1 << 31) + 7;
    private static final int ERR_TOO_BIG = (1 << 31) + 9;
    private static final int ERR_EXT_HEADER_REQD = (1 << 31) + 10;

    private static final int STRING_MAX = 4096;
    private static final int OPTION_MAX = 16 << 10;
    private static final int OPTION_SKIPPED_MAX = 1 << 20;
    private static final int PAYLOAD_MAX = 32 << 20;
    private static final int PAYLOAD_SKIPPED_MAX = 64 << 20;

    private static final int EPERM = 1;
    private static final int EIO = 5;
    private static final int EINVAL = 22;
    private static final int ENOSPC = 28;
    private static final int ESHUTDOWN = 108;

    private final List<FuzzExport> exports;
    private final Availability availability;
    private final TlsMode tls;
    private final byte[] stream;
    private final ByteBuffer in;

    private final List<Answer> answers = new ArrayList<>();
    private final Map<Long, Request> requests = new HashMap<>();
    private final int[] optionCounts = new int[16];
    private final int[] commandCounts = new int[16];
    private End end = End.STREAM_ENDED;
    private @Nullable FuzzExport taken;
    private boolean isFixed;
    private boolean isTlsBegun;
    private int messageCount;
    private Form form = Form.SIMPLE;
    private int contextBits;
    private @Nullable FuzzExport contextsOf;

    /** Reads these bytes of a stream; cookies in it are changed. */
    Reading(List<FuzzExport> exports, Availability availability, TlsMode tls, byte[] stream, int lengthBytes) {
        this.tls = tls;
        this.exports = exports;
        this.availability = availability;
        this.stream = stream;
        this.in = ByteBuffer.wrap(stream, 0, lengthBytes);
        end = handshake();
        if (taken != null) {
            if (!taken.equals(contextsOf)) {
                contextBits = 0;
            }
            end = transmission(taken);
        }
    }

    /** How much of the stream is to be sent. */
    int lengthBytes() {
        return in.limit();
    }

    End end() {
        return end;
    }

    /** The answers of the handshake, behind the greeting, in order. */
    List<Answer> answers() {
        return answers;
    }

    /** What was agreed on for the transmission phase. */
    Form form() {
        return form;
    }

    /** The requests that are to be answered, by cookie. */
    Map<Long, Request> requests() {
        return requests;
    }

    /** The export that the client took. */
    @Nullable
    FuzzExport taken() {
        return taken;
    }

    /** Whether the server takes all that follows its last answer for TLS, which none of it is. */
    boolean isTlsBegun() {
        return isTlsBegun;
    }

    /** Options and requests, the broken one at the end too. */
    int messageCount() {
        return messageCount;
    }

    /** Adds what was read to sums by option and by command; the last place is that of all others. */
    void addTo(long[] options, long[] commands) {
        for (int i = 0; i < optionCounts.length; i++) {
            options[i] += optionCounts[i];
            commands[i] += commandCounts[i];
        }
    }

    // --------------------------------------------------------------------------------------------------- handshake

    private End handshake() {
        if (in.remaining() < 4) {
            return End.STREAM_ENDED;
        }
        int clientFlags = in.getInt();
        isFixed = (clientFlags & 1) != 0;
        if ((clientFlags & ~3) != 0 || (tls == TlsMode.REQUIRE && !isFixed)) {
            return End.VIOLATION;
        }
        while (in.hasRemaining()) {
            messageCount++;
            if (in.remaining() < 16) {
                return End.STREAM_ENDED;
            }
            long magic = in.getLong();
            int option = in.getInt();
            long lengthBytes = in.getInt() & 0xFFFFFFFFL;
            if (magic != IHAVEOPT || lengthBytes > OPTION_SKIPPED_MAX) {
                return End.VIOLATION;
            }
            if (lengthBytes > in.remaining()) {
                return End.STREAM_ENDED;
            }
            optionCounts[option >= 0 && option < 15 ? option : 15]++;
            ByteBuffer data = in.slice(in.position(), (int) lengthBytes);
            in.position(in.position() + (int) lengthBytes);
            if (tls == TlsMode.REQUIRE && option != 2 && option != 5) {
                if (option == 1) {
                    return End.VIOLATION;
                }
                answers.add(new Answer(option, ERR_TLS_REQD, null));
                continue;
            }
            switch (option) {
                case 1 -> {
                    taken = exportName(data, (clientFlags & 2) == 0);
                    return taken == null ? End.VIOLATION : End.STREAM_ENDED;
                }
                case 2 -> {
                    answers.add(new Answer(option, REP_ACK, new byte[0]));
                    return End.GOODBYE;
                }
                case 3 -> list(data);
                case 5 -> {
                    if (startTls(data)) {
                        return End.VIOLATION;
                    }
                }
                case 6, 7 -> {
                    taken = info(option, data);
                    if (taken != null) {
                        return End.STREAM_ENDED;
                    }
                }
                case 8, 11 -> useForm(option, data);
                case 9, 10 -> metaContexts(option, data);
                default -> answers.add(new Answer(option, ERR_UNSUP, null));
            }
        }
        return End.STREAM_ENDED;
    }

    /** "NBD_OPT_EXPORT_NAME"; null when the connection must be closed. */
    private @Nullable FuzzExport exportName(ByteBuffer name, boolean zeroes) {
        FuzzExport export = name.remaining() > STRING_MAX ? null : find(name);
        if (export == null || availability != Availability.OPEN) {
            return null;
        }
        ByteBuffer data = ByteBuffer.allocate(zeroes ? 10 + 124 : 10);
        data.putLong(export.sizeBytes()).putShort((short) (export.transmissionFlags() | flagsOfForm()));
        answers.add(new Answer(1, Answer.BARE, data.array()));
        return export;
    }

    /** "NBD_OPT_STARTTLS"; whether TLS is to begin. */
    private boolean startTls(ByteBuffer data) {
        if (tls == TlsMode.OFF) {
            answers.add(new Answer(5, ERR_UNSUP, null));
        } else if (data.hasRemaining()) {
            answers.add(new Answer(5, ERR_INVALID, null));
        } else if (!isFixed) {
            answers.add(new Answer(5, ERR_POLICY, null));
        } else {
            answers.add(new Answer(5, REP_ACK, new byte[0]));
            isTlsBegun = true;
        }
        return isTlsBegun;
    }

    /** DF, and that BLOCK_STATUS takes a payload. */
    private int flagsOfForm() {
        return switch (form) {
            case SIMPLE -> 0;
            case STRUCTURED -> 1 << 7;
            case EXTENDED -> 1 << 7 | 1 << 12;
        };
    }

    /** "NBD_OPT_STRUCTURED_REPLY" and "NBD_OPT_EXTENDED_HEADERS". */
    private void useForm(int option, ByteBuffer data) {
        if (data.hasRemaining()) {
            answers.add(new Answer(option, ERR_INVALID, null));
        } else if (option == 8 && form == Form.EXTENDED) {
            answers.add(new Answer(option, ERR_EXT_HEADER_REQD, null));
        } else {
            form = option == 8 ? Form.STRUCTURED : Form.EXTENDED;
            answers.add(new Answer(option, REP_ACK, new byte[0]));
        }
    }

    /** "NBD_OPT_LIST_META_CONTEXT" (9) and "NBD_OPT_SET_META_CONTEXT" (10). */
    private void metaContexts(int option, ByteBuffer data) {
        boolean set = option == 10;
        if (set) {
            contextBits = 0;
        }
        if (data.remaining() > OPTION_MAX) {
            answers.add(new Answer(option, ERR_TOO_BIG, null));
            return;
        }
        List<ByteBuffer> queries = new ArrayList<>();
        ByteBuffer name = metaQueries(data, queries);
        if (name == null || (set && form == Form.SIMPLE)) {
            answers.add(new Answer(option, ERR_INVALID, null));
            return;
        }
        FuzzExport export = find(name);
        if (export == null) {
            answers.add(new Answer(option, ERR_UNKNOWN, null));
            return;
        }
        int bits = 0;
        for (int i = 0; i < CONTEXTS.size(); i++) {
            byte[] context = CONTEXTS.get(i).getBytes(UTF_8);
            ByteBuffer whole = ByteBuffer.wrap(context);
            ByteBuffer namespace = ByteBuffer.wrap(context, 0, CONTEXTS.get(i).indexOf(':') + 1);
            boolean isWide = !set && (queries.isEmpty() || queries.contains(namespace));
            if (isWide || queries.contains(whole)) {
                bits |= 1 << i;
                answers.add(new Answer(
                        option,
                        REP_META_CONTEXT,
                        ByteBuffer.allocate(4 + context.length)
                                .putInt(set ? i + 1 : 0)
                                .put(context)
                                .array()));
            }
        }
        if (set) {
            contextBits = bits;
            contextsOf = export;
        }
        answers.add(new Answer(option, REP_ACK, new byte[0]));
    }

    /** Takes the queries apart and returns the export's name; null when they are in a wrong form. */
    private static @Nullable ByteBuffer metaQueries(ByteBuffer data, List<ByteBuffer> queries) {
        ByteBuffer name = string(data);
        if (name == null || data.remaining() < 4) {
            return null;
        }
        for (long left = data.getInt() & 0xFFFFFFFFL; left > 0; left--) {
            ByteBuffer query = string(data);
            if (query == null) {
                return null;
            }
            queries.add(query);
        }
        return data.hasRemaining() ? null : name;
    }

    private static @Nullable ByteBuffer string(ByteBuffer data) {
        long lengthBytes = data.remaining() < 4 ? -1 : data.getInt() & 0xFFFFFFFFL;
        if (lengthBytes < 0 || lengthBytes > data.remaining() || lengthBytes > STRING_MAX) {
            return null;
        }
        ByteBuffer string = data.slice(data.position(), (int) lengthBytes);
        data.position(data.position() + (int) lengthBytes);
        return string;
    }

    private void list(ByteBuffer data) {
        if (data.hasRemaining()) {
            answers.add(new Answer(3, ERR_INVALID, null));
            return;
        }
        for (FuzzExport export : exports) {
            byte[] name = export.name().getBytes(UTF_8);
            byte[] description = export.description().getBytes(UTF_8);
            answers.add(new Answer(
                    3,
                    REP_SERVER,
                    ByteBuffer.allocate(4 + name.length + description.length)
                            .putInt(name.length)
                            .put(name)
                            .put(description)
                            .array()));
        }
        answers.add(new Answer(3, REP_ACK, new byte[0]));
    }

    /** "NBD_OPT_INFO and NBD_OPT_GO"; returns the export when the transmission phase begins. */
    private @Nullable FuzzExport info(int option, ByteBuffer data) {
        if (data.remaining() > OPTION_MAX) {
            answers.add(new Answer(option, ERR_TOO_BIG, null));
            return null;
        }
        long nameBytes = data.remaining() < 4 ? -1 : data.getInt() & 0xFFFFFFFFL;
        if (nameBytes < 0 || data.remaining() < 2 || nameBytes > data.remaining() - 2 || nameBytes > STRING_MAX) {
            answers.add(new Answer(option, ERR_INVALID, null));
            return null;
        }
        ByteBuffer name = data.slice(data.position(), (int) nameBytes);
        data.position(data.position() + (int) nameBytes);
        int itemCount = data.getShort() & 0xFFFF;
        if (data.remaining() != 2 * itemCount) {
            answers.add(new Answer(option, ERR_INVALID, null));
            return null;
        }
        FuzzExport export = find(name);
        if (export == null) {
            answers.add(new Answer(option, ERR_UNKNOWN, null));
            return null;
        }
        if (option == 7 && availability != Availability.OPEN) {
            answers.add(new Answer(option, availability == Availability.FULL ? ERR_POLICY : ERR_SHUTDOWN, null));
            return null;
        }
        boolean[] asked = new boolean[1 << 16];
        while (data.hasRemaining()) {
            asked[data.getShort() & 0xFFFF] = true;
        }
        describe(option, export, asked);
        return option == 7 ? export : null;
    }

    private void describe(int option, FuzzExport export, boolean[] asked) {
        answers.add(new Answer(
                option,
                REP_INFO,
                ByteBuffer.allocate(12)
                        .putShort((short) 0)
                        .putLong(export.sizeBytes())
                        .putShort((short) (export.transmissionFlags() | flagsOfForm()))
                        .array()));
        if (asked[1]) {
            answers.add(text(option, 1, export.name()));
        }
        if (asked[2] && !export.description().isEmpty()) {
            answers.add(text(option, 2, export.description()));
        }
        if (asked[3]) {
            answers.add(new Answer(
                    option,
                    REP_INFO,
                    ByteBuffer.allocate(14)
                            .putShort((short) 3)
                            .putInt(1)
                            .putInt(export.chunkBytes())
                            .putInt(PAYLOAD_MAX)
                            .array()));
        }
        answers.add(new Answer(option, REP_ACK, new byte[0]));
    }

    private static Answer text(int option, int item, String text) {
        byte[] bytes = text.getBytes(UTF_8);
        return new Answer(
                option,
                REP_INFO,
                ByteBuffer.allocate(2 + bytes.length)
                        .putShort((short) item)
                        .put(bytes)
                        .array());
    }

    private @Nullable FuzzExport find(ByteBuffer name) {
        if (!name.hasRemaining()) {
            List<FuzzExport> devices =
                    exports.stream().filter(export -> !export.isView()).toList();
            return devices.size() == 1 ? devices.getFirst() : null;
        }
        for (FuzzExport export : exports) {
            if (name.equals(ByteBuffer.wrap(export.name().getBytes(UTF_8)))
                    || name.equals(ByteBuffer.wrap(export.generationName().getBytes(UTF_8)))) {
                return export;
            }
        }
        return null;
    }

    // ------------------------------------------------------------------------------------------------ transmission

    private End transmission(FuzzExport export) {
        boolean isExtended = form == Form.EXTENDED;
        while (in.hasRemaining()) {
            messageCount++;
            if (in.remaining() < (isExtended ? 32 : 28)) {
                return End.STREAM_ENDED;
            }
            int begin = in.position();
            int magic = in.getInt();
            int flags = in.getShort() & 0xFFFF;
            int command = in.getShort() & 0xFFFF;
            int cookieAt = in.position();
            in.getLong();
            long offset = in.getLong();
            long lengthBytes = isExtended ? in.getLong() : in.getInt() & 0xFFFFFFFFL;
            if (magic != (isExtended ? EXTENDED_REQUEST_MAGIC : REQUEST_MAGIC)) {
                return End.VIOLATION;
            }
            commandCounts[Math.min(command, 15)]++;
            if (command == 2) {
                return End.GOODBYE;
            }
            int error = judge(export, flags, command, offset, lengthBytes);
            if (error == 0 && changesKept(export, command, offset, lengthBytes)) {
                messageCount--;
                commandCounts[command]--;
                in.position(begin).limit(begin);
                return End.STREAM_ENDED;
            }
            long cookie = cookie(requests.size());
            in.putLong(cookieAt, cookie);
            End ended = command == 7
                    ? status(export, flags, cookie, offset, lengthBytes, error)
                    : serve(export, flags, command, cookie, offset, lengthBytes, error);
            if (ended != null) {
                return ended;
            }
        }
        return End.STREAM_ENDED;
    }

    /** Any 64 bits, but different ones for each request of a stream. */
    private static long cookie(int number) {
        return (number + 1) * 0x9E3779B97F4A7C15L;
    }

    /** What a request comes to, and how the stream ends if it does; null when it goes on. */
    private @Nullable End serve(
            FuzzExport export, int flags, int command, long cookie, long offset, long lengthBytes, int wrong) {
        int error = wrong;
        boolean waits = export.faults().anythingMayWait();
        boolean changes = false;
        if (error == 0) {
            FuzzExport.Faults faults = export.faults();
            error = errorOf(faults.atOnce(command == 3 ? 0 : offset, lengthBytes));
            changes = error == 0;
            if (error == 0 && faults.isDeferred(offset, lengthBytes)) {
                waits = true;
                error = errorOf(faults.atLast(offset, lengthBytes));
            }
        }
        Request request = new Request(requests.size(), command, flags, offset, lengthBytes, error, waits, 0);
        if (hasPayload(flags, command)) {
            if (!changes && Long.compareUnsigned(lengthBytes, PAYLOAD_SKIPPED_MAX) > 0) {
                return End.VIOLATION;
            }
            int sentBytes = (int) Math.min(in.remaining(), lengthBytes);
            if (changes && command == 1) {
                export.disk().write(request, (int) offset, stream, in.position(), sentBytes);
            }
            in.position(in.position() + sentBytes);
            if (sentBytes < lengthBytes) {
                return End.STREAM_ENDED;
            }
        } else if (command == 0 && error == 0) {
            request.readsNow(export.disk().part((int) offset, (int) lengthBytes));
        } else if (changes && command == 6) {
            export.disk().zero(request, (int) offset, (int) (offset + lengthBytes));
        } else if (changes && command == 4 && export.trims()) {
            trim(export, request, offset, offset + lengthBytes);
        }
        requests.put(cookie, request);
        return null;
    }

    private boolean hasPayload(int flags, int command) {
        return command == 1 || (form == Form.EXTENDED && (flags & FLAG_PAYLOAD_LEN) != 0);
    }

    /** BLOCK_STATUS, which asks nothing of the device that could fail or wait. */
    private @Nullable End status(FuzzExport export, int flags, long cookie, long offset, long headerBytes, int wrong) {
        int error = wrong;
        int bits = contextBits;
        long lengthBytes = headerBytes;
        if (hasPayload(flags, 7)) {
            if (Long.compareUnsigned(headerBytes, PAYLOAD_SKIPPED_MAX) > 0) {
                return End.VIOLATION;
            }
            if (in.remaining() < headerBytes) {
                in.position(in.limit());
                return End.STREAM_ENDED;
            }
            ByteBuffer filter = in.slice(in.position(), (int) headerBytes);
            in.position(in.position() + (int) headerBytes);
            if (error == 0) {
                lengthBytes = filter.getLong();
                bits = filterBits(filter);
                boolean inside = lengthBytes > 0 && offset <= export.sizeBytes() - lengthBytes && offset >= 0;
                error = bits == 0 || !inside ? EINVAL : 0;
            }
        }
        Request request = new Request(
                requests.size(),
                7,
                flags,
                offset,
                lengthBytes,
                error,
                export.faults().anythingMayWait(),
                error == 0 ? bits : 0);
        if (error == 0) {
            request.readsNow(export.disk().part((int) offset, (int) lengthBytes));
        }
        requests.put(cookie, request);
        return null;
    }

    /** The contexts that a payload asks for; none when one is unknown, not set, or asked for twice. */
    private int filterBits(ByteBuffer ids) {
        int bits = 0;
        while (ids.hasRemaining()) {
            int id = ids.getInt();
            int bit = id < 1 || id > CONTEXTS.size() ? 0 : 1 << (id - 1);
            if ((bit & contextBits & ~bits) == 0) {
                return 0;
            }
            bits |= bit;
        }
        return bits;
    }

    private static void trim(FuzzExport export, Request request, long offset, long endOffset) {
        int chunkBytes = export.chunkBytes();
        int begin = (int) ((offset + chunkBytes - 1) / chunkBytes * chunkBytes);
        int behind = (int) (endOffset == export.sizeBytes() ? endOffset : endOffset / chunkBytes * chunkBytes);
        if (begin < behind) {
            export.disk().zero(request, begin, behind);
        }
    }

    private static boolean changesKept(FuzzExport export, int command, long offset, long lengthBytes) {
        return export.beside().getAsBoolean()
                && (command == 1 || command == 4 || command == 6)
                && offset < export.keptEnd()
                && offset + lengthBytes > export.keptBegin();
    }

    /** "Error values": what must be said of a request without looking into the device, or 0. */
    private int judge(FuzzExport export, int flags, int command, long offset, long lengthBytes) {
        if (command > 7 || (flags & ~flagsAllowed(command)) != 0) {
            return EINVAL;
        }
        if (command == 7 && contextBits == 0) {
            return EINVAL;
        }
        if (command == 7 && (flags & FLAG_PAYLOAD_LEN) != 0) {
            boolean isFilter = lengthBytes >= 8 && lengthBytes <= 8 + 4 * CONTEXTS.size() && lengthBytes % 4 == 0;
            return isFilter ? 0 : EINVAL;
        }
        if (command == 7 && lengthBytes == 0) {
            return EINVAL;
        }
        if (command == 3) {
            return offset != 0 || lengthBytes != 0 ? EINVAL : 0;
        }
        if ((command == 0 || command == 1) && Long.compareUnsigned(lengthBytes, PAYLOAD_MAX) > 0) {
            return EINVAL;
        }
        boolean changing = command == 1 || command == 4 || command == 6;
        if (changing && export.readOnly()) {
            return EPERM;
        }
        boolean inside = Long.compareUnsigned(offset, export.sizeBytes()) <= 0
                && Long.compareUnsigned(lengthBytes, export.sizeBytes() - offset) <= 0;
        if (inside) {
            return 0;
        }
        return command == 1 || command == 6 ? ENOSPC : EINVAL;
    }

    private int flagsAllowed(int command) {
        boolean isExtended = form == Form.EXTENDED;
        return 1
                | switch (command) {
                    case 0 -> form == Form.SIMPLE ? 0 : 1 << 2;
                    case 1 -> isExtended ? FLAG_PAYLOAD_LEN : 0;
                    case 6 -> 1 << 1 | 1 << 4;
                    case 7 -> isExtended ? FLAG_REQ_ONE | FLAG_PAYLOAD_LEN : FLAG_REQ_ONE;
                    default -> 0;
                };
    }

    private static int errorOf(Outcome outcome) {
        return switch (outcome) {
            case DONE -> 0;
            case READ_ONLY -> EPERM;
            case IO_ERROR -> EIO;
            case INVALID -> EINVAL;
            case NO_SPACE -> ENOSPC;
            case SHUTTING_DOWN -> ESHUTDOWN;
            case DEFERRED -> throw new IllegalArgumentException("not an outcome that is answered");
        };
    }

    @Override
    public String toString() {
        return messageCount + " messages in " + in.limit() + " bytes, end " + end + ", options "
                + Arrays.toString(optionCounts) + ", commands " + Arrays.toString(commandCounts);
    }
}
