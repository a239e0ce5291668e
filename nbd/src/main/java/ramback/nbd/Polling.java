package ramback.nbd;

/**
 * Decides whether a connection waits for its next request by polling its socket, which saves the sleep and the wake-up,
 * or by blocking in it, which costs no CPU. Polling begins after a run of short waits and ends with the first wait that
 * outlasts the window; each such miss doubles the run that is asked for next time, each run of hits halves it again. So
 * a busy connection polls, an idle one burns at most one window, and one whose requests come just too late gives up
 * trying. Used by one thread; it reads no clock.
 */
final class Polling {

    private final PollingLimits limits;
    private int shortWaitsNeeded;
    /** Short waits in a row while blocking; hits in a row while polling. */
    private int run;

    private boolean polling;

    Polling(PollingLimits limits) {
        this.limits = limits;
        this.shortWaitsNeeded = limits.shortWaitsMin();
    }

    /** Whether the next wait should begin with a poll. */
    boolean isPolling() {
        return polling;
    }

    /** The longest poll. */
    long windowNanos() {
        return limits.windowNanos();
    }

    /** A blocking wait ended with data after this time. */
    void blockedFor(long waitNanos) {
        if (waitNanos > limits.windowNanos()) {
            run = 0;
        } else if (++run >= shortWaitsNeeded && limits.windowNanos() > 0) {
            polling = true;
            run = 0;
        }
    }

    /** A poll found data within the window. */
    void hit() {
        if (++run >= shortWaitsNeeded) {
            run = 0;
            shortWaitsNeeded = Math.max(limits.shortWaitsMin(), shortWaitsNeeded / 2);
        }
    }

    /** A poll found nothing within the window. */
    void missed() {
        polling = false;
        run = 0;
        shortWaitsNeeded = Math.min(limits.shortWaitsMax(), shortWaitsNeeded * 2);
    }
}
