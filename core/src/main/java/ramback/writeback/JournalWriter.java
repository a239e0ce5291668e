package ramback.writeback;

import java.io.IOException;
import org.jspecify.annotations.Nullable;
import ramback.clock.Agent;
import ramback.clock.Clock;
import ramback.clock.Rate;
import ramback.image.DirtyCount;
import ramback.journal.EpochLog;
import ramback.journal.VersionBatch;
import ramback.mutant.Mutant;
import ramback.trace.FlightCommit;
import ramback.trace.Trace;
import ramback.trace.TraceEvent;

/**
 * Writes captured versions to the journal and commits: the only one that calls the log while write-behind runs. What was
 * appended keeps its room in the ring until it is durable, so that after a failure all of it can be written again: a failed
 * sync may have dropped what it was for, and is never just repeated.
 */
final class JournalWriter implements Agent {

    /** The most payload in a batch. */
    static final int BATCH_BYTES_MAX = 1 << 20;

    private static final long RETRY_NANOS_MIN = 200_000_000L;
    private static final long RETRY_NANOS_MAX = 30_000_000_000L;
    private static final long COPY_LOOK_NANOS = 100_000L;

    /** While the ring is crowded, what lies between two barriers. */
    private static final int STRIDES_OF_RING = 4;

    /** What the journal's rate is measured with, in steps of what lies between two barriers while the ring is crowded. */
    private static final int REHEARSAL_COUNT = 4;

    private final Standing standing;
    private final EpochLog log;
    private final Versions versions;
    private final CaptureRing ring;
    private final int chunkBytes;
    private final DirtyCount dirty;
    private final Trace trace;
    private final Faults faults;
    private final Throttle throttle;
    private final Runnable onCommit;
    private final VersionBatch batch = new VersionBatch();
    private final Rate rate;

    /** Whether something of the sealed epoch was appended that is not durable yet. */
    private boolean isUnsynced;
    /** Whether something of the sealed epoch was appended at all: its end is then a commit, not another task. */
    private boolean isBegun;

    private long epochBytes;
    /** How long the log took for them; what a disk takes, however slowly the epoch was captured. */
    private long epochLogNanos;

    private @Nullable FlightCommit flight;
    private int failuresInRow;
    private long retryNanos;
    private volatile @Nullable IOException suspendFailure;
    private volatile int rehearsalsLeft;

    JournalWriter(
            Standing standing,
            EpochLog log,
            Versions versions,
            int chunkBytes,
            DirtyCount dirty,
            Trace trace,
            Faults faults,
            Throttle throttle,
            Runnable onCommit) {
        this.standing = standing;
        this.log = log;
        this.versions = versions;
        this.ring = versions.ring();
        this.chunkBytes = chunkBytes;
        this.dirty = dirty;
        this.trace = trace;
        this.faults = faults;
        this.throttle = throttle;
        this.onCommit = onCommit;
        this.rate = new Rate(standing.clock);
    }

    @Override
    public String name() {
        return "journal";
    }

    /** Payload bytes a second appended lately. */
    double bytesPerSecond() {
        return rate.perSecond();
    }

    /** What the last suspension failed with, or null. */
    @Nullable
    IOException suspendFailure() {
        return suspendFailure;
    }

    @Override
    public long step() {
        long now = standing.clock.nanoTime();
        if (now < retryNanos) {
            return retryNanos;
        }
        try {
            return work(now);
        } catch (IOException e) {
            return fail(now, e);
        } catch (RuntimeException e) {
            // A programmer's error. What was taken is not in the log, and must not count as if it were.
            ring.rewind();
            isUnsynced = false;
            throw e;
        }
    }

