package ramback.engine;

/**
 * Something the operator asked for that is not done: one line that says what happened, with the value and the limit,
 * and what to do next. Nothing is half made when this is thrown.
 */
public final class Refusal extends Exception {
    private static final long serialVersionUID = 1L;

    /** Why it is not done; decides the exit code. */
    public enum Kind {
        /** The operation failed (exit code 1). */
        FAILED,
        /** The request itself is wrong (exit code 2). */
        USAGE,
        /** There is no such device (exit code 3). */
        NO_DEVICE,
        /** Refused to protect data (exit code 4). */
        PROTECTED
    }

    private final Kind kind;

    /** A refusal of this kind, with its one line for the operator. */
    public Refusal(Kind kind, String message) {
        super(message);
        this.kind = kind;
    }

    /** As above, with what caused it. */
    public Refusal(Kind kind, String message, Throwable cause) {
        super(message, cause);
        this.kind = kind;
    }

    /** Why it is not done. */
    public Kind kind() {
        return kind;
    }
}
