package ramback.traffic;

import org.jspecify.annotations.Nullable;

/**
 * What one session of the device is asked for: written by its request thread and its reply thread, each in cells of its
 * own, so that counting allocates nothing in the steady state and waits for nobody; read by anybody at any time.
 */
public final class SessionTraffic implements AutoCloseable {

    private final Traffic traffic;
    private final ClientKind kind;
    private final long clientNumber;
    private final Tallies tallies = new Tallies();
    private final Latencies latencies = new Latencies();
    private final Latencies deferredLatencies = new Latencies();

    SessionTraffic(Traffic traffic, ClientKind kind, long clientNumber) {
        this.traffic = traffic;
        this.kind = kind;
        this.clientNumber = clientNumber;
    }

    ClientKind kind() {
        return kind;
    }

    /** Whose session it is. */
    long clientNumber() {
        return clientNumber;
    }

    /**
     * Counts a request that was understood, before it is carried out. For the request thread.
     *
     * @param lengthBytes 0 for what has no range
     * @return where it is recorded, to be handed to {@link PendingAnswers#add}; null when nobody records it
     */
    public @Nullable RequestSpan begin(
            RequestKind request, long offsetBytes, long lengthBytes, boolean forceUnitAccess) {
        tallies.count(request, lengthBytes);
        return traffic.recording().isOn()
                ? RequestRecording.begin(request, offsetBytes, lengthBytes, forceUnitAccess)
                : null;
    }

    /** Counts a request that was answered with an error, understood or not. For any thread. */
    public void countFailed() {
        tallies.countFailed();
    }

    /** The answers of the thread that carries requests out: to be asked for once, by that thread or before it starts. */
    public PendingAnswers answers() {
        return new PendingAnswers(latencies, false, System::nanoTime);
    }

    /** The answers to requests that had to wait in the device, likewise; by whichever thread they are given. */
    public PendingAnswers deferredAnswers() {
        return new PendingAnswers(deferredLatencies, true, System::nanoTime);
    }

    /** How many requests of all kinds were counted. */
    public long requestCount() {
        return tallies.requestCount();
    }

    void addTo(Tallies sum) {
        sum.add(tallies);
    }

    void addTo(Latencies sum) {
        sum.add(latencies);
        sum.add(deferredLatencies);
    }

    /** The session has ended, and both of its threads count no more; may be called more than once, by any thread. */
    @Override
    public void close() {
        traffic.leave(this);
    }
}