    private long work(long now) throws IOException {
        if (!isBegun && runTask()) {
            return 0;
        }
        long sealed = Mutant.SEAL_READ_TWICE.isOn() ? pendingReadTwice() : pendingCommit();
        if (sealed == Standing.NONE) {
            return Clock.NEVER;
        }
        // Read before the ring: what was captured by then is in it.
        boolean isComplete = standing.captured >= sealed;
        boolean isWorthTaking = isWorthTaking(isComplete);
        boolean isReleasable = isUnsynced && isCrowded() && (isStrideFull() || !isWorthTaking);
        if (!isReleasable && isWorthTaking) {
            return append(sealed) ? 0 : now + COPY_LOOK_NANOS;
        }
        if (isUnsynced && (isComplete || isReleasable)) {
            long began = standing.clock.nanoTime();
            log.barrier();
            epochLogNanos += standing.clock.nanoTime() - began;
            isUnsynced = false;
            ring.release();
            succeed();
            standing.sealerSignal.raise();
            return 0;
        }
        if (!isComplete) {
            return Clock.NEVER;
        }
        beginFlight();
        long began = standing.clock.nanoTime();
        log.commit(sealed, standing.clock.now());
        epochLogNanos += standing.clock.nanoTime() - began;
        succeed();
        committed(sealed);
        return 0;
    }

    /** The epoch that is to be committed, or {@link Standing#NONE}. */
    private long pendingCommit() {
        // In this order: when versions are kept again, the first epoch that has them is known.
        return versions.keepsVersions() ? standing.pendingCommit() : Standing.NONE;
    }

    private long pendingReadTwice() {
        long sealed = standing.sealed;
        standing.clock.nanoTime(); // where the simulation may let the sealer go on
        return pendingCommit() == Standing.NONE ? Standing.NONE : sealed;
    }

    /**
     * Small batches would fill the journal with descriptors: they are taken only when no more comes, or when the ring is
     * crowded and nothing in it can be released yet.
     */
    private boolean isWorthTaking(boolean isComplete) {
        if (!ring.hasMore()) {
            return false;
        }
        return isComplete
                || ring.usedBytes() - ring.takenBytes() >= Math.max(BATCH_BYTES_MAX, chunkBytes)
                || ring.usedEntryCount() - ring.takenEntryCount() >= VersionBatch.EXTENT_COUNT_MAX
                || (isCrowded() && !isUnsynced);
    }

    /** Half of the room is in use: what was appended had better become durable, so that it can be used again. */
    private boolean isCrowded() {
        return ring.usedBytes() * 2 >= ring.capacityBytes() || ring.usedEntryCount() * 2 >= ring.entryCountMax();
    }

    /**
     * So much of the room would be given back: a barrier for each batch would cost a disk more time than the bytes do, and one for
     * all that there is would keep the sealer waiting for as long.
     */
    private boolean isStrideFull() {
        return ring.takenBytes() * STRIDES_OF_RING >= ring.capacityBytes()
                || ring.takenEntryCount() * STRIDES_OF_RING >= ring.entryCountMax();
    }

    private boolean append(long epoch) throws IOException {
        if (ring.take(batch, Math.max(BATCH_BYTES_MAX, chunkBytes)) == 0) {
            return false;
        }
        if (batch.extentCount() == 0) {
            // Nothing but claims that were given up.
            if (!isUnsynced) {
                ring.release();
            }
            return true;
        }
        beginFlight();
        isBegun = true;
        isUnsynced = true;
        long began = standing.clock.nanoTime();
        log.append(epoch, batch);
        epochLogNanos += standing.clock.nanoTime() - began;
        long bytes = batch.payload().byteSize();
        epochBytes += bytes;
        rate.add(bytes);
        if (trace.isOn()) {
            trace.record(TraceEvent.APPEND, epoch, bytes);
        }
        return true;
    }

    /** Unless the epoch's first append, or a try that failed, has begun it already. */
    private void beginFlight() {
        if (flight == null && trace.isRecorded()) {
            flight = FlightCommit.open();
        }
    }

