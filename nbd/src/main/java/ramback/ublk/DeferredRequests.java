package ramback.ublk;

import ramback.device.DeviceSession;
import ramback.device.Outcome;
import ramback.posix.PosixException;

/**
 * The reply thread of a queue: collects the requests that had to wait and hands them over to the queue's thread, which
 * alone may commit them, and which it wakes once for all that finished together.
 */
final class DeferredRequests {

    /** The most that are collected before the queue's thread is woken. */
    private static final int BATCH_COUNT_MAX = 64;

    private final DeviceSession session;
    private final KernelQueue queue;

    private final int[] tags; // guarded by this
    private final Outcome[] outcomes; // guarded by this
    private int count; // guarded by this

    DeferredRequests(DeviceSession session, KernelQueue queue) {
        this.session = session;
        this.queue = queue;
        this.tags = new int[queue.depth()];
        this.outcomes = new Outcome[queue.depth()];
    }

    /** Collects until the session is closed: the reply thread. */
    void run() throws PosixException {
        int collectedCount = 0;
        while (true) {
            long token = session.awaitDeferred();
            if (token == DeviceSession.CLOSED) {
                return;
            }
            add(Math.toIntExact(token), session.deferredOutcome());
            collectedCount++;
            if (collectedCount == BATCH_COUNT_MAX || !session.hasDeferred()) {
                queue.wake();
                collectedCount = 0;
            }
        }
    }

    private synchronized void add(int tag, Outcome outcome) {
        tags[count] = tag;
        outcomes[count] = outcome;
        count++;
    }

    /**
     * Takes all that is there: the queue's thread.
     *
     * @param intoTags, intoOutcomes room for as many as the queue has tags
     * @return how many
     */
    synchronized int take(int[] intoTags, Outcome[] intoOutcomes) {
        int takenCount = count;
        System.arraycopy(tags, 0, intoTags, 0, takenCount);
        System.arraycopy(outcomes, 0, intoOutcomes, 0, takenCount);
        count = 0;
        return takenCount;
    }
}
