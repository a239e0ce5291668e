package ramback.sim;

import java.time.Instant;
import org.jspecify.annotations.Nullable;
import ramback.clock.Clock;

/** The simulation's time. Who waits here lets the other tasks of the scheduler go on. */
final class SimClock implements Clock {

    private static final Instant BEGIN = Instant.parse("2008-03-10T00:00:00Z");

    private final Scheduler scheduler;

    SimClock(Scheduler scheduler) {
        this.scheduler = scheduler;
    }

    @Override
    public long nanoTime() {
        return scheduler.nanoTime();
    }

    @Override
    public Instant now() {
        return BEGIN.plusNanos(scheduler.nanoTime());
    }

    @Override
    public void park(@Nullable Object blocker, long deadlineNanos) {
        scheduler.pause(blocker, deadlineNanos);
    }
}
