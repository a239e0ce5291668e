package ramback.traffic;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.From;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;

/** Histograms against the list of everything that was put into them. */
final class LatencyHistogramTest {

    /** As many of each magnitude, and the bounds themselves. */
    @Provide
    Arbitrary<Long> latencies() {
        Arbitrary<Long> magnitudes = Arbitraries.integers()
                .between(0, 40)
                .flatMap(shift -> Arbitraries.longs().between(0, 1L << shift));
        Arbitrary<Long> bounds = Arbitraries.integers()
                .between(0, LatencyScale.BEYOND - 1)
                .flatMap(bucket ->
                        Arbitraries.integers().between(-1, 1).map(more -> LatencyScale.boundNanos(bucket) + more));
        return Arbitraries.oneOf(magnitudes, bounds);
    }

    private static LatencyHistogram histogramOf(List<Long> latencies) {
        Latencies cells = new Latencies();
        latencies.forEach(nanos -> cells.record(RequestKind.READ, nanos, 1));
        return cells.of(RequestKind.READ);
    }

    @Property
    void aBucketHoldsWhatIsLongerThanTheOneBeforeAndNoLongerThanItsBound(@ForAll("latencies") long nanos) {
        int bucket = LatencyScale.bucketOf(nanos);
        assertThat(nanos).isLessThanOrEqualTo(LatencyScale.boundNanos(bucket));
        if (bucket > 0) {
            assertThat(nanos).isGreaterThan(LatencyScale.boundNanos(bucket - 1));
        }
    }

    @Property
    void aPercentileIsNeverTooSmallAndAtMostAnEighthTooGreat(
            @ForAll @Size(min = 1, max = 300) List<@From("latencies") Long> latencies,
            @ForAll @IntRange(min = 1, max = 1000) int perMille) {
        List<Long> sorted = new ArrayList<>(latencies);
        Collections.sort(sorted);
        double share = perMille / 1000.0;
        long exact = sorted.get((int) Math.max(0, Math.ceil(sorted.size() * share) - 1));
        long shown = histogramOf(latencies).percentileNanos(share);
        if (exact > LatencyHistogram.LONGEST_NANOS) {
            assertThat(shown).isEqualTo(LatencyHistogram.LONGEST_NANOS);
        } else {
            assertThat(shown).isBetween(exact, exact + Math.max(256, exact / 8));
        }
    }

    @Property
    void aCountUpToABoundIsExact(
            @ForAll @Size(max = 300) List<@From("latencies") Long> latencies,
            @ForAll @IntRange(min = 8, max = 36) int shift) {
        LatencyHistogram histogram = histogramOf(latencies);
        long bound = 1L << shift;
        assertThat(histogram.countUpTo(bound))
                .isEqualTo(latencies.stream().filter(nanos -> nanos <= bound).count());
        if (shift >= 11 && shift < 36) {
            long half = bound + bound / 2;
            assertThat(histogram.countUpTo(half))
                    .isEqualTo(latencies.stream().filter(nanos -> nanos <= half).count());
        }
        assertThat(histogram.count()).isEqualTo(latencies.size());
        assertThat(histogram.sumNanos())
                .isEqualTo(latencies.stream().mapToLong(Long::longValue).sum());
    }

    @Property
    void whatHasComeSinceIsWhatCameSince(
            @ForAll @Size(max = 100) List<@From("latencies") Long> before,
            @ForAll @Size(max = 100) List<@From("latencies") Long> after) {
        List<Long> both = new ArrayList<>(before);
        both.addAll(after);
        assertThat(histogramOf(both).since(histogramOf(before))).isEqualTo(histogramOf(after));
        Latencies sum = new Latencies();
        for (List<Long> part : List.of(before, after)) {
            Latencies cells = new Latencies();
            part.forEach(nanos -> cells.record(RequestKind.TRIM, nanos, 1));
            sum.add(cells);
        }
        assertThat(sum.of(RequestKind.TRIM)).isEqualTo(histogramOf(both));
        assertThat(sum.of(RequestKind.READ)).isEqualTo(LatencyHistogram.EMPTY);
    }

    @Test
    void aRunOfEqualOnesCountsAsSoMany() {
        Latencies cells = new Latencies();
        cells.record(RequestKind.WRITE, 10_000, 32);
        LatencyHistogram histogram = cells.of(RequestKind.WRITE);
        assertThat(histogram.count()).isEqualTo(32);
        assertThat(histogram.sumNanos()).isEqualTo(320_000);
        assertThat(histogram.percentileNanos(0.001)).isEqualTo(histogram.percentileNanos(1));
    }

    @Test
    void withoutRequestsThereIsNoPercentile() {
        assertThat(LatencyHistogram.EMPTY.percentileNanos(0.99)).isZero();
        assertThat(LatencyHistogram.EMPTY.count()).isZero();
    }

    @Test
    void aClockThatGoesBackwardsCountsAsNoTimeAtAll() {
        Latencies cells = new Latencies();
        cells.record(RequestKind.READ, -5, 2);
        assertThat(cells.of(RequestKind.READ).sumNanos()).isZero();
        assertThat(cells.of(RequestKind.READ).countUpTo(256)).isEqualTo(2);
    }
}
