package ramback.image;

import java.lang.invoke.VarHandle;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.II_Result;
import org.openjdk.jcstress.infra.results.I_Result;
import org.openjdk.jcstress.infra.results.JJ_Result;
import org.openjdk.jcstress.infra.results.J_Result;
import ramback.clock.Backoff;

/**
 * One test for each "why" of an access mode in {@link ChunkTable}. Each says which weaker form makes it fail, and where:
 * x86 reorders only a store with a later load and keeps read-modify-writes whole, so some of them need another machine
 * (or the compiler's help) to be seen.
 */
public final class ChunkTableStress {

    private ChunkTableStress() {}

    /**
     * Lock hand-over: what the last holder wrote is seen by the next one. Fails when {@code tryLock} reads and then sets
     * instead of exchanging (everywhere), or when lock and unlock are opaque (on AArch64).
     */
    @JCStressTest
    @Outcome(id = "2", expect = Expect.ACCEPTABLE, desc = "both increments, one after the other")
    @State
    public static class LockHandOver {
        private final ChunkTable table = StressTable.create();
        private int plain;

        private void increment() {
            table.lock(0, 0b11, new Backoff());
            plain++;
            table.unlock(0, 0b11);
        }

        @Actor
        public void one() {
            increment();
        }

        @Actor
        public void two() {
            increment();
        }

        @Arbiter
        public void after(I_Result r) {
            r.r1 = plain;
        }
    }

    /** Chunks of one word have locks of their own. Fails when unlock writes the word back as it was read (everywhere). */
    @JCStressTest
    @Outcome(id = "0", expect = Expect.ACCEPTABLE, desc = "both are unlocked in the end")
    @State
    public static class NeighboursLocks {
        private final ChunkTable table = StressTable.create();

        @Actor
        public void one() {
            table.lock(0, 0b01, new Backoff());
            table.unlock(0, 0b01);
        }

        @Actor
        public void two() {
            table.lock(0, 0b10, new Backoff());
            table.unlock(0, 0b10);
        }

        @Arbiter
        public void after(J_Result r) {
            r.r1 = 0b11 & ~table.tryLockSome(0, 0b11);
        }
    }

    /** Nobody gets what another one got. Fails when {@code tryLockSome} reads and then sets (everywhere). */
    @JCStressTest
    @Outcome(
            id = {"3, 4", "2, 5", "1, 6"},
            expect = Expect.ACCEPTABLE,
            desc = "each chunk has one holder")
    @State
    public static class LockSome {
        private final ChunkTable table = StressTable.create();

        @Actor
        public void one(JJ_Result r) {
            r.r1 = table.tryLockSome(0, 0b011);
        }

        @Actor
        public void two(JJ_Result r) {
            r.r2 = table.tryLockSome(0, 0b110);
        }
    }

    /**
     * Acquire and release of plane V: whoever sees the bit sees the bytes. Fails when {@code publishLoaded} comes before
     * the bytes (everywhere), or with an opaque {@code publishLoaded} (on AArch64; by the compiler elsewhere).
     */
    @JCStressTest
    @Outcome(
            id = {"0, 0", "0, 1", "1, 1"},
            expect = Expect.ACCEPTABLE,
            desc = "loaded is loaded")
    @State
    public static class PublishLoaded {
        private final ChunkTable table = StressTable.create();
        private int bytes;

        @Actor
        public void loader() {
            bytes = 1;
            table.publishLoaded(0, 1);
        }

        @Actor
        public void reader(II_Result r) {
            r.r1 = (int) table.loaded(0) & 1;
            r.r2 = bytes;
        }
    }

    /**
     * Acquire and release of plane Z: whoever sees the mark gone sees the bytes written instead. Fails when
     * {@code publishData} comes before the bytes (everywhere), or is opaque (on AArch64).
     */
    @JCStressTest
    @Outcome(
            id = {"1, 0", "1, 1", "0, 1"},
            expect = Expect.ACCEPTABLE,
            desc = "zeroes, or the new bytes")
    @State
    public static class PublishData {
        private final ChunkTable table = StressTable.create();
        private int bytes;

