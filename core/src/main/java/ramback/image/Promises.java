package ramback.image;

/** Whoever makes epochs durable. Safe for use by many threads. */
public interface Promises {

    /** The newest epoch that is durable, with all before it; -1 if none is yet. */
    long committed();

    /**
     * Asks for everything up to an epoch to be made durable soon; does not wait. Sessions are told through
     * {@link ImageDevice#wakeSessions}.
     */
    void demand(long epoch);

    /** Whether the mode promises a greatest age of what is not durable, and that age has been reached: everybody waits. */
    boolean isOverdue();

    /** Hears of a FLUSH that asks for nothing: a good moment for a cut that is about to be made anyway. Must not block. */
    void flushed();

    /** Whether everything that has been acknowledged so far is durable. */
    boolean isEverythingDurable();
}
