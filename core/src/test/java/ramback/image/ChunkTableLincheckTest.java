package ramback.image;

import org.jetbrains.lincheck.datastructures.IntGen;
import org.jetbrains.lincheck.datastructures.Operation;
import org.jetbrains.lincheck.datastructures.Param;
import org.jetbrains.lincheck.datastructures.StressOptions;
import org.junit.jupiter.api.Test;

/**
 * Lincheck: whatever threads do with the chunk table together, some order of the same calls, one after the other, gives
 * the same answers.
 *
 * <p>Stress mode. Model checking would have to see each access of a word as a switch point; the accesses are those of a
 * var handle of memory segments, inside classes of the JDK that Lincheck does not instrument, so it would explore nothing.
 * The weak orders of memory are jcstress's business.
 */
class ChunkTableLincheckTest {

    /** Locks of one word, several chunks at once. */
    @Param(name = "mask", gen = IntGen.class, conf = "1:7")
    public static class Locks {
        private final ChunkTable table = HeapTable.ofChunks(64);

        @Operation
        public boolean tryLock(@Param(name = "mask") int mask) {
            return table.tryLock(0, mask);
        }

        @Operation
        public long tryLockSome(@Param(name = "mask") int mask) {
            return table.tryLockSome(0, mask);
        }

        /** Unlocking what is not held does nothing to a table; a caller never does it. */
        @Operation
        public void unlock(@Param(name = "mask") int mask) {
            table.unlock(0, mask);
        }
    }

    /**
     * The way of a chunk from clean to dirty to captured to clean, each step under its lock as the protocol has it: a
     * step that the state does not allow is refused, and a chunk is never neither dirty nor stale in between.
     */
    @Param(name = "chunk", gen = IntGen.class, conf = "0:1")
    public static class States {
        private final ChunkTable table = HeapTable.ofChunks(64);

        private void lock(long bit) {
            while (!table.tryLock(0, bit)) {
                Thread.onSpinWait();
            }
        }

        @Operation
        public boolean markDirty(@Param(name = "chunk") int chunk) {
            long bit = 1L << chunk;
            lock(bit);
            boolean isNew = table.markDirty(0, 0, bit) != 0;
            table.unlock(0, bit);
            return isNew;
        }

        @Operation
        public boolean capture(@Param(name = "chunk") int chunk) {
            long bit = 1L << chunk;
            lock(bit);
            boolean isDirty = (table.dirty(0, 0) & bit) != 0;
            if (isDirty) {
                table.markStale(0, bit);
                table.clearDirty(0, 0, bit);
            }
            table.unlock(0, bit);
            return isDirty;
        }

        @Operation
        public boolean clean(@Param(name = "chunk") int chunk) {
            long bit = 1L << chunk;
            lock(bit);
            boolean isStale = (table.stale(0) & bit) != 0;
            table.clearStale(0, bit);
            table.unlock(0, bit);
            return isStale;
        }

        @Operation
        public long state(@Param(name = "chunk") int chunk) {
            long bit = 1L << chunk;
            lock(bit);
            long state = (table.dirty(0, 0) & bit) << 8 | (table.stale(0) & bit);
            table.unlock(0, bit);
            return state;
        }
    }

    /** Marks of several words, each under its lock, and the summary above them, which is read without. */
    @Param(name = "word", gen = IntGen.class, conf = "0:2")
    public static class Marks {
        private final ChunkTable table = HeapTable.ofChunks(3 * 64);

        @Operation
        public boolean mark(@Param(name = "word") int word) {
            while (!table.tryLock(word, 1)) {
                Thread.onSpinWait();
            }
            boolean isNew = table.markDirty(1, word, 1) != 0;
            table.unlock(word, 1);
            return isNew;
        }

        @Operation
        public long next(@Param(name = "word") int word) {
            return table.nextDirtyWord(1, word);
        }
    }

    private static StressOptions options() {
        return new StressOptions()
                .threads(2)
                .actorsPerThread(4)
                .actorsBefore(2)
                .actorsAfter(2)
                .iterations(5)
                .invocationsPerIteration(300);
    }

    @Test
    void locksAreLinearizable() {
        options().check(Locks.class);
    }

    @Test
    void statesAreLinearizable() {
        options().check(States.class);
    }

    @Test
    void marksAndTheirSummaryAreLinearizable() {
        options().check(Marks.class);
    }
}
