package ramback.nbd;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import ramback.protocol.Protocol;

/** What a client asks for during option haggling ("Option types"), parsed and checked for form. */
sealed interface HandshakeOption {

    /** EXPORT_NAME: take this export; the one option that cannot be answered with an error. */
    record ExportName(String name) implements HandshakeOption {}

    /** ABORT. */
    record Abort() implements HandshakeOption {}

    /** LIST. */
    record ListExports() implements HandshakeOption {}

    /** INFO, and GO when {@code go}; {@code items} are the information requests. */
    record Info(boolean go, String name, Set<Integer> items) implements HandshakeOption {}

    /** STRUCTURED_REPLY. */
    record StructuredReplies() implements HandshakeOption {}

    /** EXTENDED_HEADERS. */
    record ExtendedHeaders() implements HandshakeOption {}

    /** LIST_META_CONTEXT, and SET_META_CONTEXT when {@code set}. */
    record MetaContexts(boolean set, String name, List<String> queries) implements HandshakeOption {}

    /** STARTTLS. */
    record StartTls() implements HandshakeOption {}

    /** An option that this server does not know. */
    record Unknown() implements HandshakeOption {}

    /** A known option in a wrong form. */
    record Malformed(String why) implements HandshakeOption {}

    /** A known option with more data than it can need. */
    record TooBig(long lengthBytes) implements HandshakeOption {}

    /** Most data of an option that is looked at: a name of full length and room for far more items than exist. */
    int DATA_BYTES_MAX = 16 << 10;

    /**
     * Parses an option.
     *
     * @param code as sent
     * @param data all of it, between position and limit
     */
    static HandshakeOption parse(int code, ByteBuffer data) {
        return switch (code) {
            case Protocol.OPT_EXPORT_NAME ->
                data.remaining() > Protocol.STRING_BYTES_MAX
                        ? new TooBig(data.remaining())
                        : new ExportName(string(data, data.remaining()));
            case Protocol.OPT_ABORT -> new Abort();
            case Protocol.OPT_LIST,
                    Protocol.OPT_STARTTLS,
                    Protocol.OPT_STRUCTURED_REPLY,
                    Protocol.OPT_EXTENDED_HEADERS ->
                data.hasRemaining() ? tooLong(code, data.remaining()) : withoutData(code);
            case Protocol.OPT_INFO, Protocol.OPT_GO -> parseInfo(code == Protocol.OPT_GO, data);
            case Protocol.OPT_LIST_META_CONTEXT, Protocol.OPT_SET_META_CONTEXT ->
                parseMetaContexts(code == Protocol.OPT_SET_META_CONTEXT, data);
            default -> new Unknown();
        };
    }

    private static HandshakeOption withoutData(int code) {
        return switch (code) {
            case Protocol.OPT_LIST -> new ListExports();
            case Protocol.OPT_STARTTLS -> new StartTls();
            case Protocol.OPT_STRUCTURED_REPLY -> new StructuredReplies();
            default -> new ExtendedHeaders();
        };
    }

    private static HandshakeOption tooLong(int code, long lengthBytes) {
        String word = switch (code) {
            case Protocol.OPT_LIST -> "LIST";
            case Protocol.OPT_STARTTLS -> "STARTTLS";
            case Protocol.OPT_STRUCTURED_REPLY -> "STRUCTURED_REPLY";
            default -> "EXTENDED_HEADERS";
        };
        return new Malformed(word + " takes no data, got " + lengthBytes + " bytes");
    }

    /** Says what an option is whose data is longer than {@link #DATA_BYTES_MAX} and was skipped. */
    static HandshakeOption oversized(int code, long lengthBytes) {
        return switch (code) {
            case Protocol.OPT_ABORT -> new Abort();
            case Protocol.OPT_LIST,
                    Protocol.OPT_STARTTLS,
                    Protocol.OPT_STRUCTURED_REPLY,
                    Protocol.OPT_EXTENDED_HEADERS -> tooLong(code, lengthBytes);
            case Protocol.OPT_EXPORT_NAME,
                    Protocol.OPT_INFO,
                    Protocol.OPT_GO,
                    Protocol.OPT_LIST_META_CONTEXT,
                    Protocol.OPT_SET_META_CONTEXT -> new TooBig(lengthBytes);
            default -> new Unknown();
        };
    }

    private static HandshakeOption parseInfo(boolean go, ByteBuffer data) {
        int lengthBytes = data.remaining();
        if (lengthBytes < Integer.BYTES + Short.BYTES) {
            return new Malformed("INFO and GO need at least 6 bytes of data, got " + lengthBytes);
        }
        long nameBytes = Integer.toUnsignedLong(data.getInt());
        if (nameBytes > data.remaining() - Short.BYTES) {
            return new Malformed("name of " + nameBytes + " bytes in " + lengthBytes + " bytes of data");
        }
        if (nameBytes > Protocol.STRING_BYTES_MAX) {
            return new Malformed("name of " + nameBytes + " bytes; at most " + Protocol.STRING_BYTES_MAX);
        }
        String name = string(data, (int) nameBytes);
        int itemCount = Short.toUnsignedInt(data.getShort());
        if (data.remaining() != itemCount * Short.BYTES) {
            return new Malformed(itemCount + " information requests in " + data.remaining() + " bytes");
        }
        Set<Integer> items = new LinkedHashSet<>();
        while (data.hasRemaining()) {
            items.add(Short.toUnsignedInt(data.getShort()));
        }
        return new Info(go, name, items);
    }

    private static HandshakeOption parseMetaContexts(boolean set, ByteBuffer data) {
        int lengthBytes = data.remaining();
        String name = lengthAndString(data);
        if (name == null || data.remaining() < Integer.BYTES) {
            return new Malformed("an export's name, or the number of queries, is not in " + lengthBytes
                    + " bytes of data, or too long");
        }
        long queryCount = Integer.toUnsignedLong(data.getInt());
        List<String> queries = new ArrayList<>();
        while (queries.size() < queryCount) {
            String query = lengthAndString(data);
            if (query == null) {
                return new Malformed("query " + queries.size() + " of " + queryCount + " is not in " + lengthBytes
                        + " bytes of data, or too long");
            }
            queries.add(query);
        }
        return data.hasRemaining()
                ? new Malformed(data.remaining() + " bytes behind " + queryCount + " queries")
                : new MetaContexts(set, name, queries);
    }

    /** Reads a string behind its length; null when it is not all there, or too long. */
    private static @Nullable String lengthAndString(ByteBuffer data) {
        if (data.remaining() < Integer.BYTES) {
            return null;
        }
        long lengthBytes = Integer.toUnsignedLong(data.getInt());
        return lengthBytes > Math.min(data.remaining(), Protocol.STRING_BYTES_MAX)
                ? null
                : string(data, (int) lengthBytes);
    }

    private static String string(ByteBuffer data, int lengthBytes) {
        byte[] bytes = new byte[lengthBytes];
        data.get(bytes);
        return new String(bytes, UTF_8);
    }
}
