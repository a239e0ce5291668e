package ramback.journal;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Rows of one length, in a table that grows at its end and never moves: the first rows on the heap, so that a small table is nothing
 * that must be closed, all others outside it, where neither the heap's limit nor that of direct buffers counts. One thread at a
 * time.
 */
final class RowTable implements AutoCloseable {
    private static final int SLAB_ROW_COUNT = 1 << 12;
    private static final int HEAP_SLAB_COUNT = 4;

    private final int rowBytes;
    private final List<MemorySegment> slabs = new ArrayList<>();
    private @Nullable Arena arena;
    private int count;

    /** @param rowBytes a multiple of 8 */
    RowTable(int rowBytes) {
        this.rowBytes = rowBytes;
    }

    /** How many rows there are. */
    int count() {
        return count;
    }

    /** Forgets all rows from one on. */
    void truncate(int toCount) {
        count = toCount;
    }

    /** Adds a row, whose bytes may be anything; its number. */
    int add() {
        int row = count++;
        if (row / SLAB_ROW_COUNT == slabs.size()) {
            slabs.add(newSlab());
        }
        return row;
    }

    @SuppressWarnings("MustBeClosedChecker") // close() does
    private MemorySegment newSlab() {
        int slabBytes = SLAB_ROW_COUNT * rowBytes;
        if (slabs.size() < HEAP_SLAB_COUNT) {
            return MemorySegment.ofArray(new long[slabBytes / Long.BYTES]);
        }
        if (arena == null) {
            // Shared: who scans a journal need not be who closes it.
            arena = Arena.ofShared();
        }
        return arena.allocate(slabBytes, Long.BYTES);
    }

    /** Where a row lies, with others around it. */
    MemorySegment slab(int row) {
        return slabs.get(row / SLAB_ROW_COUNT);
    }

    /** Where in its {@link #slab} a row begins. */
    long at(int row) {
        return (long) (row % SLAB_ROW_COUNT) * rowBytes;
    }

    /** Gives the memory back; no row may be looked at any more. A second call does nothing. */
    @Override
    public void close() {
        slabs.clear();
        count = 0;
        if (arena != null) {
            arena.close();
            arena = null;
        }
    }
}
