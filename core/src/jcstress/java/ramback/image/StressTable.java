package ramback.image;

import java.lang.foreign.MemorySegment;
import ramback.memory.SegmentLayout;

/** A small chunk table on the heap, one a state; each plane and summary on cache lines of its own. */
final class StressTable {
    private static final int LINE_LONGS = 16;
    private static final int CHUNK_COUNT = 128;
    private static final SegmentLayout LAYOUT =
            new SegmentLayout((long) CHUNK_COUNT * SegmentLayout.CHUNK_BYTES_MIN, SegmentLayout.CHUNK_BYTES_MIN, 1);

    private StressTable() {}

    /** A table of two words, all clear. */
    static ChunkTable create() {
        MemorySegment all =
                MemorySegment.ofArray(new long[LINE_LONGS * (SegmentLayout.PLANE_COUNT + SegmentLayout.SUMMARY_COUNT)]);
        long lineBytes = LINE_LONGS * 8L;
        return new ChunkTable(
                LAYOUT,
                plane -> all.asSlice(plane * lineBytes, lineBytes),
                summary -> all.asSlice((SegmentLayout.PLANE_COUNT + summary) * lineBytes, lineBytes),
                RegionCounts.REGION_COUNT_MAX);
    }
}
