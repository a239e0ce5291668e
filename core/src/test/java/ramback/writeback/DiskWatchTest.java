package ramback.writeback;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import ramback.backing.BackingIoException.Operation;
import ramback.backing.Damage;
import ramback.backing.MemoryBacking;
import ramback.backing.WatchedBacking;
import ramback.clock.Agent;
import ramback.clock.ManualClock;
import ramback.posix.Errno;

/** What no call reports: silence, and a disk that is not what it was. */
class DiskWatchTest {

    private static final long SECOND = 1_000_000_000L;

    private final ManualClock clock = new ManualClock();
    private final DiskWatch watch = new DiskWatch(clock, 10 * SECOND);

    private void step() {
        for (Agent agent : watch.agents()) {
            assertThat(agent.step()).isGreaterThan(clock.nanoTime());
        }
    }

    @Test
    void aDiskIsSilentFromItsDeadlineOnUntilItAnswers() {
        MemoryBacking disk = new MemoryBacking(4096);
        WatchedBacking watched = new WatchedBacking(disk, clock);
        watch.add("journal", watched, () -> {});
        Gate gate = new Gate(call -> call.operation() == Operation.SYNC);
        disk.before(gate);
        CompletableFuture<Void> sync = CompletableFuture.runAsync(() -> {
            try {
                watched.sync();
            } catch (IOException e) {
                throw new AssertionError(e);
            }
        });
        gate.awaitArrived(1);
        clock.pass(10 * SECOND - 1);
        step();
        assertThat(watch.failing()).isNull();
        clock.pass(2 * SECOND);
        step();
        assertThat(watch.failing()).isEqualTo("journal: no answer for 12 s: sync of memory:");
        gate.open();
        sync.join();
        step();
        assertThat(watch.failing()).isNull();
    }

    @Test
    void whatHasBecomeOfADiskIsToldUntilThatIsOver() {
        AtomicInteger looks = new AtomicInteger();
        MemoryBacking disk = new MemoryBacking(4096);
        WatchedBacking watched = new WatchedBacking(disk, clock);
        watch.add("image", watched, looks::incrementAndGet);
        step();
        assertThat(watch.failing()).isNull();
        Damage deleted = new Damage(Damage.Kind.DELETED, "x was deleted");
        disk.becomes(deleted);
        step();
        assertThat(watch.failing()).isEqualTo("x was deleted");
        assertThat(watch.damage(watched)).isEqualTo(deleted);
        disk.failWhile(call -> call.operation() == Operation.LOOK, Errno.ESTALE);
        step();
        assertThat(watch.failing()).isEqualTo("cannot look at memory:: injected (ESTALE)");
        disk.heal();
        disk.becomes(null);
        step();
        assertThat(watch.failing()).isNull();
        assertThat(watch.damage(watched)).isNull();
        assertThat(looks).hasValue(4);
    }
}
