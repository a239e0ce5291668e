package ramback.traffic;

/**
 * The buckets into which latencies are sorted: eight in each power of two, as in an HdrHistogram, so that what is read out of
 * them is at most an eighth too great, whatever its size.
 *
 * <pre>
 *   bucket          0        1   …      15       16       17   …      23       24   …     207      208
 *   nanoseconds  ≤ 256    ≤ 512  …  ≤ 4,096  ≤ 4,608  ≤ 5,120  …  ≤ 8,192  ≤ 9,216  …  ≤ 2^36   longer
 *                └ steps of 256 ns ────────┘ └ steps of 512 ns ──────────┘ └ of 1,024 ns, and so on
 * </pre>
 *
 * A bucket holds what is longer than the bucket before it takes, and no longer than its own bound: so a count up to a bound is
 * the cumulative count that Prometheus asks for, exactly. Powers of two from 256 ns on are bounds.
 */
final class LatencyScale {

    /** The finest step is 2^8 = 256 ns: a clock's reading costs a tenth of that, and the fastest request ten times as much. */
    private static final int STEP_SHIFT = 8;

    private static final int SUB_SHIFT = 3;
    private static final int SUB_COUNT = 1 << SUB_SHIFT;

    /** The greatest bound: 2^36 ns, 68.7 s. */
    static final int MAX_SHIFT = 36;

    /** The last bucket, of what is longer than every bound. */
    static final int BEYOND = (MAX_SHIFT - STEP_SHIFT - SUB_SHIFT + 1) * SUB_COUNT;

    /** How many buckets there are. */
    static final int BUCKET_COUNT = BEYOND + 1;

    static {
        if (BEYOND != 208 || boundNanos(BEYOND - 1) != 1L << MAX_SHIFT) {
            throw new AssertionError("the drawing is wrong: " + BEYOND + ", " + boundNanos(BEYOND - 1));
        }
    }

    private LatencyScale() {}

    /** The bucket that a latency belongs to. One below zero, which only a clock that goes backwards could give, counts as zero. */
    static int bucketOf(long nanos) {
        long steps = Math.max(0, nanos - 1) >>> STEP_SHIFT;
        if (steps < SUB_COUNT) {
            return (int) steps;
        }
        int shift = Long.SIZE - 1 - Long.numberOfLeadingZeros(steps) - SUB_SHIFT;
        return (int) Math.min(BEYOND, ((long) shift << SUB_SHIFT) + (steps >>> shift));
    }

    /** The longest latency that a bucket takes; {@link Long#MAX_VALUE} of the last one. */
    static long boundNanos(int bucket) {
        if (bucket == BEYOND) {
            return Long.MAX_VALUE;
        }
        if (bucket < SUB_COUNT) {
            return (bucket + 1L) << STEP_SHIFT;
        }
        int shift = (bucket >>> SUB_SHIFT) - 1;
        long steps = (bucket & (SUB_COUNT - 1)) + SUB_COUNT + 1L;
        return steps << shift << STEP_SHIFT;
    }
}
