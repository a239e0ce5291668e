package ramback.ublk;

import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/**
 * What the queues of one device have in common: how they go on, and that none is given up while another may still commit,
 * because the driver then takes all requests back to hand them out again. Safe for use by many threads.
 */
final class QueueGroup {

    /** How the queues serve; only ever changes to a later one. */
    enum Phase {
        /** The block device is being made: a request that cannot be served fails, or making it would wait for ever. */
        STARTING,
        /** Requests are served. A request that the device takes no more is kept: it is served after a recovery. */
        SERVING,
        /** The block device is being stopped: the driver waits for what is in flight, and takes the tags out of service. */
        STOPPING,
        /** The device serves no more: whatever is in flight, or comes, fails. */
        FAILING,
        /** Nothing is committed any more: the driver keeps what is in flight, and what comes, for a recovery. */
        LEAVING
    }

    private final CountDownLatch serving;
    private final CountDownLatch fetched;
    private final AtomicReference<Phase> phase = new AtomicReference<>(Phase.STARTING);
    private final AtomicReference<@Nullable Throwable> failure = new AtomicReference<>();
    private volatile List<QueueServer> queues = List.of();

    QueueGroup(int queueCount) {
        serving = new CountDownLatch(queueCount);
        fetched = new CountDownLatch(queueCount);
    }

    /** The queues themselves, as many as were announced; before any of them runs. */
    void set(List<QueueServer> all) {
        queues = all;
    }

    Phase phase() {
        return phase.get();
    }

    /** Goes on to a phase, if it is a later one, and tells all queues. */
    void enter(Phase next) {
        Phase before = phase.getAndUpdate(now -> next.compareTo(now) > 0 ? next : now);
        if (next.compareTo(before) > 0) {
            for (QueueServer queue : queues) {
                queue.phaseChanged(next);
            }
        }
    }

    /**
     * A queue cannot serve any longer: while the device is being made its requests fail, later they wait for a recovery.
     *
     * @return whether it is the first failure
     */
    boolean fail(Throwable cause) {
        boolean isFirst = failure.compareAndSet(null, cause);
        enter(phase.get().compareTo(Phase.SERVING) < 0 ? Phase.FAILING : Phase.LEAVING);
        return isFirst;
    }

    /** What {@link #fail} was told first, or null. */
    @Nullable
    Throwable failure() {
        return failure.get();
    }

    /** A queue has offered all its tags, or will not. */
    void fetched() {
        fetched.countDown();
    }

    /** Waits until every queue has. */
    void awaitFetched() throws InterruptedException {
        fetched.await();
    }

    /** A queue's thread commits nothing any more; returns when none does. */
    void awaitAllSilent() {
        serving.countDown();
        boolean interrupted = false;
        while (true) {
            try {
                serving.await();
                break;
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /** Whether all queues still serve. */
    boolean isAlive() {
        return serving.getCount() == queues.size() && phase.get() == Phase.SERVING;
    }
}
