package ramback.clock;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.LongSupplier;
import org.junit.jupiter.api.Test;

class AgentThreadTest {
    private final Signal signal = new Signal(Clock.SYSTEM);

    private static Agent agent(LongSupplier step) {
        return new Agent() {
            @Override
            public String name() {
                return "test-agent";
            }

            @Override
            public long step() {
                return step.getAsLong();
            }
        };
    }

    @Test
    void anAgentIsSteppedAtOnceWhenItSaysSoAndThenWhenSignalled() throws InterruptedException {
        AtomicInteger steps = new AtomicInteger();
        CountDownLatch three = new CountDownLatch(3);
        CountDownLatch four = new CountDownLatch(4);
        AgentThread thread = AgentThread.start(
                agent(() -> {
                    three.countDown();
                    four.countDown();
                    return steps.incrementAndGet() < 3 ? 0 : Clock.NEVER;
                }),
                Clock.SYSTEM,
                signal);
        three.await();
        assertThat(steps.get()).isLessThanOrEqualTo(3);
        signal.raise();
        four.await();
        thread.stop();
        int last = steps.get();
        signal.raise();
        assertThat(steps).hasValue(last);
    }

    @Test
    void anAgentIsAliveUntilItIsStopped() {
        AgentThread thread = AgentThread.start(agent(() -> Clock.NEVER), Clock.SYSTEM, signal);
        assertThat(thread.isAlive()).isTrue();
        thread.stop();
        assertThat(thread.isAlive()).isFalse();
    }

    @Test
    void whoWaitsSoLongAtMostForTheEndOfAStepThatHangsGoesOn() {
        CountDownLatch goesOn = new CountDownLatch(1);
        AgentThread thread = AgentThread.start(
                agent(() -> {
                    boolean interrupted = false;
                    while (true) {
                        try {
                            goesOn.await();
                            break;
                        } catch (InterruptedException e) {
                            interrupted = true;
                        }
                    }
                    assertThat(interrupted).as("a step is never interrupted").isFalse();
                    return Clock.NEVER;
                }),
                Clock.SYSTEM,
                signal);
        assertThat(thread.stop(1)).isFalse();
        goesOn.countDown();
        thread.stop();
        assertThat(thread.isAlive()).isFalse();
    }

    @Test
    void anAgentIsSteppedAtItsTime() throws InterruptedException {
        CountDownLatch steps = new CountDownLatch(5);
        AgentThread thread = AgentThread.start(
                agent(() -> {
                    steps.countDown();
                    return Clock.SYSTEM.nanoTime() + 1_000_000;
                }),
                Clock.SYSTEM,
                signal);
        steps.await();
        thread.stop();
    }

    @Test
    void anAgentThatThrowsIsSteppedAgain() throws InterruptedException {
        AtomicInteger steps = new AtomicInteger();
        CountDownLatch second = new CountDownLatch(2);
        AgentThread thread = AgentThread.start(
                agent(() -> {
                    second.countDown();
                    if (steps.incrementAndGet() == 1) {
                        throw new IllegalStateException("planted by the test");
                    }
                    return Clock.NEVER;
                }),
                Clock.SYSTEM,
                signal);
        second.await();
        thread.stop();
    }

    @Test
    void stoppingAnInterruptedThreadStillStopsTheAgent() {
        AgentThread thread = AgentThread.start(agent(() -> Clock.NEVER), Clock.SYSTEM, signal);
        Thread.currentThread().interrupt();
        thread.stop();
        assertThat(Thread.interrupted()).isTrue();
    }
}
