package ramback.traffic;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * How long requests of one kind took, at one moment: counts in buckets of which each is at most an eighth wider than what it holds.
 * What is read out of it is the bound of a bucket, so never too small and at most an eighth too great (below 2 µs: at most
 * 256 ns). Immutable.
 */
public final class LatencyHistogram {

    /** Without any request. */
    public static final LatencyHistogram EMPTY = new LatencyHistogram(new long[LatencyScale.BUCKET_COUNT], 0);

    /** Latencies longer than this are all alike: 68.7 s. */
    public static final long LONGEST_NANOS = 1L << LatencyScale.MAX_SHIFT;

    private final long[] counts;
    private final long sumNanos;
    private final long count;

    /** Takes the counts as its own. */
    LatencyHistogram(long[] counts, long sumNanos) {
        this.counts = counts;
        this.sumNanos = sumNanos;
        this.count = Arrays.stream(counts).sum();
    }

    /** How many requests. */
    public long count() {
        return count;
    }

    /** All their latencies together. */
    public long sumNanos() {
        return sumNanos;
    }

    /**
     * How many of them took no longer than this.
     *
     * @param nanos a power of two from 256 ns to {@link #LONGEST_NANOS}, or one and a half times one from 2,048 ns on: of
     *     others, what is in the bucket that holds it is left out
     */
    public long countUpTo(long nanos) {
        long sum = 0;
        for (int bucket = 0; bucket < LatencyScale.BEYOND && LatencyScale.boundNanos(bucket) <= nanos; bucket++) {
            sum += counts[bucket];
        }
        return sum;
    }

    /**
     * What so many of them did not exceed.
     *
     * @param share above 0 and at most 1: 0.99 for the 99th percentile, 1 for the longest
     * @return nanoseconds; 0 when there was no request, {@link #LONGEST_NANOS} for whatever is longer
     */
    public long percentileNanos(double share) {
        long rank = Math.max(1, (long) Math.ceil(count * share));
        long seen = 0;
        for (int bucket = 0; bucket < counts.length; bucket++) {
            seen += counts[bucket];
            if (seen >= rank) {
                return Math.min(LONGEST_NANOS, LatencyScale.boundNanos(bucket));
            }
        }
        return 0;
    }

    /** What has come since an earlier moment of the same device. */
    public LatencyHistogram since(LatencyHistogram earlier) {
        long[] more = new long[counts.length];
        for (int bucket = 0; bucket < more.length; bucket++) {
            more[bucket] = counts[bucket] - earlier.counts[bucket];
        }
        return new LatencyHistogram(more, sumNanos - earlier.sumNanos);
    }

    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof LatencyHistogram that
                && sumNanos == that.sumNanos
                && Arrays.equals(counts, that.counts);
    }

    @Override
    public int hashCode() {
        return Arrays.hashCode(counts);
    }

    @Override
    public String toString() {
        return count + " requests, " + sumNanos + " ns together";
    }
}
