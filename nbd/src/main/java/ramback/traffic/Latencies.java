package ramback.traffic;

import java.util.concurrent.atomic.AtomicLongArray;
import java.util.concurrent.atomic.AtomicReferenceArray;
import org.jspecify.annotations.Nullable;

/**
 * How long the requests took that one thread answered: a histogram a kind, made when it is first needed, since most clients
 * send two or three kinds. Written by that thread, read by anybody at any time: opaque stores, so counting costs no fence
 * and a reader may be a moment behind.
 */
final class Latencies {

    /** Behind the buckets: the sum of all latencies, in nanoseconds. */
    private static final int SUM = LatencyScale.BUCKET_COUNT;

    /** What one kind's histogram takes of the heap. */
    static final int HISTOGRAM_BYTES = (LatencyScale.BUCKET_COUNT + 1) * Long.BYTES;

    private final AtomicReferenceArray<@Nullable AtomicLongArray> histograms =
            new AtomicReferenceArray<>(RequestKind.COUNT);

    /** Counts so many requests that took as long. For the thread that answered them. */
    void record(RequestKind kind, long nanos, long count) {
        AtomicLongArray cells = cellsOf(kind.ordinal());
        add(cells, LatencyScale.bucketOf(nanos), count);
        add(cells, SUM, Math.max(0, nanos) * count);
    }

    private AtomicLongArray cellsOf(int at) {
        AtomicLongArray cells = histograms.getPlain(at);
        if (cells == null) {
            cells = new AtomicLongArray(LatencyScale.BUCKET_COUNT + 1);
            histograms.setRelease(at, cells); // whoever sees it sees its zeroes
        }
        return cells;
    }

    private static void add(AtomicLongArray cells, int cell, long more) {
        cells.setOpaque(cell, cells.getPlain(cell) + more);
    }

    /** Adds another thread's latencies to these. For one thread at a time, and none that counts. */
    void add(Latencies other) {
        for (int at = 0; at < RequestKind.COUNT; at++) {
            AtomicLongArray more = other.histograms.getAcquire(at);
            if (more != null) {
                AtomicLongArray cells = cellsOf(at);
                for (int cell = 0; cell <= SUM; cell++) {
                    add(cells, cell, more.getOpaque(cell));
                }
            }
        }
    }

    /** The histogram of one kind as it is now. */
    LatencyHistogram of(RequestKind kind) {
        AtomicLongArray cells = histograms.getAcquire(kind.ordinal());
        if (cells == null) {
            return LatencyHistogram.EMPTY;
        }
        long[] counts = new long[LatencyScale.BUCKET_COUNT];
        for (int bucket = 0; bucket < counts.length; bucket++) {
            counts[bucket] = cells.getOpaque(bucket);
        }
        return new LatencyHistogram(counts, cells.getOpaque(SUM));
    }
}
