package ramback.image;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/**
 * How much is dirty, against two horizons.
 *
 * <p><i>The image</i>: chunks that were changed and are not yet durable in the image, and how many of them hold data: without
 * a journal only those count against the limit, zeroes cost write-behind next to nothing. <i>The log</i>: what was changed
 * since the last committed epoch, by the parity of the epoch, as the journal will have to take it: chunks of data, and runs of
 * zeroes. At most two epochs are not committed, the open one and one before, so a parity is never shared.
 *
 * <p>A writer reserves before it stores and gives back what it did not need, so a limit is never exceeded; in between a
 * count may be too high, never too low. Safe for use by many threads.
 */
public final class DirtyCount {

    private static final VarHandle DATA;
    private static final VarHandle ALL;
    private static final VarHandle LOG_DATA;
    private static final VarHandle CELLS = MethodHandles.arrayElementVarHandle(long[].class);

    /** Cells of an epoch's parity: chunks of data, all chunks, runs of zeroes; parities two cache lines apart. */
    private static final int CELL_DATA = 0;

    private static final int CELL_ALL = 1;
    private static final int CELL_ZERO_RUNS = 2;
    private static final int PARITY_STRIDE = 16;

    static {
        try {
            MethodHandles.Lookup lookup = MethodHandles.lookup();
            DATA = lookup.findVarHandle(DirtyCount.class, "data", long.class);
            ALL = lookup.findVarHandle(DirtyCount.class, "all", long.class);
            LOG_DATA = lookup.findVarHandle(DirtyCount.class, "logData", long.class);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    private volatile long data;
    private volatile long all;
    private volatile long logData;
    private final long[] cells = new long[3 * PARITY_STRIDE];

    // ------------------------------------------------------------------------------------------------------ image

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

    // -------------------------------------------------------------------------------------------------------- log

    /** Chunks of data that the journal has still to take, with those reserved; a chunk may count once an epoch. */
    public long logDataChunkCount() {
        return logData;
    }

    /** Chunks, data or zeroes, that the journal has still to take; what a loss of power would cost. */
    public long logChunkCount() {
        return cell(0, CELL_ALL) + cell(1, CELL_ALL);
    }

    /** Runs of zeroes that the journal has still to take, at most. */
    public long logZeroRunCount() {
        return cell(0, CELL_ZERO_RUNS) + cell(1, CELL_ZERO_RUNS);
    }

    private long cell(int parity, int which) {
        return (long) CELLS.getVolatile(cells, (parity + 1) * PARITY_STRIDE + which);
    }

    private void addCell(int parity, int which, long count) {
        if (count != 0) {
            CELLS.getAndAdd(cells, (parity + 1) * PARITY_STRIDE + which, count);
        }
    }

    private void addLogData(long chunkCount) {
        if (chunkCount != 0) {
            LOG_DATA.getAndAdd(this, chunkCount);
        }
    }

    /**
     * Counts a store of data into chunks for which room was reserved; under their locks.
     *
     * @param counted chunks among them that the image's count of data had already
     * @param logged chunks among them that were dirty, with data, in the same epoch
     * @param newlyAll chunks that were not dirty at all
     * @param newlyInEpoch chunks that were not dirty in the same epoch
     */
    void noteStored(int parity, int chunkCount, int counted, int logged, int newlyAll, int newlyInEpoch) {
        addData(-counted);
        addLogData(-logged);
        addCell(parity, CELL_DATA, chunkCount - logged);
        addCell(parity, CELL_ALL, newlyInEpoch);
        addAll(newlyAll);
    }

    /** Counts chunks that became zeroes, for which nothing was reserved; as above. */
    void noteZeroed(int parity, int counted, int logged, int newlyAll, int newlyInEpoch, int zeroRuns) {
        addData(-counted);
        addLogData(-logged);
        addCell(parity, CELL_DATA, -logged);
        addCell(parity, CELL_ALL, newlyInEpoch);
        addCell(parity, CELL_ZERO_RUNS, zeroRuns);
        addAll(newlyAll);
    }

    /** Counts chunks that the image lacks and that now belong to an epoch as well: the log has to take them. */
    void noteCarried(int parity, int dataChunkCount, int zeroChunkCount) {
        addLogData(dataChunkCount);
        addCell(parity, CELL_DATA, dataChunkCount);
        addCell(parity, CELL_ALL, dataChunkCount + zeroChunkCount);
        addCell(parity, CELL_ZERO_RUNS, zeroChunkCount);
    }

    /** Counts chunks that a killed process left, and that now belong to the first epoch; nothing is reserved for them. */
    void noteTakenOver(int parity, long dataChunkCount, long zeroChunkCount, long zeroRuns) {
        addData(dataChunkCount);
        addAll(dataChunkCount + zeroChunkCount);
        addLogData(dataChunkCount);
        addCell(parity, CELL_DATA, dataChunkCount);
        addCell(parity, CELL_ALL, dataChunkCount + zeroChunkCount);
        addCell(parity, CELL_ZERO_RUNS, zeroRuns);
    }

    /**
     * Gives back what the sealed epoch of a parity has reserved of the log: it is committed, or no log takes it. After its
     * capture is complete and before its parity is used again.
     */
    public void settle(int parity) {
        int at = (parity + 1) * PARITY_STRIDE;
        addLogData(-(long) CELLS.getAndSet(cells, at + CELL_DATA, 0L));
        CELLS.setVolatile(cells, at + CELL_ALL, 0L);
        CELLS.setVolatile(cells, at + CELL_ZERO_RUNS, 0L);
    }

    // ---------------------------------------------------------------------------------------------------- reserve

    /**
     * Reserves room for data chunks if that stays within the limits.
     *
     * @param imageCountMax of chunks that the image lacks
     * @param logCountMax of chunks that the log has still to take
     * @return whether there was room
     */
    public boolean reserve(long chunkCount, long imageCountMax, long logCountMax) {
        long before = (long) DATA.getAndAdd(this, chunkCount);
        long logBefore = (long) LOG_DATA.getAndAdd(this, chunkCount);
        if (before + chunkCount > imageCountMax || logBefore + chunkCount > logCountMax) {
            cancel(chunkCount);
            return false;
        }
        return true;
    }

    /** Gives back what was reserved and is not going to be stored. */
    public void cancel(long chunkCount) {
        DATA.getAndAdd(this, -chunkCount);
        LOG_DATA.getAndAdd(this, -chunkCount);
    }
}
