package ramback.control;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import ramback.traffic.LatencyHistogram;
import ramback.traffic.RequestKind;
import ramback.traffic.RequestLatencies;

/**
 * How long requests took lately: what has been counted since the start, less what it had counted about ten seconds ago. It is
 * told of the counts once a second, by somebody who is not on a request's way, so that a single {@code status} has an answer
 * too. Safe for use by many threads.
 */
final class LatencyWindow {

    /** Over how much time percentiles are taken; up to a second more, since that is how often the counts are told. */
    static final long WINDOW_NANOS = 10_000_000_000L;

    private static final double P50 = 0.5;
    private static final double P99 = 0.99;
    private static final double P999 = 0.999;
    private static final double NANOS_PER_SECOND = 1e9;

    private record Sample(long nanos, RequestLatencies latencies) {}

    private final Deque<Sample> samples = new ArrayDeque<>(); // guarded by this

    /** Begins with a server that has served nothing. */
    LatencyWindow(long nowNanos) {
        samples.add(new Sample(nowNanos, RequestLatencies.NONE));
    }

    /** Notes what has been counted by now. */
    synchronized void note(long nowNanos, RequestLatencies now) {
        RequestLatencies newest = samples.getLast().latencies();
        // While nobody asks the server for anything all samples are one.
        samples.add(new Sample(nowNanos, now.isSameAs(newest) ? newest : now));
        dropOld(nowNanos);
    }

    /** Keeps one that is old enough, and all after it. */
    private void dropOld(long nowNanos) {
        Sample oldest = samples.removeFirst();
        while (!samples.isEmpty() && nowNanos - samples.getFirst().nanos() >= WINDOW_NANOS) {
            oldest = samples.removeFirst();
        }
        samples.addFirst(oldest);
    }

    /** What the status tells: the kinds of which there were any. */
    synchronized List<LatencyReport> reports(long nowNanos, RequestLatencies now) {
        dropOld(nowNanos);
        RequestLatencies earlier = samples.getFirst().latencies();
        List<LatencyReport> reports = new ArrayList<>();
        if (now.isSameAs(earlier)) {
            return reports;
        }
        for (RequestKind kind : RequestKind.SHOWN) {
            LatencyHistogram lately = now.of(kind).since(earlier.of(kind));
            if (lately.count() > 0) {
                reports.add(new LatencyReport(
                        kind.word(),
                        lately.count(),
                        seconds(lately, P50),
                        seconds(lately, P99),
                        seconds(lately, P999),
                        seconds(lately, 1)));
            }
        }
        return reports;
    }

    private static double seconds(LatencyHistogram histogram, double share) {
        return histogram.percentileNanos(share) / NANOS_PER_SECOND;
    }
}
