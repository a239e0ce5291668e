package ramback.image;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

class DirtyCountTest {

    @Test
    void aReservationThatWouldExceedTheLimitTakesNothing() {
        DirtyCount count = new DirtyCount();
        assertThat(count.reserve(7, 10)).isZero();
        assertThat(count.reserve(4, 10)).isNegative();
        assertThat(count.dataChunkCount()).isEqualTo(7);
        assertThat(count.reserve(3, 10)).isEqualTo(7);
        count.addData(-10);
        count.addAll(2);
        assertThat(count.dataChunkCount()).isZero();
        assertThat(count.chunkCount()).isEqualTo(2);
    }

    @Test
    void threadsTogetherNeverHoldMoreThanTheLimit() throws InterruptedException {
        DirtyCount count = new DirtyCount();
        AtomicLong held = new AtomicLong();
        AtomicLong heldMax = new AtomicLong();
        Runnable work = () -> {
            for (int i = 0; i < 200_000; i++) {
                int chunks = 1 + i % 5;
                if (count.reserve(chunks, 10) >= 0) {
                    heldMax.accumulateAndGet(held.addAndGet(chunks), Math::max);
                    held.addAndGet(-chunks);
                    count.addData(-chunks);
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
