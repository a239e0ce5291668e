package ramback.clock;

/**
 * How many units a second went by lately: counts in slices of time and averages over the last few of them. Safe for use
 * by many threads.
 */
public final class Rate {

    private static final long SLICE_NANOS = 250_000_000L;
    private static final int SLICE_COUNT = 8;

    private final Clock clock;
    private final long[] slices = new long[SLICE_COUNT];
    private long newestSlice;
    private long firstNanos = -1;

    /** A rate of nothing so far. */
    public Rate(Clock clock) {
        this.clock = clock;
    }

    /** Counts units that went by just now. */
    public synchronized void add(long units) {
        advance();
        slices[(int) (newestSlice % SLICE_COUNT)] += units;
    }

    /** Units a second, averaged over the last two seconds or since the first were counted, if that is less. */
    public synchronized double perSecond() {
        if (firstNanos < 0) {
            return 0;
        }
        advance();
        long sum = 0;
        for (long slice : slices) {
            sum += slice;
        }
        long sinceFirst = clock.nanoTime() - firstNanos;
        long span = Math.min(sinceFirst, (SLICE_COUNT - 1) * SLICE_NANOS + clock.nanoTime() % SLICE_NANOS);
        return sum * 1e9 / Math.max(span, SLICE_NANOS);
    }

    private void advance() {
        long nanos = clock.nanoTime();
        if (firstNanos < 0) {
            firstNanos = nanos;
            newestSlice = nanos / SLICE_NANOS;
        }
        long slice = nanos / SLICE_NANOS;
        for (long stale = Math.max(newestSlice + 1, slice - SLICE_COUNT + 1); stale <= slice; stale++) {
            slices[(int) (stale % SLICE_COUNT)] = 0;
        }
        newestSlice = Math.max(newestSlice, slice);
    }
}
