package ramback.writeback;

import java.io.IOException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.LongAdder;
import org.jspecify.annotations.Nullable;
import ramback.backing.Backing;
import ramback.clock.Agent;
import ramback.clock.AgentThread;
import ramback.clock.Clock;
import ramback.clock.Rate;
import ramback.clock.Signal;
import ramback.image.ChunkStore;
import ramback.image.DirtyCount;
import ramback.image.Epochs;
import ramback.image.Promises;
import ramback.journal.EpochLog;
import ramback.mutant.Mutant;
import ramback.trace.Trace;

/**
 * Carries changes to the journal and to the image, epoch by epoch.
 *
 * <pre>
 *   with a journal
 *     sealer    cut ─ grace ─ capture ──▶ ring
 *     journal                             append … ─ barrier ─ commit ──▶ committed            truncate
 *     applier-0   wanted ─ boundary ─ copy under L, write, … ─ sync ─ clean ─ newer versions committed ─┘
 *     applier-n                       (help when it is urgent)
 *
 *   without (and in unsafe, whose journal is suspended)
 *     sealer    cut ─ grace ─ capture ──▶ stale
 *     applier-0                           copy under L, write, … ─ sync ─ clean ──▶ committed
 * </pre>
 *
 * <p>Apply takes bytes from RAM only: what RAM holds newer than the round may write is left out, because the journal is about to
 * have it. So no version is ever read back from the journal, except by recovery. Safe for use by many threads.
 */
public final class WriteBehind implements Promises {

    /** The least number of dirty chunks a limit allows: one run of any request and some room to work. */
    public static final int DIRTY_CHUNKS_MIN = 64;

    private static final int JOURNAL_CHUNKS_MIN = 4;

    /** How many appliers write at once when it is urgent; otherwise one does. */
    public static final int APPLIER_COUNT = 4;

    private static final long WAIT_LOOK_NANOS = 1_000_000L;

    /**
     * What write-behind works on.
     *
     * @param versions where captured versions go; also what the store was given as its captures
     * @param lagNanos how old a change may get before its epoch is cut, and before the image has it, when nobody waits
     * @param limitBytes the hard limit on dirty bytes: those not committed, or without a journal those not in the image
     * @param onCommit called when requests that wait may be over; must not block
     */
    public record Plan(
            ChunkStore store,
            Epochs epochs,
            DirtyCount dirty,
            Backing backing,
            EpochLog log,
            Versions versions,
            Clock clock,
            Trace trace,
            Faults faults,
            long lagNanos,
            long limitBytes,
            Runnable onCommit,
            Signal sealerSignal) {}

    /**
     * How many bytes of epochs a journal must hold at least. A write that fits never waits for ever: it makes two chunks dirty at
     * most, and twice as many are kept apart while a device leaves {@code unsafe}.
     *
     * @param ringBytes of memory for versions on their way to the journal
     */
    public static long journalBytesMin(int chunkBytes, long ringBytes) {
        return JOURNAL_CHUNKS_MIN * JournalSpace.of(chunkBytes, ringBytes).chunkBytes() + JournalSpace.KEPT_BYTES;
    }

    /** How many bytes of a journal an epoch takes at most, and what must be left beside it. */
    public static long journalBytesOf(int chunkBytes, long ringBytes, long dataChunks, long zeroRuns) {
        return dataChunks * JournalSpace.of(chunkBytes, ringBytes).chunkBytes()
                + zeroRuns * JournalSpace.ZERO_RUN_BYTES
                + JournalSpace.KEPT_BYTES;
    }

    private final Plan plan;
    final Standing standing;
    private final Clock clock;
    private final DirtyCount dirty;
    private final Versions versions;
    private final EpochLog log;
    private final Faults faults;
    private final Throttle throttle;
    private final Rate writeRate;
    private final LongAdder savedChunks = new LongAdder();
    private final Sealer sealer;
    private final JournalWriter journal;
    private final List<Applier> appliers = new ArrayList<>();
    private final List<AgentThread> threads = new ArrayList<>();
    private final AtomicLong cutCount = new AtomicLong();