    private void committed(long epoch) {
        long now = standing.clock.nanoTime();
        long nanos = now - standing.sealedNanos;
        isBegun = false;
        // In this order: what is settled for the writers is used by the log already.
        dirty.settle((int) (epoch & 1));
        standing.commitNanos = nanos;
        standing.committedNanos = now;
        standing.commitTime = standing.clock.now();
        standing.sealedFirstNanos = 0;
        standing.commit(epoch, now);
        if (epochBytes >= BATCH_BYTES_MAX && !standing.isPaced) {
            throttle.noteLogRate(epochBytes * 1e9 / Math.max(1, nanos));
        } else if (epochBytes >= strideBytes()) {
            throttle.noteJournalRate(epochBytes * 1e9 / Math.max(1, epochLogNanos));
        }
        FlightCommit event = flight;
        if (event != null) {
            event.end(epoch, epochBytes, log.usedBytes());
            flight = null;
        }
        epochBytes = 0;
        epochLogNanos = 0;
        trace.record(TraceEvent.COMMIT, epoch, log.usedBytes());
        standing.sealerSignal.raise();
        standing.wakeAppliers.run();
        onCommit.run();
    }

    // ------------------------------------------------------------------------------------------------------ tasks

    private boolean runTask() throws IOException {
        if (standing.suspendWanted) {
            suspend();
            return true;
        }
        long toNote = standing.roundToNote;
        if (toNote > standing.roundNoted) {
            log.applying(toNote);
            succeed();
            standing.roundNoted = toNote;
            standing.wakeAppliers.run();
            return true;
        }
        long to = standing.truncateTo;
        if (to > standing.truncated) {
            long before = log.usedBytes();
            log.truncate(to);
            succeed();
            standing.truncatedBytes = before - log.usedBytes();
            standing.truncated = to;
            standing.wakeAppliers.run();
            onCommit.run();
            return true;
        }
        return rehearsalsLeft > 0 && !standing.isCommitPending() && rehearse();
    }

    /** Measures what the journal takes: a step at a time, so that a commit waits for one at most. */
    private boolean rehearse() throws IOException {
        int left = rehearsalsLeft;
        rehearsalsLeft = 0; // also if it fails: then there is something else to be seen to
        long before = standing.clock.nanoTime();
        long stride = strideBytes();
        long bytes = log.rehearse((REHEARSAL_COUNT - left) * stride, stride);
        if (bytes == stride) {
            throttle.noteJournalRate(bytes * 1e9 / Math.max(1, standing.clock.nanoTime() - before));
            rehearsalsLeft = left - 1;
        }
        return true;
    }

    private long strideBytes() {
        return Math.max(BATCH_BYTES_MAX, ring.capacityBytes() / STRIDES_OF_RING / chunkBytes * chunkBytes);
    }

    /** Has the journal's rate measured soon, with bytes of no meaning. For any thread. */
    void measure() {
        rehearsalsLeft = REHEARSAL_COUNT;
        standing.journalSignal.raise();
    }

    private void suspend() {
        try {
            log.suspend();
            succeed();
            // There is nothing left to be truncated.
            standing.truncated = standing.truncateTo;
            standing.roundNoted = standing.roundToNote;
            suspendFailure = null;
        } catch (IOException e) {
            suspendFailure = e;
            faults.note(Faults.Kind.JOURNAL, 0, e);
        }
        standing.suspendWanted = false;
    }

    // --------------------------------------------------------------------------------------------------- failures

    private void succeed() {
        failuresInRow = 0;
        // First: whoever is let in again finds that nothing fails any more.
        faults.noteCommitted();
        if (standing.frozen) {
            standing.frozen = false;
            onCommit.run();
        }
    }

    private long fail(long now, IOException failure) {
        faults.note(Faults.Kind.JOURNAL, 0, failure);
        ring.rewind();
        isUnsynced = false;
        failuresInRow++;
        if (failuresInRow == 1) {
            return 0;
        }
        // Written again and failed again: nothing more is promised until it works.
        standing.frozen = true;
        long pause = RETRY_NANOS_MIN << Math.min(failuresInRow - 2, 20);
        retryNanos = now + Math.min(RETRY_NANOS_MAX, pause);
        return retryNanos;
    }
}
