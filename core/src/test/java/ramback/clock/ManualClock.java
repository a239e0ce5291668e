package ramback.clock;

import java.time.Instant;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;

/** A clock that a test moves. */
public final class ManualClock implements Clock {
    private final AtomicLong nanos = new AtomicLong(1_000_000_000L);

    @Override
    public long nanoTime() {
        return nanos.get();
    }

    @Override
    public Instant now() {
        return Instant.ofEpochSecond(0, nanos.get());
    }

    @Override
    public void park(Object blocker, long deadlineNanos) {
        // Whoever moves this clock wakes nobody.
        LockSupport.parkNanos(blocker, 100_000);
    }

    /** Lets time pass. */
    public void pass(long passedNanos) {
        nanos.addAndGet(passedNanos);
    }
}