    /** Write-behind of a store to a log and an image. A log that keeps versions, and is not suspended, is used at once. */
    public WriteBehind(Plan plan) {
        this.plan = plan;
        this.clock = plan.clock();
        this.dirty = plan.dirty();
        this.versions = plan.versions();
        this.log = plan.log();
        this.faults = plan.faults();
        this.standing = new Standing(clock, plan.epochs(), plan.sealerSignal(), this::wakeAppliers);
        this.writeRate = new Rate(clock);
        ApplyRound round = new ApplyRound(plan.store(), writeRate);
        this.throttle = new Throttle(
                standing,
                dirty,
                plan.store().layout().chunkBytes(),
                log,
                versions,
                plan.limitBytes(),
                this::cutSoon,
                this::press);
        this.sealer =
                new Sealer(standing, plan.store(), dirty, versions, log, plan.trace(), faults, plan.lagNanos(), round);
        this.journal = new JournalWriter(
                standing,
                log,
                versions,
                plan.store().layout().chunkBytes(),
                dirty,
                plan.trace(),
                faults,
                throttle,
                plan.onCommit());
        RoundKeeper keeper = new RoundKeeper(
                standing,
                plan.store(),
                dirty,
                log,
                versions,
                plan.trace(),
                faults,
                throttle,
                sealer,
                round,
                plan.onCommit(),
                plan.lagNanos());
        for (int i = 0; i < APPLIER_COUNT; i++) {
            appliers.add(new Applier(
                    i,
                    standing,
                    plan.store(),
                    plan.backing(),
                    plan.trace(),
                    faults,
                    round,
                    keeper,
                    this::wakeLeader,
                    savedChunks));
        }
        versions.keep(log.keepsVersions() && !log.isSuspended());
    }

    /** Sealer, journal and appliers, to be stepped; a simulation's alternative to {@link #start}. */
    public List<Agent> agents() {
        List<Agent> agents = new ArrayList<>(appliers);
        agents.add(journal);
        agents.add(sealer);
        return agents;
    }

    /** Starts the threads. */
    public void start() {
        threads.add(AgentThread.start(sealer, clock, standing.sealerSignal));
        if (log.keepsVersions()) {
            threads.add(AgentThread.start(journal, clock, standing.journalSignal));
        }
        for (Applier applier : appliers) {
            threads.add(AgentThread.start(applier, clock, applier.signal));
        }
    }

    /** Stops the threads after what they are doing now; what is dirty then stays dirty. */
    public void stop() {
        threads.forEach(AgentThread::stop);
        appliers.forEach(Applier::close);
        versions.close();
    }

    /** Whether each of the threads that were started is still there; a disk that hangs does not end one. */
    public boolean isAlive() {
        return threads.stream().allMatch(AgentThread::isAlive);
    }

    private void wakeLeader() {
        appliers.getFirst().signal.raise();
    }

    /** One applier is enough while nobody waits; the others join when that changes. */
    private void wakeAppliers() {
        wakeLeader();
        if (isUrgent()) {
            for (Applier applier : appliers) {
                applier.signal.raise();
            }
        }
    }

    // --------------------------------------------------------------------------------------------------- promises

    @Override
    public long committed() {
        return Mutant.FLUSH_AT_SEAL.isOn() ? standing.sealed : standing.committed;
    }

    @Override
    public void demand(long epoch) {
        if (standing.committed < epoch) {
            standing.demand(epoch);
            if (standing.applying >= 0) {
                wakeAppliers();
            }
        }
    }

    @Override
    public boolean isOverdue() {
        return standing.isOverdue();
    }

    /** In {@code checkpoint} a recovered filesystem is then one that its last sync has left, if there was one in time. */
    @Override
    public void flushed() {
        if (standing.intervalNanos != Clock.NEVER && versions.keepsVersions() && sealer.isNearlyDue()) {
            cutSoon();
        }
    }

    @Override
    public boolean isEverythingDurable() {
        return undurableChunkCount() == 0;
    }

    /** Asks for everything that is dirty now to be made durable soon; does not wait. */
    public void demandAll() {
        if (!isEverythingDurable()) {
            demand(plan.epochs().open());
        }
    }

    /**
     * Asks for the open epoch to be committed soon, also when nothing is in it: the journal's epochs of before are then carried to the
     * image and retired as well. Does not wait.
     */
    public void demandOpen() {
        demand(plan.epochs().open());
    }

    /** Cuts the open epoch without waiting for its lag, but without haste. */
    private void cutSoon() {
        if (!standing.cutDue) {
            standing.cutDue = true;
            standing.sealerSignal.raise();
        }
    }

    private void press() {
        if (!standing.pressed) {
            standing.pressed = true;
            standing.sealerSignal.raise();
            wakeAppliers();
        }
    }

    /**
     * Promises that no change is uncommitted for longer than this: everybody waits then.
     *
     * @param nanos more than 0, or {@link Clock#NEVER} for no such promise
     */
    public void promiseInterval(long nanos) {
        standing.intervalNanos = nanos;
        standing.sealerSignal.raise();
    }

    /**
     * Says whether the image is to be left alone: a round is then begun, or gone on with, only when somebody waits for the image, or
     * three quarters of the journal are in use. Without a journal the image is what makes durable, and is not left alone any longer.
     */
    public void holdApplying(boolean isHeld) {
        if (standing.applyHeld != isHeld) {
            standing.applyHeld = isHeld;
            standing.sealerSignal.raise();
            wakeAppliers();
        }
    }

