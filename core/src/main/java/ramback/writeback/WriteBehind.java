package ramback.writeback;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.LongAdder;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;
import ramback.backing.Backing;
import ramback.clock.Agent;
import ramback.clock.AgentThread;
import ramback.clock.Backoff;
import ramback.clock.Clock;
import ramback.clock.Rate;
import ramback.clock.Signal;
import ramback.image.ChunkStore;
import ramback.image.DirtyCount;
import ramback.image.Epochs;
import ramback.image.Promises;
import ramback.journal.EpochLog;
import ramback.posix.PosixException;
import ramback.trace.Trace;
import ramback.trace.TraceEvent;

/**
 * Carries changes to the image, epoch by epoch: the sealer cuts and captures, the appliers write what is stale in the
 * order of its address and make it durable, and only then is it clean. Without a journal, which is all there is today,
 * one epoch is under way at a time: nothing is captured while a round of applying runs.
 *
 * <pre>
 *   sealer    cut ─ grace ─ capture ──▶ sealed
 *   applier-0                           copy under L, write, … ─ sync ─ clean ──▶ committed
 *   applier-n                           (help when it is urgent)
 * </pre>
 *
 * <p>An epoch is cut when a request waits for it, when dirty data comes near its limit, or when its oldest change has reached
 * the lag. Safe for use by many threads.
 */
public final class WriteBehind implements Promises {

    /** The least number of dirty chunks a limit allows: one run of any request and some room to work. */
    public static final int DIRTY_CHUNKS_MIN = 64;

    /** How many appliers write at once when it is urgent; otherwise one does. */
    public static final int APPLIER_COUNT = 4;

    private static final long RETRY_NANOS_MIN = 200_000_000L;
    private static final long RETRY_NANOS_MAX = 30_000_000_000L;
    /** A part of a round is made durable and clean when it has lasted as long. */
    private static final long PART_NANOS_MAX = 1_000_000_000L;

    private static final int BATCH_WORDS = 16;
    private static final int BUFFER_ALIGNMENT = 4096;

    private final ChunkStore store;
    private final Epochs epochs;
    private final DirtyCount dirty;
    private final Backing backing;
    private final EpochLog log;
    private final Clock clock;
    private final Trace trace;
    private final Faults faults;
    private final long lagNanos;
    private final Throttle throttle;
    private final Rate writeRate;
    private final LongAdder savedChunks = new LongAdder();
    private final Runnable onCommit;

    private final Signal sealerSignal;
    private final Sealer sealer = new Sealer();
    private final List<Applier> appliers = new ArrayList<>();
    private final List<AgentThread> threads = new ArrayList<>();
    private final ApplyRound round;

    private final AtomicLong demanded = new AtomicLong(-1);
    private volatile long committed = -1;
    private volatile @Nullable Instant commitTime;
    private volatile boolean pressed;
    private volatile boolean cutDue;

    /** The epoch being applied, or -1. Set by the sealer, cleared by the applier that ends the round. */
    private volatile long applying = -1;

    /** The first change of the epoch that is being applied was made then; 0 if none is. */
    private volatile long applyingFirstNanos;

    /** Since when the device has been dirty without a break, as of the last cut; 0 if it was clean since. */
    private volatile long dirtySinceNanos;

    /** When to try again after a round in which something failed; NEVER if all is well. */
    private volatile long retryNanos = Clock.NEVER;

    private final ReentrantLock waiting = new ReentrantLock();
    private final Condition roundEnded = waiting.newCondition();
    private long roundsEnded;

