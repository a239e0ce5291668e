package ramback.nbd;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import ramback.nbd.Conversation.Manner;
import ramback.nbd.Conversation.Pieces;

/**
 * Invents what hostile clients say: messages that are right in most of their parts, so that they get past the first
 * check, wrong in one or the other, at the ends of every range, and now and then a stream with bytes changed, left out
 * or said twice. The same random numbers make the same conversations.
 */
final class Speaker {

    private static final int PAYLOAD_MAX = 32 << 20;
    private static final int ORDINARY_BYTES = 20_000;
    /** The longest stream, except for a single message that is longer. */
    private static final int STREAM_BYTES_MAX = 4 << 20;

    private static final int PAYLOAD_LEN = 1 << 5;

    private final SplittableRandom random;
    private final List<FuzzExport> exports;
    private ByteBuffer out = ByteBuffer.allocate(1 << 16);
    /** Whether the client takes it that extended headers were agreed on. */
    private boolean extended;
    /** A place within something short, where the client breaks off or pauses; or 0. */
    private int seam;

    Speaker(SplittableRandom random, List<FuzzExport> exports) {
        this.random = random;
        this.exports = exports;
    }

    /** Returns the next conversation. */
    Conversation next() {
        out.clear();
        extended = false;
        seam = 0;
        handshake();
        if (oneIn(4)) {
            // only a handshake, which ends here or is cut off somewhere
            if (oneIn(2)) {
                option(2, new byte[random.nextInt(20)]);
            }
        } else {
            requests();
        }
        if (oneIn(12)) {
            disturb();
        }
        int lengthBytes = seam > 0 && seam < out.position() && oneIn(4) ? seam : out.position();
        Manner manner = Manner.PATIENT;
        if (oneIn(3)) {
            manner = Manner.values()[random.nextInt(Manner.values().length)];
        }
        if (manner == Manner.VANISHING || oneIn(16)) {
            lengthBytes = random.nextInt(lengthBytes + 1);
        }
        Pieces pieces = oneIn(3) ? Pieces.values()[random.nextInt(Pieces.values().length)] : Pieces.WHOLE;
        return new Conversation(
                Arrays.copyOf(out.array(), lengthBytes),
                lengthBytes,
                pieces,
                seam,
                manner,
                oneIn(2) ? random.nextInt(1, 4) : 0);
    }

    private boolean oneIn(int many) {
        return random.nextInt(many) == 0;
    }

    private int among(int... values) {
        return values[random.nextInt(values.length)];
    }

    private ByteBuffer room(int lengthBytes) {
        if (out.remaining() < lengthBytes) {
            ByteBuffer larger = ByteBuffer.allocate(Math.max(out.capacity() * 2, out.position() + lengthBytes));
            out = larger.put(out.flip());
        }
        return out;
    }

    private FuzzExport anyExport() {
        return exports.get(random.nextInt(exports.size()));
    }

    // --------------------------------------------------------------------------------------------------- handshake

    private void handshake() {
        room(4).putInt(oneIn(50) ? random.nextInt() : among(3, 3, 3, 3, 1, 0, 2));
        int optionCount = oneIn(20) ? random.nextInt(200) : random.nextInt(5);
        for (int i = 0; i < optionCount; i++) {
            anyOption();
        }
        if (oneIn(2)) {
            more();
        }
        String name = oneIn(3)
                ? ""
                : oneIn(8) ? anyExport().generationName() : anyExport().name();
        if (oneIn(5)) {
            option(1, name.getBytes(UTF_8));
        } else {
            option(7, info(name.getBytes(UTF_8), items()));
        }
    }

    /** Asks for what makes the transmission phase richer. */
    private void more() {
        if (!oneIn(10)) {
            option(8, new byte[0]);
        }
        if (oneIn(2)) {
            option(11, new byte[0]);
            extended = true;
        }
        if (!oneIn(4)) {
            boolean isOne = exports.stream()
                    .allMatch(export -> export.disk() == exports.getFirst().disk());
            String name = isOne && oneIn(2) ? "" : anyExport().name();
            option(10, queries(name.getBytes(UTF_8)));
        }
    }

