package ramback.traffic;

import java.util.Arrays;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * One thread's answers that have been gathered and not yet sent, with the times at which their requests came: when they are sent,
 * the clock is read once for all of them. Those of a batch that came together are one entry a kind, so a batch costs two
 * readings of the clock and a few additions, however long it is. Used by one thread; allocates nothing.
 */
public final class PendingAnswers {

    /** How many entries wait at most; the reply thread gathers as many answers. */
    static final int ENTRY_COUNT_MAX = 64;

    /** Among how many of the newest entries a request's companions are looked for. */
    private static final int SEARCHED_COUNT = 4;

    private final Latencies latencies;
    private final boolean isDeferred;
    private final LongSupplier nanoClock;

    private final RequestKind[] kinds = new RequestKind[ENTRY_COUNT_MAX];
    private final long[] receivedNanos = new long[ENTRY_COUNT_MAX];
    private final int[] counts = new int[ENTRY_COUNT_MAX];
    private final int[] errors = new int[ENTRY_COUNT_MAX];
    private final @Nullable RequestSpan[] spans = new RequestSpan[ENTRY_COUNT_MAX];
    private int entryCount;

    /**
     * None yet.
     *
     * @param latencies this thread's
     * @param isDeferred whether these are answers to requests that had to wait in the device
     * @param nanoClock as {@link System#nanoTime()}, the one by which requests are received
     */
    PendingAnswers(Latencies latencies, boolean isDeferred, LongSupplier nanoClock) {
        this.latencies = latencies;
        this.isDeferred = isDeferred;
        this.nanoClock = nanoClock;
    }

    /** Whether what has been gathered must be sent before another one is added. */
    public boolean isFull() {
        return entryCount == ENTRY_COUNT_MAX;
    }

    /**
     * Adds the answer to a request, unless it {@linkplain #isFull() is full}.
     *
     * @param requestNanos when the request was received, by {@link System#nanoTime()}; equal for what came together
     * @param error as the client is told, 0 for none
     * @param span where it is recorded, or null
     */
    public void add(RequestKind kind, long requestNanos, int error, @Nullable RequestSpan span) {
        if (span == null) {
            int end = Math.max(0, entryCount - SEARCHED_COUNT);
            for (int entry = entryCount - 1; entry >= end; entry--) {
                if (receivedNanos[entry] == requestNanos && kinds[entry] == kind && spans[entry] == null) {
                    counts[entry]++;
                    return;
                }
            }
        }
        kinds[entryCount] = kind;
        receivedNanos[entryCount] = requestNanos;
        counts[entryCount] = 1;
        errors[entryCount] = error;
        spans[entryCount] = span;
        entryCount++;
    }

    /** All that were added have been handed over, or are so with the next call. */
    public void sent() {
        if (entryCount == 0) {
            return;
        }
        long now = nanoClock.getAsLong();
        for (int entry = 0; entry < entryCount; entry++) {
            long nanos = now - receivedNanos[entry];
            latencies.record(kinds[entry], nanos, counts[entry]);
            RequestSpan span = spans[entry];
            if (span != null) {
                span.end(errors[entry], isDeferred, nanos);
            }
        }
        Arrays.fill(spans, 0, entryCount, null);
        entryCount = 0;
    }
}
