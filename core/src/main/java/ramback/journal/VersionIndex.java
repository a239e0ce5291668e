package ramback.journal;

import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * The extents of a log in its order, 24 bytes each: which chunks, and where their bytes are. The heap is small: most of a large
 * index is outside it.
 *
 * <pre>
 *    0  8  first chunk
 *    8  8  position of the bytes in the ring; -1: zeroes
 *   16  4  how many chunks, less one
 *   20  4  CRC-32C of the bytes
 * </pre>
 */
final class VersionIndex {
    static final int ENTRY_BYTES = 24;

    private static final int SLAB_ENTRY_COUNT = 1 << 10;

    /** So many slabs are on the heap, 12 MiB at most. */
    private static final int HEAP_SLAB_COUNT = 512;

    private static final long ZEROES = -1;

    /** Freed with the index: a scan is no resource that anybody closes. */
    private final Arena arena = Arena.ofAuto();

    private final List<MemorySegment> slabs = new ArrayList<>();
    private int count;

    /** How many extents there are. */
    int count() {
        return count;
    }

    /** Forgets all extents from one on. */
    void truncate(int toCount) {
        count = toCount;
    }

    /** Adds an extent of data. */
    void addData(long firstChunk, long chunkCount, long position, int checksum) {
        add(firstChunk, chunkCount, position, checksum);
    }

    /** Adds an extent of zeroes. */
    void addZeroes(long firstChunk, long chunkCount) {
        add(firstChunk, chunkCount, ZEROES, 0);
    }

    private void add(long firstChunk, long chunkCount, long position, int checksum) {
        int slabIndex = count / SLAB_ENTRY_COUNT;
        if (slabIndex == slabs.size()) {
            slabs.add(
                    slabIndex < HEAP_SLAB_COUNT
                            ? MemorySegment.ofArray(new long[SLAB_ENTRY_COUNT * ENTRY_BYTES / Long.BYTES])
                            : arena.allocate((long) SLAB_ENTRY_COUNT * ENTRY_BYTES, Long.BYTES));
        }
        MemorySegment slab = slabs.get(slabIndex);
        long at = (long) (count % SLAB_ENTRY_COUNT) * ENTRY_BYTES;
        slab.set(JAVA_LONG_UNALIGNED, at, firstChunk);
        slab.set(JAVA_LONG_UNALIGNED, at + 8, position);
        // At most 2^32 chunks: less one they fit.
        slab.set(JAVA_INT_UNALIGNED, at + 16, (int) (chunkCount - 1));
        slab.set(JAVA_INT_UNALIGNED, at + 20, checksum);
        count++;
    }

    long firstChunk(int extent) {
        return slab(extent).get(JAVA_LONG_UNALIGNED, at(extent));
    }

    long chunkCount(int extent) {
        return Integer.toUnsignedLong(slab(extent).get(JAVA_INT_UNALIGNED, at(extent) + 16)) + 1;
    }

    boolean isZero(int extent) {
        return position(extent) == ZEROES;
    }

    long position(int extent) {
        return slab(extent).get(JAVA_LONG_UNALIGNED, at(extent) + 8);
    }

    int checksum(int extent) {
        return slab(extent).get(JAVA_INT_UNALIGNED, at(extent) + 20);
    }

    private MemorySegment slab(int extent) {
        return slabs.get(extent / SLAB_ENTRY_COUNT);
    }

    private static long at(int extent) {
        return (long) (extent % SLAB_ENTRY_COUNT) * ENTRY_BYTES;
    }
}
