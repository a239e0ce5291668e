package ramback.writeback;

import java.time.Instant;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;
import ramback.clock.Clock;
import ramback.clock.Signal;
import ramback.image.Epochs;

/**
 * How far each stage of write-behind has come, and what it was asked for: what the sealer, the journal and the appliers
 * tell each other.
 *
 * <pre>
 *   imaged ≤ boundary ≤ committed ≤ captured ≤ sealed &lt; open        (boundary only while a round is wanted or under way)
 * </pre>
 *
 * Each field is written by the agent named beside it; all may be read by any thread.
 */
final class Standing {

    /** No epoch. */
    static final long NONE = -1;

    final Clock clock;
    final Epochs epochs;
    final Signal sealerSignal;
    final Signal journalSignal;
    final Runnable wakeAppliers;

    /** Sealer: the newest epoch that was cut. */
    volatile long sealed;
    /** Sealer: the newest epoch that was captured completely. */
    volatile long captured;
    /** Journal, or without one the applier that ends a round: the newest durable epoch. */
    volatile long committed;
    /** First applier: everything up to this epoch is durable in the image, or was changed again since. */
    volatile long imaged;

    /** Sealer: everything captured up to this epoch is what the next, or current, round carries; -1 if there is none. */
    volatile long boundary = -1;
    /** First applier: a boundary is wanted. */
    volatile boolean boundaryWanted;
    /** The epoch whose round is under way, or -1. Set by who begins the round, cleared by the first applier. */
    volatile long applying = -1;

    /** First applier, for the journal: this epoch is about to be applied; the journal answers in {@link #roundNoted}. */
    volatile long roundToNote;

    volatile long roundNoted;
    /** First applier: a round has been written; its epochs are retired when {@link #retireAfter} is committed. -1: none. */
    volatile long retireReady = -1;

    volatile long retireAfter = -1;
    /** First applier, for the journal: epochs up to this one may be forgotten; the journal answers in {@link #truncated}. */
    volatile long truncateTo;

    volatile long truncated;
    volatile long truncatedBytes;

    /** Whoever waits: this epoch is to be committed soon. */
    final AtomicLong demanded;
    /** Whoever drains: this epoch is to be in the image soon. */
    final AtomicLong drainTo;

    /** Throttle: dirty data is near its limit. */
    volatile boolean pressed;
    /** Throttle: dirty data is on the way there. */
    volatile boolean cutDue;
    /** Throttle: the journal is near its end, rounds are urgent. */
    volatile boolean spacePressed;

    /**
     * Mode switch: counts pauses, each before it is wanted. Sealer and first applier answer with the number that they read before they
     * found it wanted, so no answer to a pause that is over is taken for one to the next.
     */
    volatile long pauseNumber;
    /** Mode switch, until it is withdrawn or the sealer carries: nothing is to be cut and no round begun. */
    volatile boolean pauseWanted;
    /** Sealer: in this pause nothing is being cut or captured, and everything sealed is committed. */
    volatile long sealerRests;
    /** First applier: in this pause it begins no round, and retires nothing. */
    volatile long applierRests;
    /** Mode switch, for the sealer: carry what is stale into the open epoch and keep versions from it on. */
    volatile boolean carryWanted;
    /**
     * Sealer, before versions are kept again and before it takes {@link #carryWanted} back: the epoch into which that went, the
     * first one that is the journal's again.
     */
    volatile long carried;
    /** Mode switch, for the journal: suspend; the journal clears it. */
    volatile boolean suspendWanted;

    /** Power: no round is begun or gone on with for its own sake; what is written costs a battery, and is safe already. */
    volatile boolean applyHeld;

    /** Mode: nobody was promised anything, so the image is left alone while clients write. */
    volatile boolean carriesLazily;

    /** Whoever found the image cut, for the first applier: what it has lost is to be written again. */
    volatile boolean rewriteWanted;
    /** First applier: what the image has lost is stale, and no round since has carried all of it. */
    volatile boolean rewriting;

