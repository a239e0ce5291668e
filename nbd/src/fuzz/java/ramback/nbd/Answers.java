package ramback.nbd;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Takes what the server sends, in pieces of any size, and holds each message against the reading of what it was sent:
 * the handshake's answers in their order, then a reply to each request, in any order.
 */
final class Answers {

    private static final int NBDMAGIC_HIGH = 0x4e42444d;
    private static final int NBDMAGIC_LOW = 0x41474943;
    private static final int GREETING_BYTES = 18;
    private static final long OPTION_REPLY_MAGIC = 0x3e889045565a9L;
    private static final int SIMPLE_REPLY_MAGIC = 0x67446698;
    private static final int STRUCTURED_REPLY_MAGIC = 0x668e33ef;
    private static final int EXTENDED_REPLY_MAGIC = 0x6e8a278c;
    private static final int STRING_MAX = 4096;
    private static final int ALERT_BYTES = 7;

    private static final int NONE = 0;
    private static final int OFFSET_DATA = 1;
    private static final int OFFSET_HOLE = 2;
    private static final int BLOCK_STATUS = 5;
    private static final int BLOCK_STATUS_EXT = 6;
    private static final int ERROR = 1 << 15 | 1;
    private static final int ERROR_OFFSET = 1 << 15 | 2;

    private static final int FLAG_DF = 1 << 2;
    private static final int FLAG_REQ_ONE = 1 << 3;
    private static final int CHUNK_BYTES_MAX = (32 << 20) + 8;

    private final Reading reading;
    private byte[] bytes = new byte[64 << 10];
    private int head;
    private int tail;
    private boolean greeted;
    private boolean isAlerted;
    private int answerIndex;
    private int unansweredCount;

    Answers(Reading reading) {
        this.reading = reading;
        this.unansweredCount = reading.requests().size();
    }

    /** The server has sent this. */
    void take(ByteBuffer piece) {
        makeRoom(piece.remaining());
        int lengthBytes = piece.remaining();
        piece.get(bytes, tail, lengthBytes);
        tail += lengthBytes;
        while (head < tail && takeMessage()) {
            // one after the other
        }
    }

    private void makeRoom(int lengthBytes) {
        if (head == tail) {
            head = tail = 0;
        }
        if (bytes.length - tail < lengthBytes) {
            int unreadBytes = tail - head;
            byte[] next = bytes.length - unreadBytes < lengthBytes
                    ? new byte[Math.max(bytes.length * 2, unreadBytes + lengthBytes)]
                    : bytes;
            System.arraycopy(bytes, head, next, 0, unreadBytes);
            bytes = next;
            head = 0;
            tail = unreadBytes;
        }
    }

    /** Whether everything that must come has come. */
    boolean isComplete() {
        return greeted && answerIndex == reading.answers().size() && unansweredCount == 0;
    }

    /**
     * The server has closed: nothing may be missing but what may be lost.
     *
     * @param all whether it was asked for everything before the client hung up
     */
    void finish(boolean all) {
        if (head < tail) {
            throw new FuzzFailure("the server closed within a message, after " + (tail - head) + " bytes of it: "
                    + Arrays.toString(Arrays.copyOfRange(bytes, head, Math.min(tail, head + 32))));
        }
        if (!greeted || answerIndex < reading.answers().size()) {
            throw new FuzzFailure("the server closed after " + answerIndex + " of "
                    + reading.answers().size() + " answers of the handshake");
        }
        boolean goodbye = reading.end() == Reading.End.GOODBYE;
        for (Request request : reading.requests().values()) {
            if (!request.isAnswered() && (all || goodbye || !request.isDeferrable())) {
                throw new FuzzFailure("the server closed without an answer to " + request);
            }
        }
    }

    // --------------------------------------------------------------------------------------------------- messages