        public PublishData() {
            table.markZero(0, 1);
            table.publishLoaded(0, 1);
        }

        @Actor
        public void writer() {
            bytes = 1;
            table.publishData(0, 1);
        }

        @Actor
        public void reader(II_Result r) {
            r.r1 = (int) table.zero(0) & 1;
            r.r2 = bytes;
        }
    }

    /**
     * Zeroes are marked before they are published as loaded. Fails when the two are swapped (everywhere): a reader then
     * takes whatever the memory holds for data.
     */
    @JCStressTest
    @Outcome(
            id = {"0, 0", "0, 1", "1, 1"},
            expect = Expect.ACCEPTABLE,
            desc = "a loaded hole reads as zeroes")
    @State
    public static class MarkZeroThenLoaded {
        private final ChunkTable table = StressTable.create();

        @Actor
        public void loader() {
            table.markZero(0, 1);
            table.publishLoaded(0, 1);
        }

        @Actor
        public void reader(II_Result r) {
            r.r1 = (int) table.loaded(0) & 1;
            r.r2 = (int) table.zero(0) & 1;
        }
    }

    /**
     * Dirty before bytes: whoever sees a changed byte, a new process after kill -9 too, sees the dirty mark. Fails when
     * the mark comes after the bytes (everywhere), or is opaque and without its fence (on AArch64).
     */
    @JCStressTest
    @Outcome(
            id = {"0, 0", "0, 1", "1, 1"},
            expect = Expect.ACCEPTABLE,
            desc = "no unmarked change")
    @State
    public static class DirtyBeforeBytes {
        private final ChunkTable table = StressTable.create();
        private int bytes;

        @Actor
        public void writer() {
            table.markDirty(0, 0, 1);
            VarHandle.storeStoreFence();
            bytes = 1;
        }

        @Actor
        public void observer(II_Result r) {
            r.r1 = bytes;
            VarHandle.loadLoadFence();
            r.r2 = (int) table.dirty(0, 0) & 1;
        }
    }

    /** Neighbours mark themselves in one word. Fails when the mark is a get and a set (everywhere). */
    @JCStressTest
    @Outcome(id = "3", expect = Expect.ACCEPTABLE, desc = "both are marked")
    @State
    public static class NeighboursMarks {
        private final ChunkTable table = StressTable.create();

        @Actor
        public void one() {
            table.markDirty(0, 0, 0b01);
        }

        @Actor
        public void two() {
            table.markDirty(0, 0, 0b10);
        }

        @Arbiter
        public void after(J_Result r) {
            r.r1 = table.dirty(0, 0);
        }
    }

    /**
     * Captured: never neither stale nor dirty, for whoever looks at D and then at H without the lock. Fails when the dirty
     * mark goes first (everywhere), or when {@code dirty} is read opaque (on AArch64).
     */
    @JCStressTest
    @Outcome(
            id = {"1, 0", "1, 1", "0, 1"},
            expect = Expect.ACCEPTABLE,
            desc = "somebody owes it to the image")
    @State
    public static class Captured {
        private final ChunkTable table = StressTable.create();

        public Captured() {
            table.markDirty(0, 0, 1);
        }

        @Actor
        public void capture() {
            table.markStale(0, 1);
            table.clearDirty(0, 0, 1);
        }

        @Actor
        public void observer(II_Result r) {
            r.r1 = (int) table.dirty(0, 0) & 1;
            r.r2 = (int) table.stale(0) & 1;
        }
    }

    /**
     * The summary is up before a capture takes the dirty mark off: the applier, who searches by the summary after the
     * sealer found nothing dirty left, misses no stale chunk. Fails when the summary is raised after {@code clearDirty}.
     */
    @JCStressTest
    @Outcome(
            id = {"1, -1", "1, 0", "0, 0"},
            expect = Expect.ACCEPTABLE,
            desc = "what is captured is found")
    @State
    public static class SummaryOfCaptured {
        private final ChunkTable table = StressTable.create();

