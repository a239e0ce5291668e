package ramback.backing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import ramback.clock.ManualClock;

/** Calls in progress, and how long they have been. */
class WatchedBackingTest {

    private final ManualClock clock = new ManualClock();
    private final MemoryBacking disk = new MemoryBacking(1 << 20);
    private final WatchedBacking watched = new WatchedBacking(disk, clock);
    private final CountDownLatch gate = new CountDownLatch(1);

    /** Holds every call until the gate is open. */
    private void hold(CyclicBarrier arrived) {
        disk.before(call -> {
            try {
                arrived.await();
                gate.await();
            } catch (Exception e) {
                throw new AssertionError(e);
            }
        });
    }

    @Test
    void aCallThatHangsIsToldInWordsUntilItIsAnswered() throws Exception {
        CyclicBarrier arrived = new CyclicBarrier(2);
        hold(arrived);
        try (var executor = Executors.newSingleThreadExecutor();
                Arena arena = Arena.ofShared()) {
            MemorySegment memory = arena.allocate(8192);
            Future<?> write = executor.submit(() -> {
                watched.write(4096, memory);
                return null;
            });
            arrived.await();
            clock.pass(12_000_000_000L);
            assertThat(watched.longest())
                    .isEqualTo(new WatchedBacking.Silence("write of 8192 bytes at 4096 of memory:", 12_000_000_000L));
            gate.countDown();
            write.get();
            assertThat(watched.longest()).isNull();
            assertThat(disk.calls()).hasSize(1);
        }
    }

    @Test
    void theLongestOfManyIsToldAndMoreThanAreWatchedAreServedAllTheSame() throws Exception {
        int count = WatchedBacking.CALL_COUNT_MAX + 3;
        CyclicBarrier arrived = new CyclicBarrier(2);
        hold(arrived);
        List<Future<?>> syncs = new ArrayList<>();
        try (var executor = Executors.newFixedThreadPool(count)) {
            for (int i = 0; i < count; i++) {
                syncs.add(executor.submit(() -> {
                    watched.sync();
                    return null;
                }));
                arrived.await();
                clock.pass(1_000_000_000L);
            }
            assertThat(watched.longest())
                    .isEqualTo(new WatchedBacking.Silence("sync of memory:", count * 1_000_000_000L));
            gate.countDown();
            for (Future<?> sync : syncs) {
                sync.get();
            }
        }
        assertThat(watched.longest()).isNull();
    }

    @Test
    void whatIsReadAndWrittenNowIsToldAsRanges() throws Exception {
        CyclicBarrier arrived = new CyclicBarrier(2);
        hold(arrived);
        List<String> seen = new ArrayList<>();
        try (var executor = Executors.newFixedThreadPool(3);
                Arena arena = Arena.ofShared()) {
            MemorySegment memory = arena.allocate(8192);
            clock.pass(1);
            Future<?> write = executor.submit(() -> {
                watched.write(4096, memory);
                return null;
            });
            arrived.await();
            Future<?> zero = executor.submit(() -> {
                watched.zero(65536, 512);
                return null;
            });
            arrived.await();
            Future<?> sync = executor.submit(() -> {
                watched.sync();
                return null;
            });
            arrived.await();
            watched.visitTransfers((offsetBytes, lengthBytes) -> seen.add(offsetBytes + "+" + lengthBytes));
            assertThat(seen).containsExactlyInAnyOrder("4096+8192", "65536+512");
            gate.countDown();
            write.get();
            zero.get();
            sync.get();
        }
        watched.visitTransfers((offsetBytes, lengthBytes) -> seen.add("late"));
        assertThat(seen).doesNotContain("late");
    }

    @Test
    void aCallThatFailsIsOver() {
        disk.failWhile(call -> true, 5);
        assertThatThrownBy(watched::sync).isInstanceOf(IOException.class);
        assertThat(watched.longest()).isNull();
    }
}
