package ramback.image;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLongArray;
import org.junit.jupiter.api.Test;
import ramback.clock.Backoff;
import ramback.clock.Clock;
import ramback.clock.ManualClock;

class EpochsTest {

    @Test
    void theFirstChangeOfAnEpochIsNotedOnceWithItsTime() {
        ManualClock clock = new ManualClock();
        AtomicInteger calls = new AtomicInteger();
        Epochs epochs = new Epochs(1, clock, calls::incrementAndGet);
        assertThat(epochs.firstDirtyNanos(0)).isZero();
        long first = clock.nanoTime();
        epochs.noteDirty(0);
        clock.pass(5);
        epochs.noteDirty(0);
        assertThat(epochs.firstDirtyNanos(0)).isEqualTo(first);
        assertThat(calls).hasValue(1);
        assertThat(epochs.cut()).isZero();
        assertThat(epochs.open()).isEqualTo(1);
        assertThat(epochs.firstDirtyNanos(1)).isZero();
        assertThat(epochs.firstDirtyNanos(0)).isEqualTo(first);
        epochs.noteDirty(1);
        assertThat(calls).hasValue(2);
        assertThat(epochs.cut()).isEqualTo(1);
        assertThat(epochs.firstDirtyNanos(2)).isZero();
    }

    @Test
    void theCountOfEntriesChangesWithWhoeverIsInside() {
        Epochs epochs = new Epochs(2, Clock.SYSTEM, () -> {});
        long before = epochs.entryCount();
        assertThat(epochs.entryCount()).isEqualTo(before);
        epochs.enter(1);
        long inside = epochs.entryCount();
        assertThat(inside).isNotEqualTo(before);
        epochs.leave(1);
        assertThat(epochs.entryCount()).isNotEqualTo(inside).isNotEqualTo(before);
    }

    @Test
    void theGraceWaitsForWhoeverIsInsideAndForNobodyElse() throws InterruptedException {
        Epochs epochs = new Epochs(3, Clock.SYSTEM, () -> {});
        epochs.enter(0);
        epochs.leave(0);
        epochs.awaitGrace(new Backoff());
        epochs.enter(1);
        AtomicBoolean left = new AtomicBoolean();
        CountDownLatch waiting = new CountDownLatch(1);
        AtomicBoolean leftBeforeTheEnd = new AtomicBoolean();
        Thread sealer = Thread.ofPlatform().start(() -> {
            waiting.countDown();
            epochs.awaitGrace(new Backoff());
            leftBeforeTheEnd.set(left.get());
        });
        waiting.await();
        // Others that come and go meanwhile don't count.
        for (int i = 0; i < 1000; i++) {
            epochs.enter(2);
            epochs.leave(2);
        }
        left.set(true);
        epochs.leave(1);
        sealer.join();
        assertThat(leftBeforeTheEnd).isTrue();
    }

    /** Writers count their stores by epoch; after an epoch's grace its count never changes any more. */
    @Test
    void noStoreOfASealedEpochComesAfterItsGrace() throws InterruptedException {
        int rounds = 20_000;
        Epochs epochs = new Epochs(3, Clock.SYSTEM, () -> {});
        AtomicLongArray counts = new AtomicLongArray(rounds + 1);
        AtomicBoolean over = new AtomicBoolean();
        Thread[] writers = new Thread[2];
        for (int i = 0; i < writers.length; i++) {
            int worker = i;
            writers[i] = Thread.ofPlatform().start(() -> {
                while (!over.get()) {
                    epochs.enter(worker);
                    counts.incrementAndGet((int) epochs.open());
                    epochs.leave(worker);
                }
            });
        }
        Backoff backoff = new Backoff();
        long[] sealedCounts = new long[rounds];
        for (int i = 0; i < rounds; i++) {
            long sealed = epochs.cut();
            assertThat(sealed).isEqualTo(i);
            epochs.awaitGrace(backoff);
            sealedCounts[i] = counts.get(i);
        }
        over.set(true);
        for (Thread writer : writers) {
            writer.join();
        }
        for (int i = 0; i < rounds; i++) {
            assertThat(counts.get(i)).as("stores of epoch %d", i).isEqualTo(sealedCounts[i]);
        }
    }
}
