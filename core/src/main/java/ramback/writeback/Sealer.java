package ramback.writeback;

import org.jspecify.annotations.Nullable;
import ramback.clock.Agent;
import ramback.clock.Backoff;
import ramback.clock.Clock;
import ramback.image.ChunkStore;
import ramback.image.DirtyCount;
import ramback.journal.EpochLog;
import ramback.mutant.Mutant;
import ramback.posix.PosixException;
import ramback.trace.FlightEpoch;
import ramback.trace.Trace;
import ramback.trace.TraceEvent;

/**
 * Cuts epochs and captures them. An epoch is cut when somebody waits for it, when dirty data comes near its limit, or when
 * its oldest change has reached an age; never before the last one is committed, so that all who wait meanwhile share the
 * next commit. With a journal the versions go to the ring, and rounds of applying run beside it; without one, capture only marks what is
 * stale, and the round that follows is the commit. In {@code unsafe} an age alone does not cut while clients write: see
 * {@link #lazyDueNanos}.
 */
final class Sealer implements Agent {

    /** How many words a step captures at most. */
    private static final int STEP_WORD_COUNT = 256;

    /** A step ends when it has captured so much. */
    private static final int STEP_BYTES = 1 << 20;

    /** When the ring was full, look again after so long, should nobody signal. */
    private static final long ROOM_LOOK_NANOS = 2_000_000L;

    /** In {@code checkpoint} the cut comes at this share of the interval, or earlier; the other half is for the commit. */
    private static final int INTERVAL_SHARE = 2;

    private static final int INTERVAL_SHARE_MIN = 8;

    /** Whoever waits for a commit waits for company at most this share of the last one's time. */
    private static final int COMPANY_SHARE = 8;

    private static final long COMPANY_NANOS_MAX = 2_000_000L;

    /** While nobody waits for an epoch, its capture rests as long after each step, so that clients keep the processors. */
    private static final long PACE_NANOS = 500_000L;

    /** For this share of the epoch's greatest age at most; what is left by then is captured without a rest. */
    private static final int PACE_SHARE = 4;

    /** A cut that is due after this share of its age, in percent, is made at a FLUSH that asks for nothing. */
    private static final int NEARLY_DUE_PERCENT = 75;

    /** In {@code unsafe} clients count as resting when nothing was stored for this share of the lag. */
    private static final int QUIET_SHARE = 5;

    /** In {@code unsafe} an epoch is cut, whoever writes, so many lags after its first change and after the round before. */
    private static final int LAZY_LAGS = 6;

    private final Standing standing;
    private final ChunkStore store;
    private final DirtyCount dirty;
    private final Versions versions;
    private final JournalSpace space;
    private final EpochLog log;
    private final Trace trace;
    private final Faults faults;
    private final long lagNanos;
    private final ApplyRound round;
    private final Backoff backoff = new Backoff();

    private boolean isCapturing;
    private long cursorWord;
    private long chunkCount;
    private long restUntilNanos;
    private long entryCount;
    private long quietSinceNanos;
    private @Nullable FlightEpoch flight;
    /** When to try again after a round without a journal in which something failed; NEVER if all is well. */
    private volatile long retryNanos = Clock.NEVER;

    Sealer(
            Standing standing,
            ChunkStore store,
            DirtyCount dirty,
            Versions versions,
            EpochLog log,
            Trace trace,
            Faults faults,
            long lagNanos,
            ApplyRound round) {
        this.standing = standing;
        this.store = store;
        this.dirty = dirty;
        this.versions = versions;
        this.space = versions.journalSpace();
        this.log = log;
        this.trace = trace;
        this.faults = faults;
        this.lagNanos = lagNanos;
        this.round = round;
    }

    @Override
    public String name() {
        return "sealer";
    }

    @Override
    public long step() {
        giveMemoryBack();
        long dueNanos = isCapturing ? capture() : cutWhenDue();
        // One batch a step: a client that trims without end must not keep epochs from being sealed.
        return store.hasMemoryToGiveBack() ? 0 : dueNanos;
    }

    private void giveMemoryBack() {
        try {
            store.giveMemoryBack(backoff);
        } catch (PosixException e) {
            faults.note(Faults.Kind.APPLY, 0, e);
        }
    }

    /** Tells when to go on after a failed round without a journal. */
    void retryAt(long nanos) {
        retryNanos = nanos;
    }

    // -------------------------------------------------------------------------------------------------------- cut