    /**
     * Says whether nobody was promised anything: while no journal is written, the image is then left alone until clients rest,
     * for some seconds at most. Whoever asks for a flush, or writes up to a limit, has it carried at once all the same.
     */
    void carryLazily(boolean isLazy) {
        standing.carriesLazily = isLazy;
        standing.sealerSignal.raise();
    }

    /** Lets writers go on beside what the image lacks now, which may be more than the limit that is from now on. */
    void allowBacklog() {
        throttle.allowBacklog(savedChunks::sum);
    }

    /** Has the journal's rate measured soon, see {@link Throttle#floorBytesPerSecond}; without a journal nothing happens. */
    public void measureJournal() {
        journal.measure();
    }

    // ------------------------------------------------------------------------------------------------------ status

    /** What bounds dirty data. */
    public Throttle throttle() {
        return throttle;
    }

    /** Whether versions go to a journal now: not without one, and not while it is suspended. */
    public boolean keepsVersions() {
        return versions.keepsVersions();
    }

    /** When the newest epoch became durable, or null if none has since the start. */
    public @Nullable Instant commitTime() {
        return standing.commitTime;
    }

    /** Chunks carried to the image since the start. */
    public long savedChunkCount() {
        return savedChunks.sum();
    }

    /** Bytes a second written to the image lately. */
    public double bytesPerSecond() {
        return writeRate.perSecond();
    }

    /** Bytes a second written to the journal lately. */
    public double journalBytesPerSecond() {
        return journal.bytesPerSecond();
    }

    /** Chunks that a loss of power would cost now: acknowledged, perhaps, and not durable. */
    public long undurableChunkCount() {
        // What the image has lost is not in the journal either.
        return versions.keepsVersions() && !standing.rewriting ? dirty.logChunkCount() : dirty.chunkCount();
    }

    /** When the oldest change was made that is not durable yet, or 0 if there is none. */
    public long oldestDirtyNanos() {
        return isEverythingDurable() ? 0 : standing.oldestUncommittedNanos();
    }

    /** When the device was clean for the last time, or 0 if it is now. */
    public long lastCleanNanos() {
        if (dirty.chunkCount() == 0) {
            return 0;
        }
        long since = standing.dirtySinceNanos;
        return since != 0 ? since : plan.epochs().firstDirtyNanos(plan.epochs().open());
    }

    /** Whether somebody waits for what write-behind has to do now: a request, a flush, a throttled writer. */
    public boolean isUrgent() {
        return standing.isCommitUrgent() || standing.isImageUrgent();
    }

    /** Whether the journal failed so often that nothing more is admitted until it works again. */
    boolean isFrozen() {
        return standing.frozen;
    }

    // ------------------------------------------------------------------------------------------------------- drain

    /**
     * Waits until everything that was changed before this call is durable in the image, or changed again and durable in the
     * journal; or until something fails.
     *
     * @return whether it is durable
     */
    public boolean drain() throws InterruptedException {
        lookAtImage();
        if (dirty.chunkCount() == 0 && !isRewriting()) {
            return true;
        }
        long target = drainTarget();
        standing.drainTo.accumulateAndGet(target, Math::max);
        demand(target);
        wakeAppliers();
        long failuresBefore = faults.count();
        while (standing.imaged < target || isRewriting()) {
            if (isCarryingFailing() && faults.count() > failuresBefore) {
                return false;
            }
            await();
            lookAtImage();
        }
        return true;
    }

    /** As {@link #drain}, without waiting: somebody may find the journal gone who needs it. */
    public void drainSoon() {
        standing.drainTo.accumulateAndGet(drainTarget(), Math::max);
        demandAll();
        wakeAppliers();
    }

    private boolean isRewriting() {
        return standing.rewriteWanted || standing.rewriting;
    }

    /**
     * Looks whether the image was found to have lost something since it was last looked at; all of that which is in RAM is then
     * written again. For any thread.
     */
    public void lookAtImage() {
        long count = plan.backing().cutCount();
        if (cutCount.get() != count && cutCount.getAndSet(count) != count) {
            rewriteImage();
        }
    }

    /** Writes again what the image has lost, also if that was done before: something of it may have been loaded only now. */
    public void rewriteImage() {
        standing.rewriteWanted = true;
        wakeLeader();
    }

    private boolean isCarryingFailing() {
        return faults.isApplyFailing() || standing.frozen;
    }

    private long drainTarget() {
        Epochs epochs = plan.epochs();
        long open = epochs.open();
        boolean isOpenClean = epochs.firstDirtyNanos(open) == 0 && epochs.open() == open;
        return isOpenClean && versions.keepsVersions() ? open - 1 : open;
    }

