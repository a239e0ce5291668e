package ramback.clock;

import java.time.Instant;
import java.util.concurrent.locks.LockSupport;

/** A clock that runs faster than the machine's, so that a test does not live through every pause between two attempts. */
public final class HurriedClock implements Clock {

    private final int factor;
    private final long beganNanos = System.nanoTime();

    /** A clock that shows so many seconds for each second. */
    public HurriedClock(int factor) {
        this.factor = factor;
    }

    @Override
    public long nanoTime() {
        return 1_000_000_000L + (System.nanoTime() - beganNanos) * factor;
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
            LockSupport.parkNanos(blocker, Math.max(1, (deadlineNanos - nanoTime()) / factor));
        }
    }
}