    private long cutWhenDue() {
        boolean keeps = versions.keepsVersions();
        if (keeps ? standing.isCommitPending() : standing.applying >= 0) {
            return Clock.NEVER;
        }
        if (standing.carryWanted) {
            carry();
            keeps = true;
        }
        long pause = standing.pauseNumber;
        if (standing.pauseWanted) {
            standing.boundary = -1;
            standing.sealerRests = pause;
            return Clock.NEVER;
        }
        if (keeps && standing.boundaryWanted) {
            declareBoundary();
        }
        long now = standing.clock.nanoTime();
        long dueNanos = keeps ? dueNanos(now) : dueNanosWithoutVersions(now);
        if (dueNanos > now) {
            return dueNanos;
        }
        if (keeps && !hasSpaceForAnother()) {
            standing.spacePressed = true;
            standing.wakeAppliers.run();
            return Clock.NEVER;
        }
        cut(keeps);
        return capture();
    }

    private long dueNanos(long now) {
        long open = standing.epochs.open();
        if (standing.demanded.get() >= open) {
            return standing.committedNanos + companyNanos();
        }
        long first = standing.epochs.firstDirtyNanos(open);
        if (first == 0) {
            return Clock.NEVER;
        }
        return standing.pressed || standing.cutDue ? now : first + cutAgeNanos();
    }

    /**
     * How long a cut that is asked for waits after a commit: those who were just answered write and ask again, and the first of them
     * would otherwise have the next commit for itself and leave the others to the one after.
     */
    private long companyNanos() {
        return Math.min(COMPANY_NANOS_MAX, standing.commitNanos / COMPANY_SHARE);
    }

    /** How old the oldest change of an epoch may get; in {@code checkpoint}, so that its commit ends within the interval. */
    private long cutAgeNanos() {
        long interval = standing.intervalNanos;
        if (interval == Clock.NEVER) {
            return lagNanos;
        }
        long rest = interval - INTERVAL_SHARE * standing.commitNanos;
        return Math.max(interval / INTERVAL_SHARE_MIN, Math.min(interval / INTERVAL_SHARE, rest));
    }

    private long dueNanosWithoutVersions(long now) {
        long open = standing.epochs.open();
        if (standing.demanded.get() >= open) {
            return now;
        }
        long first = standing.epochs.firstDirtyNanos(open);
        if (retryNanos != Clock.NEVER) {
            // After a failure whoever presses waits with the rest: a failing disk is not asked without a pause.
            return retryNanos;
        }
        if (first == 0 && dirty.chunkCount() == 0) {
            return Clock.NEVER;
        }
        if (standing.pressed || standing.cutDue) {
            return now;
        }
        // Without a change there may still be what the image lacks from before the journal was suspended.
        long since = first == 0 ? standing.sealedNanos : first;
        return standing.isLazy() ? lazyDueNanos(now, since) : since + lagNanos;
    }

    /**
     * When an epoch is due that nobody waits for, in {@code unsafe}: at the age at which it always is, but not before clients rest. A round
     * would take processors and the disk from those who write, for data that they may be about to change again or delete. But
     * whoever writes all the time does not put it off for ever: what a stop has to carry would grow to the whole device.
     */
    private long lazyDueNanos(long now, long sinceNanos) {
        long count = standing.epochs.entryCount();
        if (count != entryCount) {
            entryCount = count;
            quietSinceNanos = now;
        }
        long restedNanos = Math.max(sinceNanos + lagNanos, quietSinceNanos + Math.max(1, lagNanos / QUIET_SHARE));
        return Math.min(restedNanos, Math.max(sinceNanos, standing.carriedNanos) + LAZY_LAGS * lagNanos);
    }

    /**
     * What a cut takes of the journal besides what was reserved by the writers must be there. The last such piece is kept
     * for the epoch that a retire waits for: without it the journal could never be emptied.
     */
    private boolean hasSpaceForAnother() {
        long free = log.capacityBytes() - log.usedBytes() - space.reservedBytes(dirty);
        boolean isForRetire = standing.retireReady >= 0 && standing.retireAfter >= standing.epochs.open();
        return free >= (isForRetire ? 1 : 2) * JournalSpace.EPOCH_BYTES;
    }