    /**
     * Write-behind of a store to an image.
     *
     * @param lagNanos how old a change may get before its epoch is cut
     * @param limitBytes the hard limit on dirty bytes
     * @param onCommit called when requests that wait may be over; must not block
     */
    public WriteBehind(
            ChunkStore store,
            Epochs epochs,
            DirtyCount dirty,
            Backing backing,
            EpochLog log,
            Clock clock,
            Trace trace,
            Faults faults,
            long lagNanos,
            long limitBytes,
            Runnable onCommit,
            Signal sealerSignal) {
        if (log.keepsVersions()) {
            throw new IllegalArgumentException("write-behind with a journal is not built yet");
        }
        this.store = store;
        this.epochs = epochs;
        this.dirty = dirty;
        this.backing = backing;
        this.log = log;
        this.clock = clock;
        this.trace = trace;
        this.faults = faults;
        this.lagNanos = lagNanos;
        this.onCommit = onCommit;
        this.sealerSignal = sealerSignal;
        this.writeRate = new Rate(clock);
        this.round = new ApplyRound(store, writeRate);
        this.throttle = new Throttle(clock, dirty, store.layout().chunkBytes(), limitBytes, this::cutSoon, this::press);
        for (int i = 0; i < APPLIER_COUNT; i++) {
            appliers.add(new Applier(i));
        }
    }

    /** The sealer and the appliers, to be stepped; a simulation's alternative to {@link #start}. */
    public List<Agent> agents() {
        List<Agent> agents = new ArrayList<>(appliers);
        agents.add(sealer);
        return agents;
    }

    /** Starts the threads. */
    public void start() {
        threads.add(AgentThread.start(sealer, clock, sealerSignal));
        for (Applier applier : appliers) {
            threads.add(AgentThread.start(applier, clock, applier.signal));
        }
    }

    /** Stops the threads after what they are doing now; what is dirty then stays dirty. */
    public void stop() {
        threads.forEach(AgentThread::stop);
        appliers.forEach(applier -> applier.arena.close());
    }

    // --------------------------------------------------------------------------------------------------- promises

    @Override
    public long committed() {
        return committed;
    }

    @Override
    public void demand(long epoch) {
        if (committed >= epoch) {
            return;
        }
        if (demanded.get() < epoch) {
            demanded.accumulateAndGet(epoch, Math::max);
        }
        if (epochs.open() <= epoch || applying >= 0) {
            sealerSignal.raise();
            wakeAppliers();
        }
    }

    /** Asks for everything that is dirty now to be made durable soon; does not wait. */
    public void demandAll() {
        if (dirty.chunkCount() > 0) {
            demand(epochs.open());
        }
    }

    /** Cuts the open epoch without waiting for its lag, but without haste. */
    private void cutSoon() {
        if (!cutDue) {
            cutDue = true;
            sealerSignal.raise();
        }
    }

    private void press() {
        if (!pressed) {
            pressed = true;
            sealerSignal.raise();
            wakeAppliers();
        }
    }

    private void wakeAppliers() {
        if (applying >= 0) {
            for (Applier applier : appliers) {
                applier.signal.raise();
            }
        }
    }

    /** What bounds dirty data. */
    public Throttle throttle() {
        return throttle;
    }

    /** When the newest epoch became durable, or null. */
    public @Nullable Instant commitTime() {
        return commitTime;
    }

    /** Chunks carried to the image since the start. */
    public long savedChunkCount() {
        return savedChunks.sum();
    }

    /** Bytes a second written to the image lately. */
    public double bytesPerSecond() {
        return writeRate.perSecond();
    }

    /** When the oldest change was made that is not durable yet, or 0 if there is none. */
    public long oldestDirtyNanos() {
        if (dirty.chunkCount() == 0) {
            return 0;
        }
        long applyingFirst = applyingFirstNanos;
        return applyingFirst != 0 ? applyingFirst : epochs.firstDirtyNanos(epochs.open());
    }

    /** When the device was clean for the last time, or 0 if it is now. */
    public long lastCleanNanos() {
        if (dirty.chunkCount() == 0) {
            return 0;
        }
        long since = dirtySinceNanos;
        return since != 0 ? since : epochs.firstDirtyNanos(epochs.open());
    }

