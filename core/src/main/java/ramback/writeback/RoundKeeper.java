package ramback.writeback;

import org.jspecify.annotations.Nullable;
import ramback.backing.Backing;
import ramback.clock.Backoff;
import ramback.clock.Clock;
import ramback.image.ChunkStore;
import ramback.image.DirtyCount;
import ramback.journal.EpochLog;
import ramback.mutant.Mutant;
import ramback.trace.FlightApply;
import ramback.trace.Trace;
import ramback.trace.TraceEvent;

/**
 * When rounds begin and what their end means; used by the first applier.
 *
 * <p>Without a journal the sealer begins a round with each epoch, and its end is the epoch's commit. With one, a round begins
 * when the image lags too far, the journal fills up, or somebody waits for the image:
 *
 * <pre>
 *   wanted ─ boundary (sealer) ─ committed, noted (journal) ─ round: write, sync, clean ─┬─ nothing left out ─────▶ retire
 *                                                                                       └─ what was left out committed ─▶
 * </pre>
 *
 * A chunk that RAM holds newer than the boundary is left out of the round. The journal may forget the version that the
 * round would have written only when it has a newer one.
 */
final class RoundKeeper {

    private static final long RETRY_NANOS_MIN = 200_000_000L;
    private static final long RETRY_NANOS_MAX = 30_000_000_000L;

    /** A round begins when so much of the journal is in use, in percent; it is urgent when so much is. */
    private static final int BEGIN_PERCENT = 25;

    private static final int URGENT_PERCENT = 50;

    /** While applying is held, a round begins only when so much of the journal is in use. */
    private static final int HELD_PERCENT = 75;

    /** A round that frees less says nothing about how fast space can be freed: most of its time went into waiting. */
    private static final long RATE_BYTES_MIN = 16L << 20;

    private static final int RATE_SHARE = 8;

    /** Of less, a disk's answer time is measured, and not what it takes. */
    private static final long IMAGE_BYTES_MIN = 1L << 20;

    private final Standing standing;
    private final ChunkStore store;
    private final DirtyCount dirty;
    private final EpochLog log;
    private final Versions versions;
    private final Trace trace;
    private final Faults faults;
    private final Throttle throttle;
    private final Sealer sealer;
    private final ApplyRound round;
    private final Runnable onCommit;
    private final long lagNanos;

    private final Backoff backoff = new Backoff();
    private boolean isLeft;
    private long cleanedChunks;
    private long retryNanos;
    private long retryDelayNanos = RETRY_NANOS_MIN;
    private long beganNanos;
    /** Whether the round under way, or the last one, was held for a while: its time says nothing. First applier. */
    private boolean wasHeld;

    private @Nullable FlightApply flight;

    RoundKeeper(
            Standing standing,
            ChunkStore store,
            DirtyCount dirty,
            EpochLog log,
            Versions versions,
            Trace trace,
            Faults faults,
            Throttle throttle,
            Sealer sealer,
            ApplyRound round,
            Runnable onCommit,
            long lagNanos) {
        this.standing = standing;
        this.store = store;
        this.dirty = dirty;
        this.log = log;
        this.versions = versions;
        this.trace = trace;
        this.faults = faults;
        this.throttle = throttle;
        this.sealer = sealer;
        this.round = round;
        this.onCommit = onCommit;
        this.lagNanos = lagNanos;
    }

    /** Whether somebody waits for the round under way. */
    boolean isUrgent() {
        return round.isBesideCaptures() ? isImageUrgent() : standing.isCommitUrgent() || standing.isImageUrgent();
    }

    private boolean isImageUrgent() {
        return standing.isImageUrgent() || log.usedBytes() * 100 >= log.capacityBytes() * URGENT_PERCENT;
    }

    /** Whether rounds are held, and nothing is so urgent that they must go on. */
    boolean isHeld() {
        return standing.applyHeld
                && !standing.pauseWanted
                && !standing.isImageWaitedFor()
                && log.usedBytes() * 100 < log.capacityBytes() * HELD_PERCENT;
    }

    // ---------------------------------------------------------------------------------------------------- rewrite

    /**
     * Makes stale what the image has lost, if somebody found that and now is the time. Before a boundary that is wanted is declared
     * it is not: the sealer tidies the stale plane's summary for that. A pause is somebody else's turn.
     */
    void rewriteIfWanted(Backing image) {
        boolean isTidying = standing.boundaryWanted && versions.keepsVersions();
        if (!standing.rewriteWanted || isTidying || standing.pauseWanted) {
            return;
        }
        // In this order: whoever drains finds one of the two at any moment, and whoever asks again, because more
        // is lost, finds the wish taken.
        standing.rewriting = true;
        standing.rewriteWanted = false;
        long first = image.intactBytes() >>> store.layout().chunkShift();
        store.distrustImage(first, backoff);
        // Afterwards: a round that begins meanwhile is failed too, one that begins later takes all that was marked.
        round.failAll();
        if (standing.unappliedSinceNanos == 0) {
            standing.unappliedSinceNanos = standing.clock.nanoTime();
        }
        standing.wakeAppliers.run();
        standing.sealerSignal.raise();
    }

    // ------------------------------------------------------------------------------------------------------ begin