    private boolean takeMessage() {
        if (!greeted) {
            return takeGreeting();
        }
        List<Reading.Answer> answers = reading.answers();
        if (answerIndex < answers.size()) {
            return takeAnswer(answers.get(answerIndex));
        }
        FuzzExport export = reading.taken();
        if (export == null && reading.isTlsBegun()) {
            return takeAlert();
        }
        if (export == null) {
            throw new FuzzFailure("bytes behind the last answer of the handshake");
        }
        if (reading.form() == Reading.Form.SIMPLE) {
            return takeReply(export);
        }
        if (tail - head < 4) {
            return false;
        }
        boolean isSimple = ByteBuffer.wrap(bytes).getInt(head) == SIMPLE_REPLY_MAGIC;
        return (isSimple && reading.form() == Reading.Form.STRUCTURED) ? takeReply(export) : takeChunk(export);
    }

    /** What was sent in place of TLS is answered with one fatal alert at the most, in the clear ("Alert Protocol" of TLS). */
    private boolean takeAlert() {
        if (tail - head < ALERT_BYTES) {
            return false;
        }
        ByteBuffer alert = ByteBuffer.wrap(bytes, head, ALERT_BYTES);
        if (isAlerted
                || alert.get() != 21
                || alert.get() != 3
                || alert.get() > 4
                || alert.getShort() != 2
                || alert.get() != 2) {
            throw new FuzzFailure("bytes behind STARTTLS that are no alert");
        }
        isAlerted = true;
        head += ALERT_BYTES;
        return true;
    }

    private boolean takeGreeting() {
        if (tail - head < GREETING_BYTES) {
            return false;
        }
        ByteBuffer greeting = ByteBuffer.wrap(bytes, head, GREETING_BYTES);
        if (greeting.getInt() != NBDMAGIC_HIGH
                || greeting.getInt() != NBDMAGIC_LOW
                || greeting.getLong() != Reading.IHAVEOPT
                || greeting.getShort() != 3) {
            throw new FuzzFailure("a wrong greeting");
        }
        head += GREETING_BYTES;
        greeted = true;
        return true;
    }

    private boolean takeAnswer(Reading.Answer expected) {
        byte[] data = expected.data();
        if (expected.type() == Reading.Answer.BARE && data != null) {
            if (tail - head < data.length) {
                return false;
            }
            expectData(expected, data, head);
            head += data.length;
            answerIndex++;
            return true;
        }
        if (tail - head < 20) {
            return false;
        }
        ByteBuffer header = ByteBuffer.wrap(bytes, head, 20);
        long magic = header.getLong();
        int option = header.getInt();
        int type = header.getInt();
        int lengthBytes = header.getInt();
        if (magic != OPTION_REPLY_MAGIC || option != expected.option() || type != expected.type()) {
            throw new FuzzFailure("an answer with magic " + Long.toHexString(magic) + ", option " + option + ", type "
                    + Integer.toHexString(type) + ", where option " + expected.option() + ", type "
                    + Integer.toHexString(expected.type()) + " is due");
        }
        int due = data == null ? Math.clamp(lengthBytes, 0, STRING_MAX) : data.length;
        if (lengthBytes != due) {
            throw new FuzzFailure("an answer to option " + option + " with " + lengthBytes + " bytes of data");
        }
        if (tail - head - 20 < lengthBytes) {
            return false;
        }
        expectData(expected, data, head + 20);
        if (data == null) {
            expectText(head + 20, lengthBytes);
        }
        head += 20 + lengthBytes;
        answerIndex++;
        return true;
    }

    private void expectData(Reading.Answer expected, byte @Nullable [] data, int at) {
        if (data != null && !Arrays.equals(data, 0, data.length, bytes, at, at + data.length)) {
            throw new FuzzFailure("wrong data in an answer to option " + expected.option() + ": "
                    + Arrays.toString(Arrays.copyOfRange(bytes, at, at + data.length)) + ", not "
                    + Arrays.toString(data));
        }
    }

