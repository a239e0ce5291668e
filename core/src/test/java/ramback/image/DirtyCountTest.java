package ramback.image;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

class DirtyCountTest {

    @Test
    void aReservationThatWouldExceedTheLimitTakesNothing() {
        DirtyCount count = new DirtyCount();
        assertThat(count.reserve(7, 10, Long.MAX_VALUE)).isTrue();
        assertThat(count.reserve(4, 10, Long.MAX_VALUE)).isFalse();
        assertThat(count.dataChunkCount()).isEqualTo(7);
        assertThat(count.reserve(3, 10, Long.MAX_VALUE)).isTrue();
        count.addData(-10);
        count.addAll(2);
        assertThat(count.dataChunkCount()).isZero();
        assertThat(count.chunkCount()).isEqualTo(2);
    }

    @Test
    void theLogHasALimitOfItsOwn() {
        DirtyCount count = new DirtyCount();
        assertThat(count.reserve(5, Long.MAX_VALUE, 8)).isTrue();
        assertThat(count.reserve(4, Long.MAX_VALUE, 8)).isFalse();
        assertThat(count.dataChunkCount()).isEqualTo(5);
        assertThat(count.logDataChunkCount()).isEqualTo(5);
    }

    @Test
    void anEpochThatIsSettledGivesBackWhatItHadAndNothingElse() {
        DirtyCount count = new DirtyCount();
        count.reserve(5, Long.MAX_VALUE, Long.MAX_VALUE);
        count.noteStored(0, 3, 0, 0, 3, 3);
        // Two chunks into the next epoch; the image's count had one of them.
        count.noteStored(1, 2, 1, 0, 1, 2);
        count.noteZeroed(1, 1, 1, 0, 0, 1);
        assertThat(count.logDataChunkCount()).isEqualTo(4);
        assertThat(count.logChunkCount()).isEqualTo(5);
        assertThat(count.logZeroRunCount()).isEqualTo(1);
        assertThat(count.dataChunkCount()).isEqualTo(3);
        assertThat(count.chunkCount()).isEqualTo(4);
        count.settle(0);
        assertThat(count.logDataChunkCount()).isEqualTo(1);
        assertThat(count.logChunkCount()).isEqualTo(2);
        count.settle(1);
        assertThat(count.logDataChunkCount()).isZero();
        assertThat(count.logChunkCount()).isZero();
        assertThat(count.logZeroRunCount()).isZero();
        assertThat(count.dataChunkCount()).isEqualTo(3);
    }

    @Test
    void threadsTogetherNeverHoldMoreThanTheLimit() throws InterruptedException {
        DirtyCount count = new DirtyCount();
        AtomicLong held = new AtomicLong();
        AtomicLong heldMax = new AtomicLong();
        Runnable work = () -> {
            for (int i = 0; i < 200_000; i++) {
                int chunks = 1 + i % 5;
                if (count.reserve(chunks, 10, Long.MAX_VALUE)) {
                    heldMax.accumulateAndGet(held.addAndGet(chunks), Math::max);
                    held.addAndGet(-chunks);
                    count.cancel(chunks);
                }
            }
        };
        Thread one = Thread.ofPlatform().start(work);
        Thread two = Thread.ofPlatform().start(work);
        one.join();
        two.join();
        assertThat(heldMax.get()).isBetween(1L, 10L);
        assertThat(count.dataChunkCount()).isZero();
    }
}
