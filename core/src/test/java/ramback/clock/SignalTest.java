package ramback.clock;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

class SignalTest {
    private static final int ROUND_COUNT = 200_000;

    private final Signal signal = new Signal(Clock.SYSTEM);

    @Test
    void aRaisedFlagIsTakenOnce() {
        assertThat(signal.take()).isFalse();
        signal.raise();
        signal.raise();
        assertThat(signal.take()).isTrue();
        assertThat(signal.take()).isFalse();
    }

    @Test
    void waitingForARaisedFlagReturnsAtOnceAndLowersIt() {
        signal.raise();
        assertThat(signal.await(Clock.NEVER)).isTrue();
        assertThat(signal.take()).isFalse();
    }

    @Test
    void aPassedDeadlineEndsTheWait() {
        assertThat(signal.await(0)).isFalse();
        assertThat(signal.await(Clock.SYSTEM.nanoTime() + 1000)).isFalse();
        signal.raise();
        assertThat(signal.await(0)).isTrue();
    }

    @Test
    void anInterruptDoesNotEndTheWait() throws InterruptedException {
        AtomicInteger woken = new AtomicInteger();
        Thread waiter = Thread.ofPlatform().start(() -> {
            signal.await(Clock.NEVER);
            woken.incrementAndGet();
        });
        for (int i = 0; i < 100; i++) {
            waiter.interrupt();
            Thread.yield();
        }
        assertThat(woken).hasValue(0);
        signal.raise();
        waiter.join();
        assertThat(woken).hasValue(1);
    }

    /** Two raise, one waits: what was published before a raise is always noticed; a lost one would hang this test. */
    @Test
    void noRaiseIsLost() throws InterruptedException {
        AtomicInteger produced = new AtomicInteger();
        Runnable produce = () -> {
            for (int i = 0; i < ROUND_COUNT; i++) {
                produced.incrementAndGet();
                signal.raise();
            }
        };
        Thread one = Thread.ofPlatform().start(produce);
        Thread two = Thread.ofPlatform().start(produce);
        while (produced.get() < 2 * ROUND_COUNT) {
            assertThat(signal.await(Clock.SYSTEM.nanoTime() + 60_000_000_000L)).isTrue();
        }
        one.join();
        two.join();
    }

    /** Ping-pong: each side sleeps until the other one raises. */
    @Test
    void twoThreadsWakeEachOther() throws InterruptedException {
        Signal back = new Signal(Clock.SYSTEM);
        Thread other = Thread.ofPlatform().start(() -> {
            for (int i = 0; i < 20_000; i++) {
                signal.await(Clock.NEVER);
                back.raise();
            }
        });
        for (int i = 0; i < 20_000; i++) {
            signal.raise();
            assertThat(back.await(Clock.SYSTEM.nanoTime() + 60_000_000_000L)).isTrue();
        }
        other.join();
    }
}
