package ramback.image;

import java.util.concurrent.atomic.AtomicInteger;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.II_Result;
import org.openjdk.jcstress.infra.results.I_Result;
import ramback.clock.Backoff;
import ramback.clock.Clock;

/** One test for each "why" of an access mode in {@link Epochs}. */
public final class EpochsStress {

    private EpochsStress() {}

    /**
     * Dekker of enter and open against cut and grace: a store of the sealed epoch is over, and seen, when the grace is.
     * Fails on x86 too when {@code enter} is a release, or {@code open} or {@code cut} are not volatile.
     */
    @JCStressTest
    @Outcome(id = "0, 1", expect = Expect.ACCEPTABLE, desc = "stored into the sealed epoch, and the sealer saw it")
    @Outcome(id = "1, 0", expect = Expect.ACCEPTABLE, desc = "stored into the next epoch")
    @State
    public static class Grace {
        private final Epochs epochs = new Epochs(1, Clock.SYSTEM, () -> {});
        private int sealed;

        @Actor
        public void writer(II_Result r) {
            epochs.enter(0);
            int epoch = (int) epochs.open();
            if (epoch == 0) {
                sealed = 1;
            }
            epochs.leave(0);
            r.r1 = epoch;
        }

        @Actor
        public void sealer(II_Result r) {
            epochs.cut();
            epochs.awaitGrace(new Backoff());
            r.r2 = sealed;
        }
    }

    /**
     * The sealer finds by the summary what was marked in the sealed epoch. Fails as {@link Grace} does, and when
     * {@code leave} is opaque (on AArch64).
     */
    @JCStressTest
    @Outcome(id = "0, 0", expect = Expect.ACCEPTABLE, desc = "marked in the sealed epoch, and found")
    @Outcome(id = "1, -1", expect = Expect.ACCEPTABLE, desc = "marked in the next epoch")
    @State
    public static class GraceOfTheSummary {
        private final Epochs epochs = new Epochs(1, Clock.SYSTEM, () -> {});
        private final ChunkTable table = StressTable.create();

        @Actor
        public void writer(II_Result r) {
            epochs.enter(0);
            int epoch = (int) epochs.open();
            table.markDirty(epoch & 1, 0, 1);
            epochs.leave(0);
            r.r1 = epoch;
        }

        @Actor
        public void sealer(II_Result r) {
            epochs.cut();
            epochs.awaitGrace(new Backoff());
            r.r2 = (int) table.nextDirtyWord(0, 0);
        }
    }

    /** An epoch's first change is noted once. Fails when it is a get and a set instead of an exchange (everywhere). */
    @JCStressTest
    @Outcome(id = "1", expect = Expect.ACCEPTABLE, desc = "the sealer is told once")
    @State
    public static class FirstDirty {
        private final AtomicInteger calls = new AtomicInteger();
        private final Epochs epochs = new Epochs(2, Clock.SYSTEM, calls::incrementAndGet);

        @Actor
        public void one() {
            epochs.noteDirty(0);
        }

        @Actor
        public void two() {
            epochs.noteDirty(0);
        }

        @Arbiter
        public void after(I_Result r) {
            r.r1 = calls.get();
        }
    }

    /**
     * A write that was acknowledged before is in the epoch that a flush looks at: the flush sees its note, or a later
     * epoch. Fails when {@code noteDirty} comes after the acknowledgement (everywhere).
     */
    @JCStressTest
    @Outcome(
            id = {"0, 0", "0, 1", "1, 1"},
            expect = Expect.ACCEPTABLE,
            desc = "what was acknowledged is noted")
    @State
    public static class NotedBeforeAcknowledged {
        private final Epochs epochs = new Epochs(1, Clock.SYSTEM, () -> {});
        private volatile int acknowledged;

        @Actor
        public void writer() {
            epochs.enter(0);
            epochs.noteDirty(epochs.open());
            epochs.leave(0);
            acknowledged = 1;
        }

        @Actor
        public void flush(II_Result r) {
            r.r1 = acknowledged;
            r.r2 = epochs.firstDirtyNanos(0) == 0 ? 0 : 1;
        }
    }
}
