package ramback.nbd;

import org.jspecify.annotations.Nullable;

/** A request as the reference read it from the stream, and what must be answered to it. */
final class Request {

    private static final byte[] NOTHING = {};

    private final int number;
    private final int command;
    private final int flags;
    private final long offsetBytes;
    private final long lengthBytes;
    private final int error;
    private final boolean deferrable;
    private int contextBitsLeft;
    private byte[] snapshot = NOTHING;
    private byte @Nullable [] got;
    private int gotBytes;
    private boolean answered;

    /**
     * Makes one.
     *
     * @param number counts the conversation's requests
     * @param error the "Error values" answer
     * @param deferrable whether the answer may come late, or, when the stream ends before it, never
     * @param contextBits what a BLOCK_STATUS must tell, a bit a context
     */
    Request(
            int number,
            int command,
            int flags,
            long offsetBytes,
            long lengthBytes,
            int error,
            boolean deferrable,
            int contextBits) {
        this.number = number;
        this.command = command;
        this.flags = flags;
        this.contextBitsLeft = contextBits;
        this.offsetBytes = offsetBytes;
        this.lengthBytes = lengthBytes;
        this.error = error;
        this.deferrable = deferrable;
    }

    int number() {
        return number;
    }

    int command() {
        return command;
    }

    boolean hasFlag(int flag) {
        return (flags & flag) != 0;
    }

    /** One chunk of a BLOCK_STATUS has come: its context is taken off; false when it was not due. */
    boolean takeContext(int id) {
        int bit = id >= 1 && id <= Reading.CONTEXTS.size() ? 1 << (id - 1) : 0;
        boolean isDue = (contextBitsLeft & bit) != 0;
        contextBitsLeft &= ~bit;
        return isDue;
    }

    /** Whether no context is due any more. */
    boolean hasAllContexts() {
        return contextBitsLeft == 0;
    }

    /**
     * A chunk of a READ has come: bytes, or zeroes where {@code from} is null.
     *
     * @return false when it lies outside, or covers what came before
     */
    boolean put(long atBytes, int lengthBytes, byte @Nullable [] from, int fromIndex) {
        long begin = atBytes - offsetBytes;
        if (begin != gotBytes || lengthBytes < 1 || lengthBytes > snapshot.length - begin) {
            return false; // our server sends them in their order, which makes it easy to see that none is missing
        }
        if (got == null) {
            got = new byte[snapshot.length];
        }
        if (from != null) {
            System.arraycopy(from, fromIndex, got, gotBytes, lengthBytes);
        }
        gotBytes += lengthBytes;
        return true;
    }

    /** What a READ in chunks has brought, all of it; null while something is missing. */
    byte @Nullable [] got() {
        if (gotBytes < snapshot.length) {
            return null;
        }
        return got == null ? NOTHING : got;
    }

    /** Whether a chunk of a READ has come. */
    boolean hasChunk() {
        return got != null;
    }

    long offsetBytes() {
        return offsetBytes;
    }

    boolean covers(long atBytes) {
        return atBytes >= offsetBytes && atBytes - offsetBytes < lengthBytes;
    }

    int error() {
        return error;
    }

    boolean isDeferrable() {
        return deferrable;
    }

    /** It is a read that is to be answered with what the device holds now. */
    void readsNow(byte[] contents) {
        snapshot = contents;
    }

    /** What a read must bring if nothing changes meanwhile; empty when no payload follows. */
    byte[] snapshot() {
        return snapshot;
    }

    boolean isAnswered() {
        return answered;
    }

    void setAnswered() {
        answered = true;
    }

    @Override
    public String toString() {
        return "request " + number + " (command " + command + ", offset " + offsetBytes + ", length " + lengthBytes
                + ", to be answered with " + error + ")";
    }
}
