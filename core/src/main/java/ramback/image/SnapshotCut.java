package ramback.image;

import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import ramback.clock.Backoff;

/**
 * The moment that a snapshot shows. Everybody who stores looks here, inside the epochs and after locking, whether there is a
 * hook to ask first. Setting the hook is a cut of the same kind as an epoch's, and has the same grace: a store that found no
 * hook is in the snapshot, one that found it is not, and whatever was acknowledged before a store began that is in it is in it
 * too. It need not be an epoch's cut, so that a snapshot waits for no round of write-behind. Safe for use by many threads.
 */
public final class SnapshotCut {

    private final Epochs epochs;
    private final AtomicReference<@Nullable SnapshotHook> hook = new AtomicReference<>();

    SnapshotCut(Epochs epochs) {
        this.epochs = epochs;
    }

    /**
     * Begins: when this returns, everybody who has not asked the hook has stored and left, and everybody else asks it. All of
     * the device must be loaded. Never with a lock held.
     */
    public void begin(SnapshotHook asked, Backoff backoff) {
        // Volatile, as the look at it and the entry to the epochs: Dekker, see Epochs.enter.
        if (!hook.compareAndSet(null, asked)) {
            throw new IllegalStateException("there is a snapshot already");
        }
        epochs.awaitGrace(backoff);
    }

    /** Ends: when this returns, nobody is asking the hook and nobody will. Does nothing for one that is not asked. */
    public void end(SnapshotHook asked, Backoff backoff) {
        hook.compareAndSet(asked, null);
        epochs.awaitGrace(backoff);
    }

    /**
     * Asks the hook, if there is one, once for all of a run, which lies in one word or two; inside the epochs and under
     * the run's locks.
     *
     * @param highMask 0 for a run in one word
     * @return false when there is no room for what the chunks hold
     */
    boolean mayStore(long lowWord, long lowMask, long highWord, long highMask) {
        SnapshotHook asked = hook.get();
        return asked == null
                || (asked.preserve(lowWord, lowMask) && (highMask == 0 || asked.preserve(highWord, highMask)));
    }

    /** Waits a moment for room; with nothing held. */
    void awaitRoom() {
        SnapshotHook asked = hook.get();
        if (asked != null) {
            asked.awaitRoom();
        }
    }
}
