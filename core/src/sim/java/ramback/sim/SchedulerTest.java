package ramback.sim;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import ramback.clock.Clock;
import ramback.clock.Signal;

class SchedulerTest {

    private static List<String> order(long seed) {
        Scheduler scheduler = new Scheduler(seed, new TraceHash());
        List<String> order = new ArrayList<>();
        for (String name : List.of("a", "b", "c", "d")) {
            scheduler.spawn(name, () -> {
                order.add(name);
                scheduler.sleepUntil(name, scheduler.nanoTime() + 1);
                order.add(name);
            });
        }
        scheduler.run();
        return order;
    }

    @Test
    void theSeedDecidesTheOrder() {
        Set<List<String>> orders = new HashSet<>();
        for (long seed = 0; seed < 20; seed++) {
            assertThat(order(seed)).isEqualTo(order(seed));
            orders.add(order(seed));
        }
        assertThat(orders).hasSizeGreaterThan(10);
    }

    @Test
    void timeGoesOnWhenEverybodyWaits() {
        Scheduler scheduler = new Scheduler(1, new TraceHash());
        long[] woken = new long[2];
        scheduler.spawn("hour", () -> {
            scheduler.sleepUntil("hour", 3_600_000_000_000L);
            woken[0] = scheduler.nanoTime();
        });
        scheduler.spawn("day", () -> {
            scheduler.sleepUntil("day", 24 * 3_600_000_000_000L);
            woken[1] = scheduler.nanoTime();
        });
        scheduler.run();
        assertThat(woken[0]).isBetween(3_600_000_000_000L, 3_601_000_000_000L);
        assertThat(woken[1]).isBetween(24 * 3_600_000_000_000L, 24 * 3_601_000_000_000L);
    }

    @Test
    void aSignalIsWaitedForWithoutItsThreadBeingWoken() {
        Scheduler scheduler = new Scheduler(1, new TraceHash());
        Clock clock = new SimClock(scheduler);
        Signal signal = new Signal(clock);
        List<String> heard = new ArrayList<>();
        scheduler.spawn("waiter", () -> heard.add(signal.await(Clock.NEVER) ? "raised" : "late"));
        scheduler.spawn("raiser", () -> {
            scheduler.sleepUntil("a while", 5_000_000_000L);
            signal.raise();
            scheduler.noteProgress();
        });
        scheduler.run();
        assertThat(heard).containsExactly("raised");
    }

    @Test
    void whoWaitsForEverIsNamed() {
        Scheduler scheduler = new Scheduler(1, new TraceHash());
        scheduler.spawn("orphan", () -> {
            while (true) {
                scheduler.pause("nothing that ever comes", Clock.NEVER);
            }
        });
        assertThatThrownBy(scheduler::run)
                .isInstanceOf(AssertionError.class)
                .hasMessageContaining("orphan at nothing that ever comes");
    }

    @Test
    void aFailureEndsEveryTask() {
        Scheduler scheduler = new Scheduler(1, new TraceHash());
        scheduler.spawn("idle", () -> {
            while (true) {
                scheduler.sleepUntil("idle", scheduler.nanoTime() + 1_000);
            }
        });
        scheduler.spawn("failing", () -> {
            scheduler.sleepUntil("failing", scheduler.nanoTime() + 1_000_000);
            throw new IllegalStateException("on purpose");
        });
        assertThatThrownBy(scheduler::run)
                .isInstanceOf(IllegalStateException.class)
                .hasMessage("on purpose");
    }
}