    /** The data of LIST and SET_META_CONTEXT. */
    private byte[] queries(byte[] name) {
        ByteBuffer data = ByteBuffer.allocate(name.length + 1000);
        int count = random.nextInt(4);
        data.putInt(name.length).put(name).putInt(count);
        for (int i = 0; i < count; i++) {
            byte[] query = switch (random.nextInt(6)) {
                case 0, 1 -> Reading.CONTEXTS.get(0).getBytes(UTF_8);
                case 2, 3 -> Reading.CONTEXTS.get(1).getBytes(UTF_8);
                case 4 -> (oneIn(2) ? "base:" : "ramback:").getBytes(UTF_8);
                default -> bytes(random.nextInt(100));
            };
            data.putInt(query.length).put(query);
        }
        return Arrays.copyOf(data.array(), data.position());
    }

    private void anyOption() {
        switch (random.nextInt(30)) {
            case 0, 1, 2 -> option(3, new byte[0]);
            case 3 -> option(3, bytes(anyLength()));
            case 4, 5, 6 -> option(6, info(anyExport().name().getBytes(UTF_8), items()));
            case 7 -> option(6, info(anyName(), items()));
            case 8 -> option(7, info(anyName(), items()));
            case 9 -> option(among(6, 7), bytes(anyLength()));
            case 10 -> option(among(6, 7), lying(info(anyName(), items())));
            case 11 -> option(among(4, 5, 8, 9, 10, 11), bytes(oneIn(2) ? 0 : random.nextInt(60)));
            case 12 -> option(random.nextInt(), bytes(anyLength()));
            case 13 -> optionHeader(Reading.IHAVEOPT, random.nextInt(13), anyLength());
            case 14 -> seldom(() -> optionHeader(random.nextLong(), random.nextInt(13), 0));
            case 15 -> seldom(() -> optionHeader(Reading.IHAVEOPT, random.nextInt(13), random.nextInt()));
            case 16 -> seldom(() -> option(2, bytes(anyLength())));
            case 17 -> seldom(() -> option(1, anyName()));
            case 18 -> seldom(() -> option(random.nextInt(13), new byte[among(1 << 20, (1 << 20) + 1)]));
            case 19 -> option(8, new byte[0]);
            case 20 -> {
                option(11, new byte[0]);
                extended = true;
            }
            case 21 -> option(among(9, 10), queries(anyName()));
            case 22 -> option(among(9, 10), lying(queries(anyName())));
            case 23 -> option(among(9, 10), queries(anyExport().name().getBytes(UTF_8)));
            case 24 -> option(5, bytes(oneIn(3) ? anyLength() : 1));
            case 25 -> seldom(this::startTls);
            default -> option(random.nextInt(3, 13), bytes(random.nextInt(30)));
        }
    }

    /** What ends the conversation must not end every one. */
    private void seldom(Runnable message) {
        if (oneIn(25)) {
            message.run();
        }
    }

    /** In the place of TLS follows what is none: options in the clear, or records that break off. */
    private void startTls() {
        option(5, new byte[0]);
        if (oneIn(2)) {
            byte[] record = bytes(among(5, 40, 300));
            record[0] = (byte) among(20, 21, 22, 23, 24, 128);
            record[1] = 3;
            record[2] = (byte) among(1, 3, 3, 4);
            record[3] = (byte) among(0, 0, 0, 64);
            room(record.length).put(record);
        }
    }

    private int anyLength() {
        return oneIn(12)
                ? among(4095, 4096, 4097, 16 << 10, (16 << 10) + 1, 40_000)
                : among(0, 1, 3, 4, 5, 6, 7, random.nextInt(100));
    }

    private byte[] anyName() {
        return switch (random.nextInt(8)) {
            case 0 -> new byte[0];
            case 1 -> "no-such-export".getBytes(UTF_8);
            case 2 -> bytes(random.nextInt(20));
            case 3 -> bytes(among(4095, 4096, 4097, 8000));
            case 4 -> (anyExport().name() + "\0").getBytes(UTF_8);
            case 5 -> anyExport().generationName().getBytes(UTF_8);
            case 6 -> (anyExport().name() + "@" + random.nextInt(-1, 4)).getBytes(UTF_8);
            default -> anyExport().name().getBytes(UTF_8);
        };
    }

    private int[] items() {
        int[] items = new int[oneIn(30) ? random.nextInt(300) : random.nextInt(5)];
        for (int i = 0; i < items.length; i++) {
            items[i] = oneIn(8) ? random.nextInt(1 << 16) : random.nextInt(5);
        }
        return items;
    }

    private static byte[] info(byte[] name, int[] items) {
        ByteBuffer data = ByteBuffer.allocate(6 + name.length + 2 * items.length);
        data.putInt(name.length).put(name).putShort((short) items.length);
        for (int item : items) {
            data.putShort((short) item);
        }
        return data.array();
    }

