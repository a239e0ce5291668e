package ramback.writeback;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.III_Result;
import org.openjdk.jcstress.infra.results.II_Result;
import ramback.journal.VersionBatch;

/** One test for each "why" of an access mode in {@link CaptureRing}. */
public final class CaptureRingStress {
    private static final int CHUNK_BYTES = 8;
    private static final MemorySegment ONES = content(1);
    private static final MemorySegment TWOS = content(2);

    private CaptureRingStress() {}

    private static MemorySegment content(long value) {
        return MemorySegment.ofArray(new long[] {value});
    }

    private static CaptureRing ring(int slotCount, int entryCount) {
        return new CaptureRing(CHUNK_BYTES, MemorySegment.ofArray(new long[slotCount]), entryCount, 0);
    }

    private static int firstLong(VersionBatch batch) {
        return (int) batch.payload().get(ValueLayout.JAVA_LONG_UNALIGNED, 0);
    }

    /** Whoever takes an entry sees it and its bytes. Fails when publishing is opaque (on AArch64). */
    @JCStressTest
    @Outcome(id = "0, 0, 0", expect = Expect.ACCEPTABLE, desc = "not there yet")
    @Outcome(id = "1, 7, 1", expect = Expect.ACCEPTABLE, desc = "wholly there")
    @State
    public static class TakenMeansWritten {
        private final CaptureRing ring = ring(1, 1);
        private final VersionBatch batch = new VersionBatch();

        @Actor
        public void writer() {
            ring.tryPut(7, ONES, 1, false);
        }

        @Actor
        public void journal(III_Result r) {
            r.r1 = ring.take(batch, CHUNK_BYTES);
            if (r.r1 == 1) {
                r.r2 = (int) batch.firstChunk(0);
                r.r3 = firstLong(batch);
            }
        }
    }

    /**
     * A slot is not used again before it is released, and then only by one writer. Fails when releasing, or the look at
     * what is released, is opaque (on AArch64), and when {@code release} comes before the bytes are read (everywhere).
     */
    @JCStressTest
    @Outcome(
            id = {"1, 0, 0", "1, 1, 0", "1, 0, 1"},
            expect = Expect.ACCEPTABLE,
            desc = "the old bytes, and one writer at most got the slot")
    @State
    public static class ReusedOnlyWhenReleased {
        private final CaptureRing ring = ring(1, 4);
        private final VersionBatch batch = new VersionBatch();

        public ReusedOnlyWhenReleased() {
            ring.tryPut(7, ONES, 1, false);
            ring.take(batch, CHUNK_BYTES);
        }

        @Actor
        public void journal(III_Result r) {
            r.r1 = firstLong(batch);
            ring.release();
        }

        @Actor
        public void one(III_Result r) {
            r.r2 = ring.tryPut(8, TWOS, 1, false) ? 1 : 0;
        }

        @Actor
        public void two(III_Result r) {
            r.r3 = ring.tryPut(9, TWOS, 1, false) ? 1 : 0;
        }
    }

    /**
     * One exchange claims entry and slot together: each entry's bytes are where their order says. Fails when they are
     * claimed one after the other (everywhere).
     */
    @JCStressTest
    @Outcome(
            id = {"11, 22", "22, 11"},
            expect = Expect.ACCEPTABLE,
            desc = "each chunk has its own bytes")
    @State
    public static class SlotsInTheOrderOfEntries {
        private final CaptureRing ring = ring(2, 2);
        private final VersionBatch batch = new VersionBatch();

        @Actor
        public void one() {
            ring.tryPut(1, ONES, 1, false);
        }

        @Actor
        public void two() {
            ring.tryPut(2, TWOS, 1, false);
        }

        @Arbiter
        public void after(II_Result r) {
            r.r1 = takeOne();
            r.r2 = takeOne();
        }

        private int takeOne() {
            ring.take(batch, CHUNK_BYTES);
            return (int) batch.firstChunk(0) * 10 + firstLong(batch);
        }
    }

    /**
     * Two puts and a release at the same time never claim more slots than there are. Fails on AArch64 when the exchange
     * or the read of the claimed position is opaque: who claims behind another then need not see what that one saw
     * released, and takes a ring that is more than full for an empty one.
     */
    @JCStressTest
    @Outcome(
            id = {"0, 0", "1, 0", "0, 1"},
            expect = Expect.ACCEPTABLE,
            desc = "never more than there are")
    @State
    public static class NeverMoreThanThereAre {
        private final CaptureRing ring = ring(2, 8);
        private final VersionBatch batch = new VersionBatch();

        public NeverMoreThanThereAre() {
            ring.tryPut(1, ONES, 1, false);
            ring.tryPut(2, ONES, 1, false);
            ring.take(batch, 2 * CHUNK_BYTES);
        }

        @Actor
        public void journal() {
            ring.release();
        }

        @Actor
        public void one(II_Result r) {
            r.r1 = putTwo();
        }

        @Actor
        public void two(II_Result r) {
            r.r2 = putTwo();
        }

        private int putTwo() {
            int count = (ring.tryPut(3, TWOS, 1, false) ? 1 : 0) + (ring.tryPut(4, TWOS, 1, false) ? 1 : 0);
            return count == 2 ? 1 : 0;
        }

        @Arbiter
        public void after(II_Result r) {
            if (ring.usedBytes() > ring.capacityBytes() || (r.r1 == 1 && r.r2 == 1)) {
                r.r1 = -1;
            }
        }
    }
}
