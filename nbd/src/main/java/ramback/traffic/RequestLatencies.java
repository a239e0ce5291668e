package ramback.traffic;

import java.util.EnumMap;
import java.util.Map;

/**
 * How long requests took since the device is served: from when they were received until their answer was handed over. Of NBD that
 * is from the end of the receive that brought the request's header until the send that carried its answer returned; of FUSE likewise; of
 * ublk from the return of the wait that brought the request until the call that gives its answer back. Requests that came
 * together are answered together and share both moments, so of a batch every request takes as long as all of it: that is
 * what its client waits for. A request that was refused before it reached the device is not in. A snapshot; immutable.
 */
public record RequestLatencies(Map<RequestKind, LatencyHistogram> histograms) {

    /** Without any request. */
    public static final RequestLatencies NONE = new RequestLatencies(Map.of());

    /** Copies the map. */
    public RequestLatencies {
        histograms = Map.copyOf(histograms);
    }

    static RequestLatencies of(Latencies sum) {
        Map<RequestKind, LatencyHistogram> histograms = new EnumMap<>(RequestKind.class);
        for (RequestKind kind : RequestKind.SHOWN) {
            histograms.put(kind, sum.of(kind));
        }
        return new RequestLatencies(histograms);
    }

    /** Whether no request was answered since an earlier moment of the same device. */
    public boolean isSameAs(RequestLatencies earlier) {
        for (RequestKind kind : RequestKind.SHOWN) {
            if (of(kind).count() != earlier.of(kind).count()) {
                return false;
            }
        }
        return true;
    }

    /** The histogram of one kind that is shown; an empty one where there was no request. */
    public LatencyHistogram of(RequestKind kind) {
        return histograms.getOrDefault(kind, LatencyHistogram.EMPTY);
    }
}