    /** The data of an INFO whose lengths are not those of its parts. */
    private byte[] lying(byte[] info) {
        ByteBuffer data = ByteBuffer.wrap(info);
        switch (random.nextInt(4)) {
            case 0 -> data.putInt(0, data.getInt(0) + among(-1, 1, 2, 4000));
            case 1 -> data.putInt(0, random.nextInt());
            case 2 -> data.putShort(info.length - 2, (short) random.nextInt());
            default -> {
                return Arrays.copyOf(info, Math.max(0, info.length + among(-2, -1, 1, 2)));
            }
        }
        return info;
    }

    private byte[] bytes(int lengthBytes) {
        byte[] bytes = new byte[lengthBytes];
        random.nextBytes(bytes);
        return bytes;
    }

    private void option(int option, byte[] data) {
        optionHeader(Reading.IHAVEOPT, option, data.length);
        room(data.length).put(data);
    }

    private void optionHeader(long magic, int option, int lengthBytes) {
        room(16).putLong(magic).putInt(option).putInt(lengthBytes);
    }

    // ------------------------------------------------------------------------------------------------ transmission

    private void requests() {
        FuzzExport export = anyExport();
        if (oneIn(20)) {
            small();
        }
        int count = oneIn(10) ? random.nextInt(3000) : random.nextInt(800);
        for (int i = 0; i < count && out.position() < STREAM_BYTES_MAX; i++) {
            request(export);
        }
        if (oneIn(2)) {
            requestHeader(magic(), random.nextInt(1 << 16), 2, 0, 0);
            if (oneIn(4)) {
                request(export);
            }
        }
    }

    /** Many requests in little space, one kind after the other. */
    private void small() {
        for (int i = random.nextInt(2000); i > 0; i--) {
            requestHeader(magic(), 0, among(0, 3, 4, 5, 6, 7), 0, 0);
        }
    }

    private void request(FuzzExport export) {
        int magic = oneIn(4000) ? random.nextInt() : magic();
        int command = switch (random.nextInt(40)) {
            case 0 -> random.nextInt(7, 20);
            case 1 -> random.nextInt(1 << 16);
            case 2, 3 -> 3;
            case 4, 5, 6, 7 -> 4;
            case 8, 9, 10 -> 5;
            case 11, 12, 13, 14 -> 6;
            case 15, 16, 17, 18 -> oneIn(400) ? 2 : 7;
            default -> random.nextInt(2);
        };
        int flags = oneIn(16) ? 1 << random.nextInt(16) : oneIn(6) ? 1 : 0;
        if (command == 6 && oneIn(2)) {
            flags |= among(1 << 1, 1 << 4, 1 << 1 | 1 << 4);
        }
        if ((command == 0 && oneIn(4)) || (command == 7 && oneIn(3))) {
            flags |= command == 0 ? 1 << 2 : 1 << 3;
        }
        if (extended && (command == 1 ? !oneIn(20) : oneIn(command == 7 ? 3 : 200))) {
            flags |= PAYLOAD_LEN;
        }
        int lengthBytes = length(export.sizeBytes());
        long offset = offset(export.sizeBytes(), lengthBytes);
        if (command == 3 && !oneIn(6)) {
            offset = 0;
            lengthBytes = 0;
        }
        if (command == 1) {
            write(magic, flags, offset, lengthBytes, export.sizeBytes());
        } else if ((flags & PAYLOAD_LEN) != 0) {
            filtered(magic, flags, command, offset, lengthBytes);
        } else {
            requestHeader(magic, flags, command, offset, extended && oneIn(100) ? random.nextLong() : lengthBytes);
        }
    }

    private int magic() {
        return extended ? Reading.EXTENDED_REQUEST_MAGIC : Reading.REQUEST_MAGIC;
    }

    /** A request with the payload that belongs to BLOCK_STATUS: how far it reaches, and which contexts. */
    private void filtered(int magic, int flags, int command, long offset, int lengthBytes) {
        int idCount = oneIn(10) ? random.nextInt(6) : random.nextInt(1, 3);
        int payloadBytes = 8 + 4 * idCount + (oneIn(30) ? among(-9, -1, 1, 1000) : 0);
        requestHeader(magic, flags, command, offset, Math.max(0, payloadBytes));
        ByteBuffer payload = ByteBuffer.allocate(2000);
        payload.putLong(oneIn(30) ? random.nextLong() : lengthBytes);
        int firstId = random.nextInt(1, 3);
        for (int i = 0; i < idCount; i++) {
            payload.putInt(oneIn(10) ? random.nextInt(5) : (firstId + i - 1) % 2 + 1);
        }
        room(Math.max(0, payloadBytes));
        if (payloadBytes > 0 && oneIn(100)) {
            seam = out.position() + random.nextInt(payloadBytes);
        }
        out.put(payload.array(), 0, Math.max(0, payloadBytes));
    }

