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
    private static final int STRING_MAX = 4096;

    private final Reading reading;
    private byte[] bytes = new byte[64 << 10];
    private int head;
    private int tail;
    private boolean greeted;
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
        if (export == null) {
            throw new FuzzFailure("bytes behind the last answer of the handshake");
        }
        return takeReply(export);
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
}
