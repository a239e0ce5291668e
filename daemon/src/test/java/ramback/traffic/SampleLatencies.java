package ramback.traffic;

/** Latencies of a device, for tests of who shows them. */
public final class SampleLatencies {

    private final Latencies cells = new Latencies();

    /** So many requests of a kind that took as long. */
    public SampleLatencies with(RequestKind kind, long nanos, long count) {
        cells.record(kind, nanos, count);
        return this;
    }

    /** All so far. */
    public RequestLatencies counts() {
        return RequestLatencies.of(cells);
    }
}