    /**
     * Waits until everything that was changed before this call is durable in the image, or a round fails.
     *
     * @return whether it is durable
     */
    public boolean drain() throws InterruptedException {
        long target = epochs.open();
        if (dirty.chunkCount() == 0) {
            return true;
        }
        waiting.lock();
        try {
            demand(target);
            long failuresBefore = faults.count();
            while (committed < target) {
                long seen = roundsEnded;
                while (roundsEnded == seen && committed < target) {
                    roundEnded.await();
                }
                if (committed < target && faults.isApplyFailing() && faults.count() > failuresBefore) {
                    return false;
                }
            }
            return true;
        } finally {
            waiting.unlock();
        }
    }

    // ----------------------------------------------------------------------------------------------------- sealer

    private final class Sealer implements Agent {

        private final Backoff backoff = new Backoff();

        @Override
        public String name() {
            return "sealer";
        }

        @Override
        public long step() {
            giveMemoryBack();
            long dueNanos = sealWhenDue();
            // One batch a step: a client that trims without end must not keep epochs from being sealed.
            return store.hasMemoryToGiveBack() ? 0 : dueNanos;
        }

        private long sealWhenDue() {
            if (applying >= 0) {
                return Clock.NEVER;
            }
            long now = clock.nanoTime();
            long dueNanos = dueNanos(now);
            if (dueNanos > now) {
                return dueNanos;
            }
            seal();
            return Clock.NEVER;
        }

        private long dueNanos(long now) {
            long open = epochs.open();
            if (demanded.get() >= open) {
                return now;
            }
            long first = epochs.firstDirtyNanos(open);
            if (first == 0 || retryNanos != Clock.NEVER) {
                // After a failure whoever presses waits with the rest: a failing disk is not asked without a pause.
                return retryNanos;
            }
            return pressed || cutDue ? now : first + lagNanos;
        }

        private void seal() {
            pressed = false;
            cutDue = false;
            retryNanos = Clock.NEVER;
            long firstNanos = epochs.firstDirtyNanos(epochs.open());
            if (applyingFirstNanos == 0) {
                applyingFirstNanos = firstNanos;
            }
            if (dirtySinceNanos == 0) {
                dirtySinceNanos = firstNanos;
            }
            long sealed = epochs.cut();
            epochs.awaitGrace(backoff);
            int parity = (int) (sealed & 1);
            long chunkCount = 0;
            for (long word = store.table().nextDirtyWord(parity, 0);
                    word >= 0;
                    word = store.table().nextDirtyWord(parity, word + 1)) {
                chunkCount += store.captureWord(sealed, word, backoff);
            }
            trace.record(TraceEvent.SEAL, sealed, chunkCount);
            round.begin();
            applying = sealed;
            // One applier is enough while nobody waits; the others join when that changes.
            appliers.getFirst().signal.raise();
            if (isUrgent()) {
                wakeAppliers();
            }
        }

        private void giveMemoryBack() {
            try {
                store.giveMemoryBack(backoff);
            } catch (PosixException e) {
                faults.note(Faults.Kind.APPLY, 0, e);
            }
        }
    }

    /** Whether somebody waits for what write-behind has to do now: a request, a flush, a throttled writer. */
    public boolean isUrgent() {
        return pressed || demanded.get() > committed;
    }

    // --------------------------------------------------------------------------------------------------- appliers

    private final class Applier implements Agent {

        private final int number;
        private final Signal signal = new Signal(clock);
        private final Backoff backoff = new Backoff();
        private final Arena arena = Arena.ofShared();
        private final long[] words = new long[BATCH_WORDS];
        private @Nullable Runs runs;
        private long partBeganNanos;
        private long cleanedChunks;
        private long beganEpoch = -1;
        private long retryDelayNanos = RETRY_NANOS_MIN;

        Applier(int number) {
            this.number = number;
        }

        @Override
        public String name() {
            return "applier-" + number;
        }

