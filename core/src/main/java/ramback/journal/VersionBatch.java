package ramback.journal;

import java.lang.foreign.MemorySegment;

/**
 * Versions of chunks on their way to a log: extents of neighbours, each data or zeroes, and the bytes of the data, one chunk
 * behind the other. Filled and emptied again and again; used by one thread.
 */
public final class VersionBatch {

    /** The greatest number of extents: what one descriptor block of the local journal holds. */
    public static final int EXTENT_COUNT_MAX = 160;

    private final long[] firstChunks = new long[EXTENT_COUNT_MAX];
    private final long[] chunkCounts = new long[EXTENT_COUNT_MAX];
    private final boolean[] zeroes = new boolean[EXTENT_COUNT_MAX];
    private int extentCount;
    private MemorySegment payload = MemorySegment.NULL;

    /** An empty batch. */
    public VersionBatch() {}

    /** Empties it. */
    public void clear() {
        extentCount = 0;
        payload = MemorySegment.NULL;
    }

    /**
     * Adds chunks; they join the extent added last if they follow it and are of its kind.
     *
     * @return false when there is no room for another extent; nothing was added then
     */
    public boolean add(long firstChunk, long chunkCount, boolean isZero) {
        int last = extentCount - 1;
        if (last >= 0 && zeroes[last] == isZero && firstChunks[last] + chunkCounts[last] == firstChunk) {
            chunkCounts[last] += chunkCount;
            return true;
        }
        if (extentCount == EXTENT_COUNT_MAX) {
            return false;
        }
        firstChunks[extentCount] = firstChunk;
        chunkCounts[extentCount] = chunkCount;
        zeroes[extentCount] = isZero;
        extentCount++;
        return true;
    }

    /** Gives it the bytes of its data extents: whole chunks, in the order of the extents. */
    public void payload(MemorySegment bytes) {
        payload = bytes;
    }

    /** The bytes of the data extents, one behind the other. */
    public MemorySegment payload() {
        return payload;
    }

    /** How many extents there are. */
    public int extentCount() {
        return extentCount;
    }

    /** An extent's first chunk. */
    public long firstChunk(int extent) {
        return firstChunks[extent];
    }

    /** How many chunks an extent has, at least 1. */
    public long chunkCount(int extent) {
        return chunkCounts[extent];
    }

    /** Whether an extent's chunks read as zeroes and have no payload. */
    public boolean isZero(int extent) {
        return zeroes[extent];
    }
}