    /** Does what there is to do between rounds; returns when to be asked again. */
    long next() {
        if (!versions.keepsVersions() || standing.pauseWanted) {
            // Who pauses gives up the journal's epochs, or has none: they need not be retired.
            standing.retireReady = -1;
            return Clock.NEVER;
        }
        if (standing.retireReady >= 0) {
            return retire();
        }
        long boundary = standing.boundary;
        if (boundary >= 0) {
            if (standing.committed < boundary) {
                return Clock.NEVER;
            }
            if (standing.roundNoted < boundary) {
                // Before the first write: from then on the image may have parts of these epochs.
                standing.roundToNote = boundary;
                standing.journalSignal.raise();
                return Clock.NEVER;
            }
            begin(boundary);
            return 0;
        }
        long now = standing.clock.nanoTime();
        long dueNanos = dueNanos(now);
        if (dueNanos <= now) {
            standing.boundaryWanted = true;
            standing.sealerSignal.raise();
            return Clock.NEVER;
        }
        return dueNanos;
    }

    private long dueNanos(long now) {
        if (now < retryNanos) {
            return retryNanos;
        }
        if (isHeld()) {
            return Clock.NEVER;
        }
        long capacity = log.capacityBytes();
        if (isImageUrgent() || log.usedBytes() * 100 >= capacity * BEGIN_PERCENT) {
            return now;
        }
        long since = standing.unappliedSinceNanos;
        return since == 0 ? Clock.NEVER : since + lagNanos;
    }

    private void begin(long boundary) {
        isLeft = false;
        wasHeld = false;
        beganNanos = standing.clock.nanoTime();
        trace.record(TraceEvent.ROUND, boundary, log.usedBytes());
        round.begin(true);
        standing.applying = boundary;
        if (isImageUrgent()) {
            standing.wakeAppliers.run();
        }
    }

    /** The first applier leaves a round alone for a while. */
    void noteHeld() {
        wasHeld = true;
    }

    /** The first applier takes up a round, whoever has begun it. */
    void noteTakenUp() {
        flight = trace.isRecorded() ? FlightApply.open() : null;
    }

    // -------------------------------------------------------------------------------------------------------- end

    void noteLeft(boolean some) {
        isLeft |= some;
    }

    void noteCleaned(long chunkCount, long nanos) {
        cleanedChunks += chunkCount;
        if (chunkCount > 0 && nanos > 0 && !wasHeld) {
            double bytes = chunkCount * (double) store.layout().chunkBytes();
            throttle.noteRate(bytes / nanos * 1e9);
            if (bytes >= IMAGE_BYTES_MIN) {
                throttle.noteImageRate(bytes / nanos * 1e9);
            }
        }
    }

    /**
     * Ends a round.
     *
     * @param isGivenUp whether it has parts that were not dealt with: then nothing of it may be retired
     */
    void end(long epoch, boolean isGivenUp) {
        boolean isWhole = !round.hasFailed();
        FlightApply event = flight;
        if (event != null) {
            event.end(epoch, cleanedChunks, isWhole && !isGivenUp);
            flight = null;
        }
        if (isWhole) {
            retryDelayNanos = RETRY_NANOS_MIN;
            faults.noteApplied();
            // What was marked is in this round, or the round has failed.
            standing.rewriting &= isGivenUp;
        } else {
            retryNanos = standing.clock.nanoTime() + retryDelayNanos;
            retryDelayNanos = Math.min(RETRY_NANOS_MAX, retryDelayNanos * 2);
        }
        if (round.isBesideCaptures()) {
            standing.boundary = -1;
            if (isWhole && !isGivenUp) {
                standing.retireAfter = isLeft && !Mutant.RETIRE_UNCOMMITTED.isOn() ? newestWithChanges() : -1;
                standing.retireReady = epoch;
            }
        } else if (isWhole) {
            commit(epoch);
        } else {
            sealer.retryAt(retryNanos);
        }
        cleanedChunks = 0;
        standing.applying = -1;
        standing.sealerSignal.raise();
        onCommit.run();
    }

    /**
     * The epoch that has what was left out, at the latest. Whoever saw a dirty mark, under the chunk's lock, sees its epoch's
     * first change: an open epoch without one has nothing of it, and need not be committed for it.
     */
    private long newestWithChanges() {
        long open = standing.epochs.open();
        return standing.epochs.firstDirtyNanos(open) == 0 ? open - 1 : open;
    }

    /** Without a journal: the epoch is durable because the image has it. */
    private void commit(long epoch) {
        standing.sealedFirstNanos = 0;
        if (dirty.chunkCount() == 0) {
            standing.dirtySinceNanos = 0;
        }
        standing.imaged = epoch;
        standing.carriedNanos = standing.clock.nanoTime();
        standing.commitTime = standing.clock.now();
        standing.committed = epoch;
        trace.record(TraceEvent.COMMIT, epoch, cleanedChunks);
    }

    private long retire() {
        long after = standing.retireAfter;
        if (standing.committed < after) {
            if (isImageUrgent()) {
                standing.demand(after);
            }
            return Clock.NEVER;
        }
        long epoch = standing.retireReady;
        if (standing.truncated < epoch) {
            if (standing.truncateTo < epoch) {
                standing.truncateTo = epoch;
                standing.journalSignal.raise();
            }
            return Clock.NEVER;
        }
        retired(epoch);
        return 0;
    }

    private void retired(long epoch) {
        long now = standing.clock.nanoTime();
        long freed = standing.truncatedBytes;
        trace.record(TraceEvent.RETIRE, epoch, freed);
        if (!wasHeld && freed >= Math.min(RATE_BYTES_MIN, log.capacityBytes() / RATE_SHARE)) {
            throttle.noteSpaceRate(freed * 1e9 / Math.max(1, now - beganNanos));
        }
        standing.retire(epoch, now);
        if (dirty.chunkCount() == 0) {
            standing.dirtySinceNanos = 0;
        }
        standing.spacePressed = false;
        standing.retireReady = -1;
        standing.sealerSignal.raise();
        onCommit.run();
    }
}
