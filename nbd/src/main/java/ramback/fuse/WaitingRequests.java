package ramback.fuse;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;
import ramback.traffic.RequestKind;
import ramback.traffic.RequestSpan;

/**
 * What must be remembered of a request that waits in the device: a fixed number of slots, whose numbers are the
 * tokens. The request thread fills the {@linkplain #open() open} slot before it issues a request and {@linkplain
 * #defer() leaves} it only when the request was deferred; the reply thread reads it back. The fields need no lock: the
 * device hands the request over from one thread to the other.
 */
final class WaitingRequests {

    private final RequestKind[] kind;
    private final long[] unique;
    private final long[] offsetBytes;
    private final int[] lengthBytes;
    private final long[] receivedNanos;
    private final @Nullable RequestSpan[] spans;

    private final int[] free; // guarded by this
    private int freeCount; // guarded by this
    private int unansweredCount; // guarded by this; below zero while the reply thread is ahead of the request thread
    private boolean givenUp; // guarded by this

    private int open; // request thread

    /**
     * Makes room for so many waiting requests, the open one, and one whose reply is being made.
     *
     * @param deferredCountMax as {@link ramback.device.DeviceSession#deferredCountMax()} says
     */
    WaitingRequests(int deferredCountMax) {
        int slotCount = deferredCountMax + 2;
        kind = new RequestKind[slotCount];
        Arrays.fill(kind, RequestKind.READ);
        unique = new long[slotCount];
        offsetBytes = new long[slotCount];
        lengthBytes = new int[slotCount];
        receivedNanos = new long[slotCount];
        spans = new RequestSpan[slotCount];
        free = new int[slotCount];
        for (int slot = 1; slot < slotCount; slot++) {
            free[freeCount++] = slot;
        }
    }

    // ------------------------------------------------------------------------------------------- request thread

    /** The token of the next request. */
    int open() {
        return open;
    }

    /**
     * Fills the open slot.
     *
     * @param newReceivedNanos when the request came
     * @param newSpan where it is recorded, or null
     */
    void fill(
            RequestKind newKind,
            long newUnique,
            long newOffsetBytes,
            int newLengthBytes,
            long newReceivedNanos,
            @Nullable RequestSpan newSpan) {
        kind[open] = newKind;
        unique[open] = newUnique;
        offsetBytes[open] = newOffsetBytes;
        lengthBytes[open] = newLengthBytes;
        receivedNanos[open] = newReceivedNanos;
        spans[open] = newSpan;
    }

    /** The request in the open slot was deferred: opens another. */
    synchronized void defer() {
        unansweredCount++;
        open = free[--freeCount];
    }

    /** Waits until every deferred request was answered, or the reply thread gave up. */
    synchronized void awaitAnswered() throws InterruptedException {
        while (unansweredCount > 0 && !givenUp) {
            wait();
        }
    }

    // --------------------------------------------------------------------- whoever answers the request in a slot

    RequestKind kind(int slot) {
        return kind[slot];
    }

    long unique(int slot) {
        return unique[slot];
    }

    long offsetBytes(int slot) {
        return offsetBytes[slot];
    }

    int lengthBytes(int slot) {
        return lengthBytes[slot];
    }

    long receivedNanos(int slot) {
        return receivedNanos[slot];
    }

    /** Where the request is recorded, or null; nobody holds it any longer. */
    @Nullable
    RequestSpan takeSpan(int slot) {
        RequestSpan span = spans[slot];
        if (span != null) {
            spans[slot] = null;
        }
        return span;
    }

    // --------------------------------------------------------------------------------------------- reply thread

    /** The request in a slot was answered. */
    synchronized void answered(int slot) {
        free[freeCount++] = slot;
        if (--unansweredCount <= 0) {
            notifyAll();
        }
    }

    /** The reply thread answers no more. */
    synchronized void giveUp() {
        givenUp = true;
        notifyAll();
    }
}