        public SummaryOfCaptured() {
            table.markDirty(0, 0, 1);
        }

        @Actor
        public void capture() {
            table.markStale(0, 1);
            table.clearDirty(0, 0, 1);
        }

        @Actor
        public void sealerThenApplier(II_Result r) {
            r.r1 = (int) table.dirty(0, 0) & 1;
            r.r2 = (int) table.nextStaleWord(0);
        }
    }

    /** Two words of one summary are raised by two writers. Fails when raising is a get and a set (everywhere). */
    @JCStressTest
    @Outcome(id = "0, 1", expect = Expect.ACCEPTABLE, desc = "both words are found")
    @State
    public static class SummaryRaisedByTwo {
        private final ChunkTable table = StressTable.create();

        @Actor
        public void one() {
            table.markDirty(0, 0, 1);
        }

        @Actor
        public void two() {
            table.markDirty(0, 1, 1);
        }

        @Arbiter
        public void after(II_Result r) {
            r.r1 = (int) table.nextDirtyWord(0, 0);
            r.r2 = (int) table.nextDirtyWord(0, 1);
        }
    }

    /** One word's summary is lowered while its neighbour's is raised. Fails when lowering is a get and a set (everywhere). */
    @JCStressTest
    @Outcome(id = "1, -1", expect = Expect.ACCEPTABLE, desc = "the raised one stays, the lowered one is gone")
    @State
    public static class SummaryLoweredBesideRaised {
        private final ChunkTable table = StressTable.create();

        public SummaryLoweredBesideRaised() {
            table.markDirty(0, 0, 1);
            table.clearDirty(0, 0, 1);
        }

        @Actor
        public void sealer() {
            table.lowerDirtySummary(0, 0);
        }

        @Actor
        public void writer() {
            table.markDirty(0, 1, 1);
        }

        @Arbiter
        public void after(II_Result r) {
            r.r1 = (int) table.nextDirtyWord(0, 0);
            r.r2 = (int) table.nextDirtyWord(0, 2);
        }
    }

    /**
     * A copy without the lock: whoever copied a changed byte sees the mark that came before the change. Fails when the mark is
     * looked at before the copy (everywhere), or without the fence between the two (on AArch64; by the compiler elsewhere).
     */
    @JCStressTest
    @Outcome(
            id = {"0, 0", "0, 1", "1, 1"},
            expect = Expect.ACCEPTABLE,
            desc = "a changed byte is marked")
    @State
    public static class CopyBeforeMarks {
        private final ChunkTable table = StressTable.create();
        private int bytes;

        @Actor
        public void writer() {
            table.markDirty(0, 0, 1);
            VarHandle.storeStoreFence();
            bytes = 1;
        }

        @Actor
        public void copier(II_Result r) {
            r.r1 = bytes;
            table.orderCopyBeforeMarks();
            r.r2 = (int) table.dirty(0, 0) & 1;
        }
    }

    /**
     * A dirty mark goes only when N is there, so that who looks at both, in this order and without the lock, sees one of them.
     * Fails when capture takes D first, or N is looked at first (everywhere), or when the marks are opaque (on AArch64).
     */
    @JCStressTest
    @Outcome(
            id = {"1, 0", "1, 1", "0, 1"},
            expect = Expect.ACCEPTABLE,
            desc = "a changed chunk is dirty or newer")
    @State
    public static class DirtyThenNewer {
        private final ChunkTable table = StressTable.create();

        public DirtyThenNewer() {
            table.markDirty(0, 0, 1);
        }

        @Actor
        public void capture() {
            table.markNewer(0, 1);
            table.clearDirty(0, 0, 1);
        }

        @Actor
        public void copier(II_Result r) {
            r.r1 = (int) table.dirty(0, 0) & 1;
            r.r2 = (int) table.newer(0) & 1;
        }
    }
}