    private void await() throws InterruptedException {
        if (Thread.interrupted()) {
            throw new InterruptedException();
        }
        clock.park(this, clock.nanoTime() + WAIT_LOOK_NANOS);
    }

    // ------------------------------------------------------------------------------------- the journal comes and goes

    /**
     * Suspends the journal: when this returns it says durably that the image may be torn, and nothing is written in place until
     * {@link #continueWithoutVersions} is called. Nothing is cut in between. Can be interrupted until everything rests; what the journal
     * is asked for then can't be taken back, so its answer is waited for, and the interrupt is kept for whoever waits next.
     *
     * @throws IOException when the journal can't be written; then everything goes on as before
     */
    void suspendLog() throws IOException, InterruptedException {
        rest();
        if (Mutant.UNSAFE_UNMARKED.isOn()) {
            return;
        }
        standing.suspendWanted = true;
        standing.journalSignal.raise();
        boolean interrupted = false;
        while (standing.suspendWanted) {
            interrupted |= Thread.interrupted();
            clock.park(this, clock.nanoTime() + WAIT_LOOK_NANOS);
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        IOException failure = journal.suspendFailure();
        if (failure != null) {
            goOn();
            throw failure;
        }
    }

    /** Goes on after {@link #suspendLog}: the image is changed in place from now on. */
    void continueWithoutVersions() {
        versions.keep(false);
        allowBacklog();
        standing.truncateTo = standing.committed;
        standing.truncated = standing.committed;
        standing.unappliedSinceNanos = 0;
        standing.spacePressed = false;
        goOn();
    }

    /**
     * Takes the journal up again after a suspension: everything that the image may lack goes into one epoch. Returns when
     * that is committed.
     *
     * @throws IOException when the journal fails; if {@link #keepsVersions} by then, {@link #commitOpen} is what is left to do
     */
    void resumeLog() throws IOException, InterruptedException {
        throttle.leaveUnsafe(true);
        try {
            // Who was interrupted has left the order: it can't be taken back.
            if (!standing.carryWanted) {
                do {
                    goOn();
                    while (!fitsHalfTheLog()) {
                        demandAll();
                        await();
                    }
                    rest();
                } while (!fitsHalfTheLog());
                standing.carryWanted = true;
                standing.sealerSignal.raise();
            }
            // The epoch is known, and wanted, only when it has been carried into.
            while (standing.carryWanted || standing.committed < standing.carried) {
                checkLog();
                await();
            }
        } finally {
            throttle.leaveUnsafe(false);
        }
    }

    boolean fitsHalfTheLog() {
        long chunks = Math.max(dirty.dataChunkCount(), dirty.logDataChunkCount());
        return chunks * versions.journalSpace().chunkBytes() + dirty.chunkCount() * JournalSpace.ZERO_RUN_BYTES
                <= log.capacityBytes() / 2 - JournalSpace.KEPT_BYTES - log.usedBytes();
    }

    /**
     * Waits until everything sealed is committed and no round is under way, and keeps it so until {@link #goOn}. One thread at a time.
     *
     * @throws IOException when the journal fails; then everything goes on as before
     */
    void rest() throws IOException, InterruptedException {
        long pause = standing.pauseNumber + 1;
        standing.pauseNumber = pause;
        standing.pauseWanted = true;
        standing.sealerSignal.raise();
        wakeAppliers();
        boolean rests = false;
        try {
            while (standing.sealerRests != pause || standing.applierRests != pause || standing.applying >= 0) {
                checkLog();
                await();
            }
            rests = true;
        } finally {
            if (!rests) {
                goOn();
            }
        }
    }

    /** Throws if the journal failed so often that nothing more is admitted until it works again. */
    void checkLog() throws IOException {
        if (standing.frozen) {
            throw new IOException("the journal fails: " + faults.last());
        }
    }

    void goOn() {
        standing.pauseWanted = false;
        standing.sealerSignal.raise();
        wakeAppliers();
    }

    /**
     * Waits until everything acknowledged before this call is durable, however long a slow disk takes.
     *
     * @throws IOException when the journal fails, as {@link #commitOpen}
     */
    void commitAll() throws IOException, InterruptedException {
        if (!isEverythingDurable()) {
            commitOpen();
        }
    }

    /**
     * Commits the open epoch, also if nothing is in it: what the log then says of itself is true again.
     *
     * @throws IOException when the journal fails; it may be committed all the same when that works again
     */
    void commitOpen() throws IOException, InterruptedException {
        long target = plan.epochs().open();
        demand(target);
        while (standing.committed < target) {
            checkLog();
            await();
        }
    }
}
