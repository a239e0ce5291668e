package ramback.writeback;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import ramback.backing.Backing;
import ramback.clock.Backoff;
import ramback.image.ChunkStore;
import ramback.memory.SegmentLayout;
import ramback.trace.Trace;
import ramback.trace.TraceEvent;

/**
 * One applier's writing: gathers the chunks it is given, in ascending order, into runs of neighbours, and writes each
 * run at once. Data is first copied into a bounce buffer, each chunk as it is at one moment, so that no lock is held while
 * the disk works and the image never gets half of a write. Used by one thread.
 */
final class Runs {

    /** The longest write to the image. */
    static final int WRITE_BYTES_MAX = 1 << 20;

    /** Two runs with no more than this of clean data between them are written as one, where time matters more than bytes. */
    static final int GAP_BYTES_MAX = 32 << 10;

    private final ChunkStore store;
    private final Backing backing;
    private final Trace trace;
    private final Faults faults;
    private final ApplyRound round;
    private final MemorySegment bounce;
    private final Backoff backoff = new Backoff();
    private final int shift;
    private final long sizeBytes;
    private int gapChunkCountMax;
    private final ChunkStore.RunCopy copied = new ChunkStore.RunCopy();
    private boolean ofRound;

    // The run of data in the bounce buffer, and the run of zeroes; both in bytes of the device, empty if begin == end.
    private long dataBegin;
    private long dataEnd;
    private long zeroBegin;
    private long zeroEnd;

    Runs(ChunkStore store, Backing backing, Trace trace, Faults faults, ApplyRound round, MemorySegment bounce) {
        this.store = store;
        this.backing = backing;
        this.trace = trace;
        this.faults = faults;
        this.round = round;
        this.bounce = bounce;
        this.shift = store.layout().chunkShift();
        this.sizeBytes = store.layout().sizeBytes();
    }

    /**
     * Says what the following words are taken for.
     *
     * @param besideCaptures whether they belong to a round beside captures: only what was captured before it is taken
     * @param isBridged whether short gaps are written as well, to be done earlier with more bytes
     */
    void begin(boolean besideCaptures, boolean isBridged) {
        ofRound = besideCaptures;
        gapChunkCountMax = isBridged ? GAP_BYTES_MAX >>> shift : 0;
    }

    /** Takes the chunks of one word, as many neighbours at once as may be locked together. */
    void add(long word, long mask) {
        long rest = bridged(mask, store.cleanData(word), gapChunkCountMax);
        while (rest != 0) {
            int from = Long.numberOfTrailingZeros(rest);
            int length = Long.numberOfTrailingZeros(~(rest >>> from));
            length = Math.min(length, store.copyRunChunkCountMax());
            addNeighbours((word << 6) + from, length);
            rest &= length == 64 ? 0 : ~(((1L << length) - 1) << from);
        }
    }

    /**
     * Adds to a mask the short gaps between its bits that may be written as well: rewriting a few clean chunks with what
     * the image has anyway costs less than another access to the disk.
     *
     * @param clean what may be in a gap
     */
    static long bridged(long mask, long clean, int gapMax) {
        long result = mask;
        int from = Long.numberOfTrailingZeros(mask);
        while (from < 64) {
            int end = from + Long.numberOfTrailingZeros(~(mask >> from));
            long after = end >= 64 ? 0 : mask >>> end << end;
            if (after == 0) {
                break;
            }
            int next = Long.numberOfTrailingZeros(after);
            long gap = (-1L << end) & ~(-1L << next);
            if (next - end <= gapMax && (gap & ~clean) == 0) {
                result |= gap;
            }
            from = next;
        }
        return result;
    }

    private void addNeighbours(long first, int count) {
        long begin = first << shift;
        long length = (long) count << shift;
        if (begin != dataEnd || dataEnd - dataBegin + length > bounce.byteSize()) {
            writeData();
            dataBegin = begin;
            dataEnd = begin;
        }
        long at = dataEnd - dataBegin;
        store.copyRun(backoff, first, first + count - 1, ofRound, bounce, at, copied);
        if ((copied.zero() | copied.left()) == 0) {
            dataEnd += length;
            return;
        }
        for (long chunk = first; chunk < first + count; chunk++) {
            if ((copied.left() >>> chunk & 1) != 0) {
                // Its newer version is on its way to the journal; the next round takes it.
                continue;
            }
            if ((copied.zero() >>> chunk & 1) != 0) {
                addZero(chunk << shift);
            } else {
                addCopied(chunk << shift, at + ((chunk - first) << shift));
            }
        }
    }

    private void addZero(long begin) {
        if (begin != zeroEnd) {
            writeZeroes();
            zeroBegin = begin;
        }
        zeroEnd = begin + (1L << shift);
    }

    /** Takes a chunk that lies in the bounce buffer already, perhaps behind a gap that zeroes left. */
    private void addCopied(long begin, long at) {
        if (begin != dataEnd) {
            writeData();
            dataBegin = begin;
            dataEnd = begin;
        }
        if (at != dataEnd - dataBegin) {
            MemorySegment.copy(bounce, at, bounce, dataEnd - dataBegin, 1L << shift);
        }
        dataEnd += 1L << shift;
    }

    /** Writes what has been gathered. */
    void finish() {
        writeData();
        writeZeroes();
    }

    private void writeData() {
        long end = Math.min(dataEnd, sizeBytes);
        if (dataBegin < end) {
            try {
                backing.write(dataBegin, bounce.asSlice(0, end - dataBegin));
                round.noteWritten(end - dataBegin);
                trace.record(TraceEvent.APPLY, dataBegin, end - dataBegin);
            } catch (IOException e) {
                fail(dataBegin, end, e);
            }
        }
        dataBegin = dataEnd;
    }

    private void writeZeroes() {
        long end = Math.min(zeroEnd, sizeBytes);
        if (zeroBegin < end) {
            try {
                backing.zero(zeroBegin, end - zeroBegin);
                trace.record(TraceEvent.PUNCH, zeroBegin, end - zeroBegin);
            } catch (IOException e) {
                fail(zeroBegin, end, e);
            }
        }
        zeroBegin = zeroEnd;
    }

    private void fail(long begin, long end, IOException failure) {
        faults.note(Faults.Kind.APPLY, begin, failure);
        round.noteFailed(begin >>> shift, (end - 1) >>> shift);
    }

    /** The longest run the bounce buffer must hold. */
    static int bounceBytes(SegmentLayout layout) {
        return Math.max(WRITE_BYTES_MAX, layout.chunkBytes());
    }
}
