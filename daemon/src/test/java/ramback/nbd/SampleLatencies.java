package ramback.nbd;

/** Latencies of a server, for tests of who shows them. */
public final class SampleLatencies {

    private final Latencies cells = new Latencies();

    /** So many requests of a kind that took as long. */
    public SampleLatencies with(RequestKind kind, long nanos, long count) {
        cells.record(kind.command(), nanos, count);
        return this;
    }

    /** All so far. */
    public RequestLatencies counts() {
        return RequestLatencies.of(cells);
    }
}