        @Override
        public long step() {
            long epoch = applying;
            if (epoch < 0 || (number > 0 && !isUrgent())) {
                return Clock.NEVER;
            }
            if (beganEpoch != epoch) {
                beganEpoch = epoch;
                cleanedChunks = 0;
                beginPart();
            }
            int count = round.take(words);
            if (count > 0) {
                try {
                    write(count);
                } catch (RuntimeException | Error e) {
                    // A programmer's error: the round must end all the same, and its chunks stay stale.
                    round.noteFailed(words[0] << 6, (words[count - 1] << 6) + 63);
                    runs = null;
                    throw e;
                } finally {
                    round.done();
                    // Only the first applier ends the round, and it may be waiting for this batch.
                    appliers.getFirst().signal.raise();
                }
                if (number == 0 && clock.nanoTime() - partBeganNanos > PART_NANOS_MAX) {
                    round.closePart();
                }
                return 0;
            }
            if (number == 0 && round.isPartOver()) {
                endPart();
                if (round.nextPart()) {
                    if (isUrgent()) {
                        wakeAppliers();
                    }
                    return 0;
                }
                end(epoch);
            }
            return Clock.NEVER;
        }

        private void write(int count) {
            Runs mine = runs;
            if (mine == null) {
                MemorySegment bounce = arena.allocate(Runs.bounceBytes(store.layout()), BUFFER_ALIGNMENT);
                mine = new Runs(store, backing, trace, faults, round, bounce);
                runs = mine;
            }
            for (int i = 0; i < count; i++) {
                mine.add(words[i], store.table().stale(words[i]));
            }
            mine.finish();
        }

        private void beginPart() {
            partBeganNanos = clock.nanoTime();
        }

        /** Makes a part of the round durable, and only then what it carried clean. */
        private void endPart() {
            long first = round.partFirstWord();
            long end = round.partEndWord();
            if (sync()) {
                long cleaned = 0;
                for (long word = store.table().nextStaleWord(first);
                        word >= 0 && word < end;
                        word = store.table().nextStaleWord(word + 1)) {
                    long mask = store.table().stale(word) & ~round.failedMask(word);
                    store.cleanWord(word, mask, backoff);
                    cleaned += Long.bitCount(mask);
                }
                savedChunks.add(cleaned);
                cleanedChunks += cleaned;
                noteRate(cleaned);
            } else {
                // What was written since the last good sync may be lost: all of it stays stale and is written again.
                round.noteFailed(first << 6, (end << 6) - 1);
            }
            beginPart();
        }

        private void end(long epoch) {
            boolean whole = !round.hasFailed();
            if (whole) {
                commit(epoch, cleanedChunks);
                retryDelayNanos = RETRY_NANOS_MIN;
            } else {
                retryNanos = clock.nanoTime() + retryDelayNanos;
                retryDelayNanos = Math.min(RETRY_NANOS_MAX, retryDelayNanos * 2);
            }
            applying = -1;
            waiting.lock();
            try {
                roundsEnded++;
                roundEnded.signalAll();
            } finally {
                waiting.unlock();
            }
            sealerSignal.raise();
            onCommit.run();
        }

        private boolean sync() {
            try {
                backing.sync();
                return true;
            } catch (IOException e) {
                faults.note(Faults.Kind.SYNC, 0, e);
                return false;
            }
        }

        private void commit(long epoch, long chunkCount) {
            try {
                log.commit(epoch, clock.now());
                log.truncate(epoch);
            } catch (IOException e) {
                throw new IllegalStateException("a log that keeps nothing can't fail", e);
            }
            applyingFirstNanos = 0;
            if (dirty.chunkCount() == 0) {
                dirtySinceNanos = 0;
            }
            committed = epoch;
            commitTime = clock.now();
            faults.noteApplied();
            trace.record(TraceEvent.COMMIT, epoch, chunkCount);
        }

        private void noteRate(long cleaned) {
            long nanos = clock.nanoTime() - partBeganNanos;
            if (cleaned > 0 && nanos > 0) {
                throttle.noteRate(cleaned * (double) store.layout().chunkBytes() / nanos * 1e9);
            }
        }
    }
}