    private void cut(boolean keeps) {
        standing.pressed = false;
        standing.cutDue = false;
        retryNanos = Clock.NEVER;
        long open = standing.epochs.open();
        noteFirst(standing.epochs.firstDirtyNanos(open));
        standing.sealedNanos = standing.clock.nanoTime();
        standing.sealed = open;
        flight = trace.isRecorded() ? FlightEpoch.open() : null;
        standing.epochs.cut();
        if (Mutant.COMMIT_BEFORE_CAPTURED.isOn() && keeps) {
            standing.captured = open;
            standing.journalSignal.raise();
        }
        standing.epochs.awaitGrace(backoff);
        // An epoch that was cut without a change may have got its first one while it was.
        noteFirst(standing.epochs.firstDirtyNanos(open));
        isCapturing = true;
        cursorWord = 0;
        chunkCount = 0;
        standing.isPaced = false;
        restUntilNanos = keeps ? standing.sealedNanos + cutAgeNanos() / PACE_SHARE : 0;
    }

    private void noteFirst(long firstNanos) {
        if (standing.sealedFirstNanos == 0) {
            standing.sealedFirstNanos = firstNanos;
        }
        if (standing.dirtySinceNanos == 0) {
            standing.dirtySinceNanos = firstNanos;
        }
    }

    /** Whether the open epoch is about to be cut anyway. For any thread. */
    boolean isNearlyDue() {
        long first = standing.epochs.firstDirtyNanos(standing.epochs.open());
        return first != 0 && standing.clock.nanoTime() - first >= cutAgeNanos() * NEARLY_DUE_PERCENT / 100;
    }

    // ---------------------------------------------------------------------------------------------------- capture

    /** Captures some words; returns when to go on. */
    private long capture() {
        long sealed = standing.sealed;
        int parity = (int) (sealed & 1);
        long stepEndCount =
                chunkCount + Math.max(1, STEP_BYTES >>> store.layout().chunkShift());
        for (int i = 0; i < STEP_WORD_COUNT && chunkCount < stepEndCount; i++) {
            long word = store.table().nextDirtyWord(parity, cursorWord);
            if (word < 0) {
                end(sealed);
                return 0;
            }
            cursorWord = word;
            int captured = store.captureWord(sealed, word, backoff);
            if (captured == ChunkStore.NO_ROOM) {
                standing.journalSignal.raise();
                return standing.clock.nanoTime() + ROOM_LOOK_NANOS;
            }
            chunkCount += captured;
            cursorWord = word + 1;
        }
        if (versions.keepsVersions()) {
            standing.journalSignal.raise();
        }
        return restNanos();
    }

    /** When to go on with a capture that nobody waits for: it would take a whole processor for as long as it lasts. */
    private long restNanos() {
        long now = standing.clock.nanoTime();
        if (now >= restUntilNanos || standing.isCommitUrgent()) {
            return 0;
        }
        standing.isPaced = true;
        return now + PACE_NANOS;
    }

    private void end(long sealed) {
        isCapturing = false;
        trace.record(TraceEvent.SEAL, sealed, chunkCount);
        FlightEpoch event = flight;
        if (event != null) {
            event.end(sealed, chunkCount);
            flight = null;
        }
        standing.captured = sealed;
        if (versions.keepsVersions()) {
            standing.journalSignal.raise();
        } else {
            // No log takes it: from here on only the image's horizon counts.
            dirty.settle((int) (sealed & 1));
            round.begin(false);
            standing.applying = sealed;
            standing.wakeAppliers.run();
        }
    }

    // ----------------------------------------------------------------------------------------------------- rounds

    /** Between two captures: what is stale now is what the next round carries. */
    private void declareBoundary() {
        standing.boundaryWanted = false;
        if (standing.boundary >= 0 && !Mutant.BOUNDARY_DECLARED_TWICE.isOn()) {
            // Asked for by an applier that had not yet seen the boundary it got. Another one in the middle of its round
            // would forget what was captured since, and the round would take it for its own.
            return;
        }
        store.table().clearNewer();
        store.table().tidyStaleSummary();
        standing.boundary = standing.sealed;
        standing.wakeAppliers.run();
    }

    /** Leaves {@code unsafe}: everything that the image may lack belongs to the open epoch, and versions are kept from it on. */
    private void carry() {
        long open = standing.epochs.open();
        if (!Mutant.STALE_NOT_CARRIED.isOn()) {
            for (long word = store.table().nextStaleWord(0);
                    word >= 0;
                    word = store.table().nextStaleWord(word + 1)) {
                store.carryWord(open, word, backoff);
            }
        }
        // First: whoever sees that versions are kept again knows from which epoch on.
        standing.carried = open;
        versions.keep(true);
        standing.demand(open);
        standing.pauseWanted = false;
        standing.carryWanted = false;
    }
}