    private int length(int sizeBytes) {
        return switch (random.nextInt(64)) {
            case 0 -> among(PAYLOAD_MAX, PAYLOAD_MAX + 1, (64 << 20) + 1, -1, 1 << 31, Integer.MAX_VALUE);
            case 1 -> oneIn(8) ? sizeBytes : random.nextInt(Math.min(sizeBytes, 64) + 1);
            case 2 -> sizeBytes + among(-1, 1);
            case 3 -> random.nextInt(Math.min(sizeBytes, oneIn(8) ? 1 << 18 : 1000) + 1);
            case 4 -> random.nextInt();
            case 5, 6, 7, 8 -> 0;
            case 9, 10 -> among(4096, 4097, 4095, 32 << 10, (32 << 10) + 1);
            default -> random.nextInt(Math.min(sizeBytes, oneIn(16) ? ORDINARY_BYTES : 300) + 1);
        };
    }

    private long offset(int sizeBytes, int lengthBytes) {
        return switch (random.nextInt(48)) {
            case 0 -> random.nextLong();
            case 1 -> among(-1, -4096, Integer.MAX_VALUE);
            case 2 -> Long.MAX_VALUE - random.nextInt(3);
            case 3 -> sizeBytes;
            case 4 -> sizeBytes + 1L;
            case 5, 6, 7 -> 0;
            case 8, 9, 10 -> sizeBytes - (long) lengthBytes;
            case 11 -> sizeBytes - (long) lengthBytes + 1;
            case 12 -> random.nextInt(sizeBytes) & -4096;
            default ->
                lengthBytes >= 0 && lengthBytes <= sizeBytes
                        ? random.nextInt(sizeBytes - lengthBytes + 1)
                        : random.nextInt(sizeBytes);
        };
    }

    /** Long payloads that only have to be skipped are seldom sent, since nothing is learnt from most of them. */
    private void write(int magic, int flags, long offset, int lengthBytes, int sizeBytes) {
        boolean isLong = lengthBytes < 0 || lengthBytes > Math.max(sizeBytes, ORDINARY_BYTES);
        int announced = isLong && !oneIn(40) ? random.nextInt(300) : lengthBytes;
        requestHeader(magic, flags, 1, offset, announced);
        int sent = announced < 0 || announced > PAYLOAD_MAX + 1 ? random.nextInt(1000) : announced;
        if (oneIn(2000)) {
            sent = random.nextInt(sent + 20);
        }
        room(sent);
        if (sent > ORDINARY_BYTES) {
            out.position(out.position() + sent); // whatever was there
        } else {
            out.put(bytes(sent));
        }
    }

    private void requestHeader(int magic, int flags, int command, long offset, long lengthBytes) {
        room(32).putInt(magic)
                .putShort((short) flags)
                .putShort((short) command)
                .putLong(0)
                .putLong(offset);
        if (extended) {
            out.putLong(lengthBytes);
        } else {
            out.putInt((int) lengthBytes);
        }
    }

    // -------------------------------------------------------------------------------------------------- disturbing

    /** Changes, drops, doubles or inserts bytes somewhere. */
    private void disturb() {
        for (int times = random.nextInt(1, 4); times > 0 && out.position() > 0; times--) {
            int at = random.nextInt(out.position());
            int spanBytes = random.nextInt(Math.min(oneIn(2) ? 4 : 64, out.position() - at) + 1);
            switch (random.nextInt(5)) {
                case 0 -> out.put(at, (byte) (out.get(at) ^ 1 << random.nextInt(8)));
                case 1 -> out.put(at, (byte) among(0, 1, 127, 128, 255));
                case 2 -> replace(at, spanBytes, new byte[0]);
                case 3 -> replace(at, 0, Arrays.copyOfRange(out.array(), at, at + spanBytes));
                default -> replace(at, random.nextInt(spanBytes + 1), bytes(spanBytes));
            }
        }
    }

    private void replace(int at, int lengthBytes, byte[] with) {
        byte[] rest = Arrays.copyOfRange(out.array(), at + lengthBytes, out.position());
        out.position(at);
        room(with.length + rest.length).put(with).put(rest);
    }
}
