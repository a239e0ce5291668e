package ramback.clock;

import java.time.Instant;
import java.util.concurrent.locks.LockSupport;

/** Reads time. Safe for use by many threads. */
public interface Clock {

    /** Later than any time {@link #nanoTime()} returns: "never". */
    long NEVER = Long.MAX_VALUE;

    /** The real clock of this machine. */
    Clock SYSTEM = new Clock() {
        @Override
        public long nanoTime() {
            // Shifted to begin near zero, so that times compare with < and NEVER is later than all of them.
            return System.nanoTime() - ORIGIN;
        }

        @Override
        public Instant now() {
            return Instant.now();
        }

        @Override
        public void park(Object blocker, long deadlineNanos) {
            if (deadlineNanos == NEVER) {
                LockSupport.park(blocker);
            } else {
                LockSupport.parkNanos(blocker, Math.max(1, deadlineNanos - nanoTime()));
            }
        }
    };

    /** Where the system clock's nanoseconds begin. */
    long ORIGIN = System.nanoTime() - 1_000_000_000L;

    /** Nanoseconds since some moment before the process did anything; positive, monotonic, comparable with {@code <}. */
    long nanoTime();

    /** The time of day, for people. */
    Instant now();

    /**
     * Lets others go on until this thread is unparked or a time has come; may return earlier, as
     * {@link LockSupport#park} may. A simulation runs the others here.
     *
     * @param blocker what is waited for, for those who look at threads
     * @param deadlineNanos a time of this clock, or {@link #NEVER}
     */
    void park(Object blocker, long deadlineNanos);
}