    /** Sealer: the first change of the sealed epoch was made then; 0 once it is committed. */
    volatile long sealedFirstNanos;
    /** Sealer: the newest cut was made then. */
    volatile long sealedNanos;
    /** First applier: the last round that was a commit ended then. */
    volatile long carriedNanos;
    /** Journal: the last commit ended then. */
    volatile long committedNanos;
    /** Journal: how long the last commit took, from the cut on. */
    volatile long commitNanos;
    /** The first commit since the image had everything was made then; 0 if it has. See {@link #commit}, {@link #retire}. */
    volatile long unappliedSinceNanos;
    /** Sealer: the capture of the sealed epoch has rested now and then, because nobody waited for it. */
    volatile boolean isPaced;
    /** Sealer: since when the device has been dirty without a break, as of the last cut; 0 if it was clean since. */
    volatile long dirtySinceNanos;
    /** Who commits. */
    volatile @Nullable Instant commitTime;

    /** Journal: it failed twice in a row and takes nothing more until it works again. */
    volatile boolean frozen;

    /** Mode: how old a change may become that is not durable, or NEVER. */
    volatile long intervalNanos = Clock.NEVER;

    Standing(Clock clock, Epochs epochs, Signal sealerSignal, Runnable wakeAppliers) {
        this.clock = clock;
        this.epochs = epochs;
        this.sealerSignal = sealerSignal;
        this.journalSignal = new Signal(clock);
        this.wakeAppliers = wakeAppliers;
        long before = epochs.open() - 1;
        sealed = before;
        captured = before;
        committed = before;
        imaged = before;
        truncateTo = before;
        truncated = before;
        roundToNote = before;
        roundNoted = before;
        demanded = new AtomicLong(before);
        drainTo = new AtomicLong(before);
    }

    /**
     * Notes that an epoch is durable in the journal; by the journal. Dekker with {@link #retire}: each of the two moves its own number
     * before it looks at the other's, so that whoever comes last sees that the image lacks something.
     */
    void commit(long epoch, long nanos) {
        committed = epoch;
        if (unappliedSinceNanos == 0) {
            unappliedSinceNanos = nanos;
        }
    }

    /** Notes that the image has everything up to an epoch; by the first applier. See {@link #commit}. */
    void retire(long epoch, long nanos) {
        imaged = epoch;
        unappliedSinceNanos = 0;
        if (committed > epoch) {
            unappliedSinceNanos = nanos;
        }
    }

    /**
     * Whether an epoch is sealed whose versions are kept, and not committed. One that was sealed without versions, and whose round
     * failed, is none of the journal's: what the image lacks of it is in the epoch that it was carried into.
     */
    boolean isCommitPending() {
        return pendingCommit() != NONE;
    }

    /**
     * The epoch that is sealed, whose versions are kept, and which is not committed; or {@link #NONE}. Whoever wants its number takes it from here:
     * the sealer may seal the next one between two looks, and the one before is committed, or was sealed without versions.
     */
    long pendingCommit() {
        long newest = sealed;
        return newest > committed && newest >= carried ? newest : NONE;
    }

    /** Asks for an epoch to be committed soon. */
    void demand(long epoch) {
        if (demanded.get() < epoch) {
            demanded.accumulateAndGet(epoch, Math::max);
        }
        sealerSignal.raise();
    }

    /** Whether somebody waits for a commit. */
    boolean isCommitUrgent() {
        return pressed || demanded.get() > committed;
    }

    /** Whether somebody waits for the image, or for the journal's space, or the image lacks what it once had. */
    boolean isImageUrgent() {
        return spacePressed || isImageWaitedFor();
    }

    /** The same, but for the journal's space. */
    boolean isImageWaitedFor() {
        return rewriting || drainTo.get() > imaged;
    }

    /** Whether the image may wait until clients rest: in {@code unsafe}, but not on battery, when it is all that is going to be left. */
    boolean isLazy() {
        return carriesLazily && !applyHeld;
    }

    /** When the oldest change was made that is not committed yet, or 0 if there is none. */
    long oldestUncommittedNanos() {
        long first = sealedFirstNanos;
        return first != 0 ? first : epochs.firstDirtyNanos(epochs.open());
    }

    /** Whether the oldest uncommitted change has reached the age that the mode promises at most. */
    boolean isOverdue() {
        long interval = intervalNanos;
        if (interval == Clock.NEVER) {
            return false;
        }
        long oldest = oldestUncommittedNanos();
        return oldest != 0 && clock.nanoTime() - oldest >= interval;
    }
}
