package ramback.image;

import java.lang.foreign.MemorySegment;
import ramback.memory.SegmentLayout;

/** A chunk table on the heap, for tests that make many; each plane and summary on cache lines of its own. */
final class HeapTable {
    private static final int LINE_LONGS = 16;

    private HeapTable() {}

    static ChunkTable ofChunks(long chunkCount) {
        return ofChunks(chunkCount, RegionCounts.REGION_COUNT_MAX);
    }

    /** A table that counts by region, as many of them at most, if it has more words. */
    static ChunkTable ofChunks(long chunkCount, int regionCountMax) {
        SegmentLayout layout =
                new SegmentLayout(chunkCount * SegmentLayout.CHUNK_BYTES_MIN, SegmentLayout.CHUNK_BYTES_MIN, 1);
        int planeLongs = (int) (layout.wordCount() + LINE_LONGS - 1) / LINE_LONGS * LINE_LONGS;
        MemorySegment all =
                MemorySegment.ofArray(new long[planeLongs * (SegmentLayout.PLANE_COUNT + SegmentLayout.SUMMARY_COUNT)]);
        long planeBytes = planeLongs * 8L;
        return new ChunkTable(
                layout,
                plane -> all.asSlice(plane * planeBytes, planeBytes),
                summary -> all.asSlice((SegmentLayout.PLANE_COUNT + summary) * planeBytes, planeBytes),
                regionCountMax);
    }
}
