package ramback.clock;

import java.util.Arrays;

/**
 * How fast something was when it was measured, a number of times: at the least, and as a rule. What is older than an hour counts no more
 * as soon as there is enough that is newer. Safe for use by many threads.
 */
public final class MeasuredRate {

    private static final int SAMPLE_COUNT_MAX = 64;
    private static final int SAMPLE_COUNT_ENOUGH = 8;
    private static final double LOW = 0.1;
    private static final double MIDDLE = 0.5;
    private static final long AGE_NANOS_MAX = 3_600_000_000_000L;

    private final double assumedPerSecond;
    private final double[] rates = new double[SAMPLE_COUNT_MAX];
    private final long[] times = new long[SAMPLE_COUNT_MAX];
    private long count;

    /** @param assumedPerSecond what it is taken for while nothing has been measured */
    public MeasuredRate(double assumedPerSecond) {
        this.assumedPerSecond = assumedPerSecond;
    }

    /**
     * Something was measured.
     *
     * @param nowNanos a time of a clock, not less than the last one
     */
    public synchronized void add(double perSecond, long nowNanos) {
        int at = (int) (count % SAMPLE_COUNT_MAX);
        rates[at] = perSecond;
        times[at] = nowNanos;
        count++;
    }

    /** The rate that nine of ten measurements reached: what can be relied on. */
    public double lowPerSecond(long nowNanos) {
        return percentile(LOW, nowNanos);
    }

    /** The rate that every other measurement reached: what is to be expected. */
    public double typicalPerSecond(long nowNanos) {
        return percentile(MIDDLE, nowNanos);
    }

    private synchronized double percentile(double share, long nowNanos) {
        int keptCount = (int) Math.min(count, SAMPLE_COUNT_MAX);
        if (keptCount == 0) {
            return assumedPerSecond;
        }
        double[] young = new double[keptCount];
        int youngCount = 0;
        for (int i = 0; i < keptCount; i++) {
            if (nowNanos - times[i] <= AGE_NANOS_MAX) {
                young[youngCount++] = rates[i];
            }
        }
        double[] used =
                youngCount >= SAMPLE_COUNT_ENOUGH ? Arrays.copyOf(young, youngCount) : Arrays.copyOf(rates, keptCount);
        Arrays.sort(used);
        return used[(int) Math.floor((used.length - 1) * share)];
    }
}
