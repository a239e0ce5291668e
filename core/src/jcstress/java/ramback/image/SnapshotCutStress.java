package ramback.image;

import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.II_Result;
import ramback.clock.Backoff;
import ramback.clock.Clock;

/** One test for each "why" of an access mode in {@link SnapshotCut}. */
public final class SnapshotCutStress {

    private SnapshotCutStress() {}

    private static final class Asked implements SnapshotHook {
        private int count;

        @Override
        public boolean preserve(long word, long mask) {
            count++;
            return true;
        }

        @Override
        public void awaitRoom() {
            throw new AssertionError("there is room");
        }
    }

    /**
     * Dekker of the look at the hook against its setting and the grace: a store that did not ask is over, and seen, when the
     * snapshot has begun. Fails on x86 too when {@code enter} is a release or the hook is set with one.
     */
    @JCStressTest
    @Outcome(id = "0, 1", expect = Expect.ACCEPTABLE, desc = "stored without asking, and the snapshot shows it")
    @Outcome(id = "1, 0", expect = Expect.ACCEPTABLE, desc = "asked first")
    @State
    public static class Grace {
        private final Epochs epochs = new Epochs(1, Clock.SYSTEM, () -> {});
        private final SnapshotCut cut = new SnapshotCut(epochs);
        private final Asked hook = new Asked();
        private int stored;

        @Actor
        public void writer(II_Result r) {
            epochs.enter(0);
            cut.mayStore(0, 1, 0, 0);
            r.r1 = hook.count;
            if (r.r1 == 0) {
                stored = 1;
            }
            epochs.leave(0);
        }

        @Actor
        public void snapshot(II_Result r) {
            cut.begin(hook, new Backoff());
            r.r2 = stored;
        }
    }

    /** When a snapshot has ended nobody is in its hook: what the hook uses may be given back. Fails as {@link Grace}. */
    @JCStressTest
    @Outcome(id = "1, 1", expect = Expect.ACCEPTABLE, desc = "asked before the end, and seen")
    @Outcome(id = "0, 0", expect = Expect.ACCEPTABLE, desc = "not asked")
    @State
    public static class End {
        private final Epochs epochs = new Epochs(1, Clock.SYSTEM, () -> {});
        private final SnapshotCut cut = new SnapshotCut(epochs);
        private final Asked hook = new Asked();

        public End() {
            cut.begin(hook, new Backoff());
        }

        @Actor
        public void writer(II_Result r) {
            epochs.enter(0);
            cut.mayStore(0, 1, 0, 0);
            r.r1 = hook.count;
            epochs.leave(0);
        }

        @Actor
        public void snapshot(II_Result r) {
            cut.end(hook, new Backoff());
            r.r2 = hook.count;
        }
    }
}
