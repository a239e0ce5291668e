package ramback.control;

/**
 * How long requests of one kind took lately, from when they were received until their answer was handed over.
 *
 * @param kind read, write, flush, trim or zero
 * @param count how many the percentiles are of
 */
public record LatencyReport(
        String kind, long count, double p50Seconds, double p99Seconds, double p999Seconds, double maxSeconds) {}
