package ramback.clock;

import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.II_Result;
import org.openjdk.jcstress.infra.results.I_Result;

/** One test for each "why" of an access mode in {@link Signal}. */
public final class SignalStress {

    private SignalStress() {}

    /** Who takes the flag sees what was written before it was raised. Fails when raising is opaque (on AArch64). */
    @JCStressTest
    @Outcome(
            id = {"0, 0", "0, 1", "1, 1"},
            expect = Expect.ACCEPTABLE,
            desc = "raised means written")
    @State
    public static class RaisedMeansWritten {
        private final Signal signal = new Signal(Clock.SYSTEM);
        private int work;

        @Actor
        public void producer() {
            work = 1;
            signal.raise();
        }

        @Actor
        public void consumer(II_Result r) {
            r.r1 = signal.take() ? 1 : 0;
            r.r2 = work;
        }
    }

    /**
     * Raising a flag that is up: either the consumer sees the new work when it takes the flag, or the flag is up again.
     * Fails on x86 without the full fence in {@code raise}, when the work is written plainly.
     */
    @JCStressTest
    @Outcome(
            id = {"1, 0", "0, 1", "1, 1"},
            expect = Expect.ACCEPTABLE,
            desc = "no work is left without a flag")
    @State
    public static class RaisedAlready {
        private final Signal signal = new Signal(Clock.SYSTEM);
        private int work;

        public RaisedAlready() {
            signal.raise();
        }

        @Actor
        public void producer() {
            work = 1;
            signal.raise();
        }

        @Actor
        public void consumer(II_Result r) {
            signal.take();
            r.r1 = work;
        }

        @Arbiter
        public void after(II_Result r) {
            r.r2 = signal.take() ? 1 : 0;
        }
    }

    /**
     * Dekker of raise and await: a waiter is woken. Fails on x86 too when raising is a release, or the waiter announces
     * itself with one: it then sleeps until its deadline.
     */
    @JCStressTest
    @Outcome(id = "1", expect = Expect.ACCEPTABLE, desc = "woken")
    @State
    public static class Woken {
        private static final long DEADLINE_NANOS = 20_000_000_000L;
        private final Signal signal = new Signal(Clock.SYSTEM);

        @Actor
        public void producer() {
            signal.raise();
        }

        @Actor
        public void waiter(I_Result r) {
            r.r1 = signal.await(Clock.SYSTEM.nanoTime() + DEADLINE_NANOS) ? 1 : 0;
        }
    }
}
