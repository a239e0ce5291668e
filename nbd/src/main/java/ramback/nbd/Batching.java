package ramback.nbd;

/**
 * Decides whether a connection's request thread lets its client finish before it serves it. By default a thread that wakes up
 * interrupts who runs on its CPU: there a client that sends 32 requests is interrupted after the first one, and after each one that
 * it sends next, so that each costs two switches and two calls. A thread that interrupts nobody finds all of them when it gets to run.
 *
 * <p>It is worth it for a client that has several requests under way, as receives that bring several of them show, and ends when they
 * bring single ones. Where somebody else wants the CPU as well, waiting for it takes much longer than a client needs to send: then it
 * is given up, and after each time that this happened soon, a longer run of receives is needed to try again. Used by one thread; it
 * reads no clock.
 */
final class Batching {

    /** A wait is short up to this, and what a client needs for each request that it brings. */
    static final long WAIT_NANOS_MAX = 100_000;

    static final long REQUEST_NANOS_MAX = 10_000;

    /** Receives of several requests that begin it, while it pays off, and after many tries in vain. */
    static final int RUN_MIN = 8;

    static final int RUN_MAX = 1024;
    /** Receives of one request in a row that end it. */
    static final int SINGLE_COUNT_MAX = 64;
    /** A try that lasts no more receives than this was in vain; each run of so many makes the next try come sooner. */
    static final int TRIAL_COUNT = 64;

    private boolean isOn;
    private int runNeeded = RUN_MIN;
    /** Receives of several requests while it is off; receives while it is on. */
    private int run;

    private int singleCount;
    private boolean isGivenUp;

    /** Whether the thread should interrupt nobody when it wakes up. */
    boolean isOn() {
        return isOn;
    }

    /**
     * A receive has been dealt with.
     *
     * @param requestCount how many requests it brought to their end, at least 1
     * @param waitNanos how long it waited
     * @return whether {@link #isOn} has changed
     */
    boolean received(int requestCount, long waitNanos) {
        boolean isLong = waitNanos > WAIT_NANOS_MAX + requestCount * REQUEST_NANOS_MAX;
        return isOn ? goesOff(requestCount, isLong) : goesOn(requestCount, isLong);
    }

    private boolean goesOn(int requestCount, boolean isLong) {
        if (isLong) {
            run = 0;
        } else if (requestCount > 1 && ++run >= runNeeded && !isGivenUp) {
            isOn = true;
            run = 0;
            singleCount = 0;
        }
        return isOn;
    }

    private boolean goesOff(int requestCount, boolean isLong) {
        singleCount = requestCount == 1 ? singleCount + 1 : 0;
        if (++run % TRIAL_COUNT == 0) {
            runNeeded = Math.max(RUN_MIN, runNeeded / 2);
        }
        if (isLong && run < TRIAL_COUNT) {
            runNeeded = Math.min(RUN_MAX, runNeeded * 2);
        }
        if (isLong || singleCount == SINGLE_COUNT_MAX) {
            isOn = false;
            run = 0;
        }
        return !isOn;
    }

    /** It can't be done here: it is off from now on. */
    void giveUp() {
        isOn = false;
        isGivenUp = true;
    }
}
