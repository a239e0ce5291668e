package ramback.image;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/**
 * How many chunks are dirty (changed, and not yet durable in the image), and how many of them hold data: only those
 * count against the limit, zeroes cost write-behind next to nothing. A writer reserves before it stores and gives back
 * what it did not need, so the limit is never exceeded; in between the count may be too high, never too low.
 */
public final class DirtyCount {

    private static final VarHandle DATA;
    private static final VarHandle ALL;

    static {
        try {
            MethodHandles.Lookup lookup = MethodHandles.lookup();
            DATA = lookup.findVarHandle(DirtyCount.class, "data", long.class);
            ALL = lookup.findVarHandle(DirtyCount.class, "all", long.class);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    private volatile long data;
    private volatile long all;

    /** Dirty chunks that hold data, with those reserved. */
    public long dataChunkCount() {
        return data;
    }

    /** Dirty chunks, data or zeroes. 0 means: everything acknowledged so far is durable in the image. */
    public long chunkCount() {
        return all;
    }

    void addData(long chunkCount) {
        if (chunkCount != 0) {
            DATA.getAndAdd(this, chunkCount);
        }
    }

    void addAll(long chunkCount) {
        if (chunkCount != 0) {
            ALL.getAndAdd(this, chunkCount);
        }
    }

    /**
     * Reserves room for data chunks if that stays within a limit.
     *
     * @return the count before, or -1 if there was no room
     */
    public long reserve(long chunkCount, long chunkCountMax) {
        long before = (long) DATA.getAndAdd(this, chunkCount);
        if (before + chunkCount > chunkCountMax) {
            DATA.getAndAdd(this, -chunkCount);
            return -1;
        }
        return before;
    }
}
