package ramback.nbd;

/** A request as the reference read it from the stream, and what must be answered to it. */
final class Request {

    private static final byte[] NOTHING = {};

    private final int number;
    private final int command;
    private final long offsetBytes;
    private final long lengthBytes;
    private final int error;
    private final boolean deferrable;
    private byte[] snapshot = NOTHING;
    private boolean answered;

    /**
     * Makes one.
     *
     * @param number counts the conversation's requests
     * @param error the "Error values" answer
     * @param deferrable whether the answer may come late, or, when the stream ends before it, never
     */
    Request(int number, int command, long offsetBytes, long lengthBytes, int error, boolean deferrable) {
        this.number = number;
        this.command = command;
        this.offsetBytes = offsetBytes;
        this.lengthBytes = lengthBytes;
        this.error = error;
        this.deferrable = deferrable;
    }

    int number() {
        return number;
    }

    long offsetBytes() {
        return offsetBytes;
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
