package ramback.sim;

import java.time.Instant;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import ramback.clock.Clock;

/**
 * The simulation's time. Who waits here lets the other tasks of the scheduler go on; and write-behind may lose the
 * processor where it looks at the clock.
 */
final class SimClock implements Clock {

    private static final Instant BEGIN = Instant.parse("2008-03-10T00:00:00Z");

    private static final StackWalker CALLERS = StackWalker.getInstance();

    /** The agents of write-behind hold no lock when they look at the clock themselves; others may. */
    private static final Set<String> PREEMPTED = Set.of(
            "ramback.writeback.Sealer",
            "ramback.writeback.JournalWriter",
            "ramback.writeback.RoundKeeper",
            "ramback.writeback.Applier");

    private final Scheduler scheduler;

    SimClock(Scheduler scheduler) {
        this.scheduler = scheduler;
    }

    @Override
    public long nanoTime() {
        if (scheduler.wantsToPreempt()
                && CALLERS.walk(frames -> frames.skip(1).limit(1).allMatch(SimClock::mayBePreempted))) {
            scheduler.preempt();
        }
        return scheduler.nanoTime();
    }

    private static boolean mayBePreempted(StackWalker.StackFrame caller) {
        return PREEMPTED.contains(caller.getClassName());
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