    private void expectText(int at, int lengthBytes) {
        try {
            UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes, at, lengthBytes));
        } catch (CharacterCodingException e) {
            throw new FuzzFailure("an error message that is not UTF-8", e);
        }
    }

    private boolean takeReply(FuzzExport export) {
        if (tail - head < 16) {
            return false;
        }
        ByteBuffer header = ByteBuffer.wrap(bytes, head, 16);
        int magic = header.getInt();
        int error = header.getInt();
        long cookie = header.getLong();
        Request request = reading.requests().get(cookie);
        if (magic != SIMPLE_REPLY_MAGIC || request == null) {
            throw new FuzzFailure("a reply with magic " + Integer.toHexString(magic) + ", error " + error
                    + ", and the cookie " + Long.toHexString(cookie) + (request == null ? " of no request" : ""));
        }
        if (request.isAnswered() || error != request.error()) {
            throw new FuzzFailure("a reply with error " + error + (request.isAnswered() ? ", the second one," : "")
                    + " to " + request);
        }
        if (reading.form() != Reading.Form.SIMPLE && (request.command() == 0 || request.command() == 7)) {
            throw new FuzzFailure("a simple reply to " + request);
        }
        int payloadBytes = request.snapshot().length;
        if (tail - head - 16 < payloadBytes) {
            return false;
        }
        export.disk().checkRead(request, export, bytes, head + 16);
        head += 16 + payloadBytes;
        request.setAnswered();
        unansweredCount--;
        return true;
    }

    // ------------------------------------------------------------------------------------------------------ chunks

    /** "Structured reply chunk message", or the same with an extended header. */
    private boolean takeChunk(FuzzExport export) {
        boolean isExtended = reading.form() == Reading.Form.EXTENDED;
        int headerBytes = isExtended ? 32 : 20;
        if (tail - head < headerBytes) {
            return false;
        }
        ByteBuffer header = ByteBuffer.wrap(bytes, head, headerBytes);
        int magic = header.getInt();
        int flags = header.getShort();
        int type = header.getShort() & 0xFFFF;
        Request request = reading.requests().get(header.getLong());
        if (magic != (isExtended ? EXTENDED_REPLY_MAGIC : STRUCTURED_REPLY_MAGIC)
                || request == null
                || request.isAnswered()
                || (flags & ~1) != 0) {
            throw new FuzzFailure("a chunk with magic " + Integer.toHexString(magic) + ", flags " + flags + ", type "
                    + type + ", to " + request);
        }
        if (isExtended && header.getLong() != request.offsetBytes()) {
            throw new FuzzFailure("an extended header with another offset than that of " + request);
        }
        long lengthBytes = isExtended ? header.getLong() : header.getInt();
        if (lengthBytes < 0 || lengthBytes > CHUNK_BYTES_MAX) {
            throw new FuzzFailure("a chunk of " + lengthBytes + " bytes to " + request);
        }
        if (tail - head - headerBytes < lengthBytes) {
            return false;
        }
        ByteBuffer data = ByteBuffer.wrap(bytes, head + headerBytes, (int) lengthBytes);
        boolean isLast = flags == 1;
        switch (type) {
            case NONE -> takeNone(request, data, isLast);
            case OFFSET_DATA, OFFSET_HOLE -> takeContent(request, type == OFFSET_HOLE, data, isLast, export);
            case BLOCK_STATUS, BLOCK_STATUS_EXT -> takeExtents(request, type == BLOCK_STATUS_EXT, data, isLast, export);
            case ERROR, ERROR_OFFSET -> takeError(request, type == ERROR_OFFSET, data, isLast);
            default -> throw new FuzzFailure("a chunk of type " + type + " to " + request);
        }
        head += headerBytes + (int) lengthBytes;
        if (isLast) {
            request.setAnswered();
            unansweredCount--;
        }
        return true;
    }

    private static void takeNone(Request request, ByteBuffer data, boolean isLast) {
        boolean isEmptyRead = request.command() == 0 && request.snapshot().length == 0;
        boolean hasNoContent = isEmptyRead || (request.command() != 0 && request.command() != 7);
        if (data.hasRemaining() || !isLast || request.error() != 0 || !hasNoContent) {
            throw new FuzzFailure("nothing, in answer to " + request);
        }
    }

    private void takeContent(Request request, boolean isHole, ByteBuffer data, boolean isLast, FuzzExport export) {
        boolean isLong = data.remaining() > 8 && (!isHole || data.remaining() == 12);
        if (request.command() != 0 || request.error() != 0 || !isLong) {
            throw new FuzzFailure("content of " + data.remaining() + " bytes in answer to " + request);
        }
        if (request.hasFlag(FLAG_DF) && (request.hasChunk() || !isLast)) {
            throw new FuzzFailure("more than one chunk in answer to " + request);
        }
        long at = data.getLong();
        int lengthBytes = isHole ? data.getInt() : data.remaining();
        if (!request.put(at, lengthBytes, isHole ? null : bytes, data.position())) {
            throw new FuzzFailure("content at " + at + ", " + lengthBytes + " bytes, in answer to " + request);
        }
        byte[] got = request.got();
        if (isLast != (got != null)) {
            throw new FuzzFailure("the end of content is not where all is there of " + request);
        }
        if (got != null) {
            export.disk().checkRead(request, export, got, 0);
        }
    }

    /** What is told to be zeroes is held against what the device must hold there. */
    private void takeExtents(Request request, boolean isExtended, ByteBuffer data, boolean isLast, FuzzExport export) {
        int leadBytes = isExtended ? 8 : 4;
        int extentBytes = isExtended ? 16 : 8;
        if (isExtended != (reading.form() == Reading.Form.EXTENDED)
                || data.remaining() < leadBytes + extentBytes
                || (data.remaining() - leadBytes) % extentBytes != 0) {
            throw new FuzzFailure("extents in " + data.remaining() + " bytes in answer to " + request);
        }
        int id = data.getInt();
        int count = isExtended ? data.getInt() : data.remaining() / extentBytes;
        if (count != data.remaining() / extentBytes
                || (count != 1 && request.hasFlag(FLAG_REQ_ONE))
                || !request.takeContext(id)
                || isLast != request.hasAllContexts()) {
            throw new FuzzFailure(count + " extents of context " + id + " in answer to " + request);
        }
        byte[] told = request.snapshot().clone();
        long at = 0;
        while (data.hasRemaining()) {
            long lengthBytes = isExtended ? data.getLong() : data.getInt() & 0xFFFFFFFFL;
            long status = isExtended ? data.getLong() : data.getInt() & 0xFFFFFFFFL;
            long set = id == 1 ? 3 : 1;
            if (lengthBytes < 1 || lengthBytes > told.length - at || (status != 0 && status != set)) {
                throw new FuzzFailure(
                        "an extent of " + lengthBytes + " bytes with status " + status + " in answer to " + request);
            }
            if (id == 1 && status != 0) {
                Arrays.fill(told, (int) at, (int) (at + lengthBytes), (byte) 0);
            }
            at += lengthBytes;
        }
        export.disk().checkRead(request, export, told, 0);
    }

    private void takeError(Request request, boolean hasOffset, ByteBuffer data, boolean isLast) {
        int placeBytes = hasOffset ? 8 : 0;
        if (data.remaining() < 6 + placeBytes || !isLast || request.hasChunk()) {
            throw new FuzzFailure("an error in " + data.remaining() + " bytes in answer to " + request);
        }
        int error = data.getInt();
        int textBytes = data.getShort() & 0xFFFF;
        if (error == 0 || error != request.error() || data.remaining() != textBytes + placeBytes) {
            throw new FuzzFailure("a reply with error " + error + " to " + request);
        }
        expectText(data.position(), textBytes);
        if (hasOffset) {
            long at = data.getLong(data.limit() - 8);
            if (request.command() != 0 || !request.covers(at)) {
                throw new FuzzFailure("an error with the offset " + at + " in answer to " + request);
            }
        }
    }
}
