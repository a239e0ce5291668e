package ramback.image;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import ramback.clock.Backoff;
import ramback.clock.Clock;

class SnapshotCutTest {

    private final Epochs epochs = new Epochs(3, Clock.SYSTEM, () -> {});
    private final SnapshotCut cut = new SnapshotCut(epochs);
    private final Backoff backoff = new Backoff();

    /** Has room for words below a bound, and writes down what it was asked. */
    private static final class Asked implements SnapshotHook {
        private final List<String> words = new ArrayList<>();
        private long roomEnd = Long.MAX_VALUE;
        private int waitCount;

        @Override
        public boolean preserve(long word, long mask) {
            words.add(word + ":" + mask);
            return word < roomEnd;
        }

        @Override
        public void awaitRoom() {
            waitCount++;
        }
    }

    @Test
    void theHookIsAskedFromBeginToEnd() {
        Asked hook = new Asked();
        assertThat(cut.mayStore(1, 2, 1, 0)).isTrue();
        cut.awaitRoom();
        cut.begin(hook, backoff);
        assertThat(cut.mayStore(3, 4, 3, 0)).isTrue();
        assertThat(cut.mayStore(5, 6, 6, 7)).isTrue();
        hook.roomEnd = 9;
        assertThat(cut.mayStore(8, 1, 9, 1)).isFalse();
        assertThat(cut.mayStore(9, 1, 10, 1)).isFalse();
        cut.awaitRoom();
        cut.end(hook, backoff);
        assertThat(cut.mayStore(11, 1, 11, 0)).isTrue();
        assertThat(hook.words).containsExactly("3:4", "5:6", "6:7", "8:1", "9:1", "9:1");
        assertThat(hook.waitCount).isEqualTo(1);
    }

    @Test
    void onlyTheOneThatIsAskedIsEnded() {
        Asked first = new Asked();
        Asked second = new Asked();
        cut.begin(first, backoff);
        assertThatThrownBy(() -> cut.begin(second, backoff)).isInstanceOf(IllegalStateException.class);
        cut.end(second, backoff);
        cut.mayStore(0, 1, 0, 0);
        assertThat(first.words).hasSize(1);
        cut.end(first, backoff);
        cut.begin(second, backoff);
        cut.end(first, backoff);
        cut.mayStore(0, 1, 0, 0);
        assertThat(second.words).hasSize(1);
    }

    @Test
    void itBeginsAndEndsOnlyWhenThoseInsideHaveLeft() throws InterruptedException {
        Asked hook = new Asked();
        for (Runnable step :
                List.<Runnable>of(() -> cut.begin(hook, new Backoff()), () -> cut.end(hook, new Backoff()))) {
            epochs.enter(1);
            CountDownLatch waiting = new CountDownLatch(1);
            AtomicBoolean left = new AtomicBoolean();
            AtomicBoolean leftBefore = new AtomicBoolean();
            Thread snapshot = Thread.ofPlatform().start(() -> {
                waiting.countDown();
                step.run();
                leftBefore.set(left.get());
            });
            waiting.await();
            for (int i = 0; i < 1000; i++) {
                epochs.enter(2);
                epochs.leave(2);
                Thread.yield();
            }
            left.set(true);
            epochs.leave(1);
            snapshot.join();
            assertThat(leftBefore).isTrue();
        }
    }

    /** Writers count the stores for which nobody was asked; once a snapshot has begun there are no more of them. */
    @Test
    void noStoreThatDidNotAskComesAfterTheBeginning() throws InterruptedException {
        AtomicLong askedCount = new AtomicLong();
        SnapshotHook hook = new SnapshotHook() {
            @Override
            public boolean preserve(long word, long mask) {
                askedCount.incrementAndGet();
                return false;
            }

            @Override
            public void awaitRoom() {
                throw new AssertionError("nobody waits here");
            }
        };
        AtomicLong unasked = new AtomicLong();
        AtomicBoolean over = new AtomicBoolean();
        Thread[] writers = new Thread[2];
        for (int i = 0; i < writers.length; i++) {
            int worker = i;
            writers[i] = Thread.ofPlatform().start(() -> {
                while (!over.get()) {
                    epochs.enter(worker);
                    if (cut.mayStore(0, 1, 0, 0)) {
                        unasked.incrementAndGet();
                    }
                    epochs.leave(worker);
                }
            });
        }
        long strayCount = 0;
        long lateCount = 0;
        for (int i = 0; i < 5_000; i++) {
            cut.begin(hook, backoff);
            long before = unasked.get();
            Thread.onSpinWait();
            strayCount += unasked.get() - before;
            cut.end(hook, backoff);
            long askedBefore = askedCount.get();
            Thread.onSpinWait();
            lateCount += askedCount.get() - askedBefore;
        }
        over.set(true);
        for (Thread writer : writers) {
            writer.join();
        }
        assertThat(strayCount).isZero();
        assertThat(lateCount).isZero();
    }
}
