package ramback.writeback;

import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.I_Result;
import ramback.clock.Clock;
import ramback.clock.Signal;
import ramback.image.Epochs;

/** One test for each "why" of an access mode in {@link Standing}. */
public final class StandingStress {

    private StandingStress() {}

    /**
     * Dekker of the journal that commits an epoch and the applier that retires the one before: one of them notes that the
     * image lacks something. Fails when either of them looks before it has moved its own number (everywhere), or when the
     * fields are not volatile.
     */
    @JCStressTest
    @Outcome(id = "1", expect = Expect.ACCEPTABLE, desc = "what was committed meanwhile is to be applied")
    @State
    public static class CommittedWhileRetiring {
        private final Standing standing = new Standing(
                Clock.SYSTEM, new Epochs(1, Clock.SYSTEM, () -> {}, 5), new Signal(Clock.SYSTEM), () -> {});

        public CommittedWhileRetiring() {
            standing.commit(5, 1);
        }

        @Actor
        public void journal() {
            standing.commit(6, 2);
        }

        @Actor
        public void applier() {
            standing.retire(5, 3);
        }

        @Arbiter
        public void after(I_Result r) {
            r.r1 = standing.unappliedSinceNanos == 0 ? 0 : 1;
        }
    }
}
