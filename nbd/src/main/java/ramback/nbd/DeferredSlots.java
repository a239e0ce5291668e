package ramback.nbd;

import org.jspecify.annotations.Nullable;
import ramback.traffic.RequestSpan;

/**
 * What a connection must remember of a request that waits in the device: a fixed number of slots, whose numbers are the
 * tokens. The request thread fills the {@linkplain #open() open} slot before it issues a request and
 * {@linkplain #defer() leaves} it only when the request was deferred; the reply thread reads it back. The fields need no
 * lock: the device hands the request over from one thread to the other.
 */
final class DeferredSlots {

    private final int[] command;
    private final long[] cookie;
    private final long[] offsetBytes;
    private final int[] lengthBytes;
    private final boolean[] unfragmented;
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
    DeferredSlots(int deferredCountMax) {
        int slotCount = deferredCountMax + 2;
        command = new int[slotCount];
        cookie = new long[slotCount];
        offsetBytes = new long[slotCount];
        lengthBytes = new int[slotCount];
        unfragmented = new boolean[slotCount];
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
     * @param newUnfragmented whether one chunk alone must answer it (DF)
     * @param newReceivedNanos when the request came
     * @param newSpan where it is recorded, or null
     */
    void fill(
            int newCommand,
            long newCookie,
            long newOffsetBytes,
            int newLengthBytes,
            boolean newUnfragmented,
            long newReceivedNanos,
            @Nullable RequestSpan newSpan) {
        command[open] = newCommand;
        cookie[open] = newCookie;
        offsetBytes[open] = newOffsetBytes;
        lengthBytes[open] = newLengthBytes;
        unfragmented[open] = newUnfragmented;
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

    int command(int slot) {
        return command[slot];
    }

    long cookie(int slot) {
        return cookie[slot];
    }

    long offsetBytes(int slot) {
        return offsetBytes[slot];
    }

    int lengthBytes(int slot) {
        return lengthBytes[slot];
    }

    boolean isUnfragmented(int slot) {
        return unfragmented[slot];
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

    /** Everything was read out of a slot. */
    synchronized void release(int slot) {
        free[freeCount++] = slot;
    }

    /** So many replies have been sent. */
    synchronized void answered(int count) {
        unansweredCount -= count;
        if (unansweredCount <= 0) {
            notifyAll();
        }
    }

    /** The reply thread answers no more. */
    synchronized void giveUp() {
        givenUp = true;
        notifyAll();
    }
}
