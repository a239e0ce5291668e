package ramback.clock;

import java.util.concurrent.locks.LockSupport;

/**
 * Waits a little for something short that another thread is in the middle of: spins, then yields, then sleeps for
 * growing, bounded times. For waits that nobody signals, because signalling would cost the other side more than it is
 * worth. Not thread-safe: one a waiting thread.
 */
public final class Backoff {

    private static final int SPIN_COUNT_MAX = 64;
    private static final int YIELD_COUNT_MAX = 32;
    private static final long SLEEP_NANOS_MIN = 20_000;
    private static final long SLEEP_NANOS_MAX = 200_000;

    private int count;
    private long sleepNanos = SLEEP_NANOS_MIN;

    /** Begins a new wait. */
    public void reset() {
        count = 0;
        sleepNanos = SLEEP_NANOS_MIN;
    }

    /** Waits a moment, longer each time. */
    public void idle() {
        if (count < SPIN_COUNT_MAX) {
            count++;
            Thread.onSpinWait();
        } else if (count < SPIN_COUNT_MAX + YIELD_COUNT_MAX) {
            count++;
            Thread.yield();
        } else {
            LockSupport.parkNanos(sleepNanos);
            sleepNanos = Math.min(SLEEP_NANOS_MAX, sleepNanos * 2);
        }
    }
}
