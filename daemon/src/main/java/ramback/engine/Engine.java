package ramback.engine;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.OptionalDouble;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;
import ramback.backing.Backing;
import ramback.backing.BackingOpenException;
import ramback.backing.Damage;
import ramback.backing.WatchedBacking;
import ramback.clock.Clock;
import ramback.clock.Signal;
import ramback.device.Device;
import ramback.device.Mode;
import ramback.host.DeviceMemory;
import ramback.image.ChunkMap;
import ramback.image.ChunkStore;
import ramback.image.DirtyCount;
import ramback.image.Epochs;
import ramback.image.ImageDevice;
import ramback.image.TakeOver;
import ramback.image.Worker;
import ramback.journal.EpochLog;
import ramback.journal.LocalJournal;
import ramback.journal.StartDecision;
import ramback.journal.StartSituation;
import ramback.journal.StateFile;
import ramback.memory.SegmentLayout;
import ramback.memory.SharedSegment;
import ramback.posix.PosixException;
import ramback.power.PowerEvent;
import ramback.power.PowerPolicy;
import ramback.power.PowerState;
import ramback.power.PowerView;
import ramback.trace.FlightPower;
import ramback.trace.Trace;
import ramback.writeback.ChecksumPass;
import ramback.writeback.DiskWatch;
import ramback.writeback.Faults;
import ramback.writeback.GuardedImage;
import ramback.writeback.ImageCheck;
import ramback.writeback.ModeSwitch;
import ramback.writeback.Population;
import ramback.writeback.Snapshot;
import ramback.writeback.Snapshots;
import ramback.writeback.Throttle;
import ramback.writeback.Verifier;
import ramback.writeback.Versions;
import ramback.writeback.WriteBehind;

/**
 * One running device. Safe for use by many threads.
 *
 * <p>It is put together in {@link #start} and taken apart in {@link #stop}, in the opposite order; in between only its
 * mode and its trace change.
 */
public final class Engine implements AutoCloseable {

    /**
     * How old a change may get before its epoch is cut, when nobody waits for it. As long as a kernel's page cache waits:
     * what is changed again meanwhile is written once, and what lies close together is written at once.
     */
    private static final long LAG_NANOS = 5_000_000_000L;
    /** The default limit on dirty bytes: this share of the device. */
    private static final int DIRTY_SHARE = 4;
    /** What the default limit is at least. */
    private static final long DIRTY_BYTES_MIN = 16L << 20;
    /** How much memory versions of chunks may take on their way to the journal. */
    static final long RING_BYTES = 32L << 20;

    private static final long STOP_RETRY_NANOS = 500_000_000L;
    private static final long VERIFY_LOOK_NANOS = 1_000_000L;

    private final DeviceOptions options;
    private final Clock clock = Clock.SYSTEM;
    private final OpenedImage image;
    private final Attachment attachment;
    private final Backing backing;
    private final WatchedBacking watched;
    private final DiskWatch diskWatch;
    private final SharedSegment segment;
    private final ChunkStore store;
    private final DirtyCount dirty = new DirtyCount();
    private final Trace trace = new Trace(clock);
    private final Faults faults = new Faults(trace);
    private final ImageCheck check;
    private final Verifier verifier;
    private final ImageDevice device;
    private final Population population;
    private final WriteBehind writeBehind;
    private final ModeSwitch modeSwitch;
    private final Snapshots snapshots;
    private final TraceOutput traceOutput;

    private final ReentrantLock stopping = new ReentrantLock();
    private final AtomicInteger flushCount = new AtomicInteger();
    private final ReentrantLock converging = new ReentrantLock();
    private final PowerControl power;

    private final boolean isTakenOver;
    private final AtomicBoolean isVerifying = new AtomicBoolean();
    private volatile boolean isStopping;
    /** Said before the first thread ends: from then on it is no fault that one has. */
    private volatile boolean isEnding;

    private volatile boolean isAbandoned;
    private volatile boolean isMemoryKept;
    private boolean isStopped;

    /** Held by whoever looks at the chunk states, and by who is about to unmap them. */
    private final ReentrantLock looking = new ReentrantLock();

    private boolean isUnmapped;

    private Engine(
            DeviceOptions options,
            OpenedImage image,
            Attachment attachment,
            SharedSegment segment,
            boolean isTakenOver,
            Orders left,
            Orders.Keeper orders) {
        this.options = options;
        this.image = image;
        this.attachment = attachment;
        this.backing = image.image().backing();
        this.segment = segment;
        this.watched = new WatchedBacking(backing, clock);
        SegmentLayout layout = segment.layout();
        EpochLog log = attachment.log();
        Signal sealerSignal = new Signal(clock);
        // Numbers of epochs go on where the journal's end.
        long firstEpoch = 0;
        if (log instanceof LocalJournal journal) {
            firstEpoch = journal.headEpoch() + 1;
            journal.tellCommits(segment::noteCommitted);
        }
        Epochs epochs =
                new Epochs(ImageDevice.workerCount(layout.sessionCountMax()), clock, sealerSignal::raise, firstEpoch);
        Versions versions = new Versions(clock, layout.chunkBytes(), log.keepsVersions() ? RING_BYTES : 0);
        this.store = new ChunkStore(segment, epochs, versions, dirty, trace);
        this.device = new ImageDevice(
                options.name(), options.readOnly(), attachment.mode(), segment, store, epochs, dirty, clock, trace);
        if (options.detectZeroes()) {
            device.detectZeroes();
        }
        this.population = new Population(segment, store, watched, clock, trace, faults);
        this.check =
                new ImageCheck(attachment.checksums(), attachment.suspect(), watched, faults, attachment::setSuspect);
        if (isTakenOver) {
            // Memory that is gone on with holds what the image held, whoever changed that since. New memory holds
            // nothing, and a look at each MiB of a tebibyte takes a tenth of a second.
            check.passOver(store);
        }
        population.checkAgainst(check);
        GuardedImage guarded = check.guarded();
        this.writeBehind = new WriteBehind(new WriteBehind.Plan(
                store,
                epochs,
                dirty,
                guarded,
                log,
                versions,
                clock,
                trace,
                faults,
                LAG_NANOS,
                options.dirtyMaxBytes().orElse(Math.max(DIRTY_BYTES_MIN, layout.sizeBytes() / DIRTY_SHARE)),
                device::wakeSessions,
                sealerSignal));
        this.modeSwitch = new ModeSwitch(device, writeBehind, log, attachment::setMode, options.intervalNanos());
        this.power = new PowerControl(
                options.name(),
                options.power(),
                new PowerPolicy(
                        options.mode(),
                        writeBehind.throttle().limitBytes(),
                        options.dirtyMaxBytes().isPresent()
                                ? writeBehind.throttle().limitBytes()
                                : Throttle.UNLIMITED),
                writeBehind,
                clock,
                left,
                orders,
                new PowerControl.Modes() {
                    @Override
                    public boolean isIn(Mode mode) {
                        // Who changes nothing has nothing to lose.
                        return options.readOnly() || modeSwitch.isIn(mode);
                    }

                    @Override
                    public void converge() throws Refusal, InterruptedException {
                        Engine.this.converge();
                    }
                });
        this.verifier = new Verifier(
                store,
                guarded,
                writeBehind.throttle(),
                clock,
                new Worker(
                        ImageDevice.mendingWorker(layout.sessionCountMax()), segment.redoSlot(layout.mendingSlot())));
        this.snapshots = new Snapshots(store, clock, options.snapshotBufferBytes());
        snapshots.giveUpAfterFailed(population::failedPassCount);
        population.stepBackWhile(() -> writeBehind.isUrgent() && dirty.chunkCount() > 0);
        population.whenLoadedLate(writeBehind::rewriteImage);
        device.connect(population, writeBehind, writeBehind.throttle());
        this.diskWatch = watch();
        this.traceOutput = new TraceOutput(options.name(), trace, clock);
        this.isTakenOver = isTakenOver;
        if (isTakenOver) {
            takeOver(epochs);
        }
        writeBehind.start();
        population.start();
        snapshots.start();
        if (isTakenOver) {
            // At once: until then what was on its way to the journal is in memory alone.
            writeBehind.demandOpen();
        }
        power.start();
        diskWatch.start();
    }

    private DiskWatch watch() {
        DiskWatch watch = new DiskWatch(clock);
        watch.add("image", watched, writeBehind::lookAtImage);
        WatchedBacking journal = attachment.journal();
        if (journal != null) {
            AtomicLong cutCount = new AtomicLong();
            watch.add("journal", journal, () -> {
                long count = journal.cutCount();
                if (cutCount.getAndSet(count) != count) {
                    // Epochs that only it had may be gone: the image gets them from RAM.
                    writeBehind.drainSoon();
                }
            });
        }
        return watch;
    }

    /**
     * Starts a device: opens (or creates) and locks the image, looks at what lies beside it and decides what that means,
     * recovers if it must, takes the memory, attaches journal and state file, starts loading and write-behind. The device may be
     * served as soon as this returns. When it throws, nothing that it made is left behind.
     *
     * @param orders used only if the device goes on from the memory of a process that was killed or upgraded
     * @param progress hears of what takes long: recovery, taking the memory, making the journal
     * @throws Refusal when it can't or must not be started; one line for the operator
     */
    public static Engine start(DeviceOptions options, Orders.Keeper orders, WorkProgress progress) throws Refusal {
        if (options.mode() == Mode.CHECKPOINT && !options.journal().isKept()) {
            throw new Refusal(Refusal.Kind.USAGE, needsJournal());
        }
        OpenedImage image = OpenedImage.open(options);
        Findings found = null;
        SharedSegment segment = null;
        Attachment attachment = null;
        Engine engine = null;
        boolean isTakenOver = false;
        boolean isKept = false;
        try {
            found = Findings.look(ImageRequest.toServe(options), image.image(), image.created());
            if (found.decision().isRefusal()) {
                throw StartRefusals.of(found);
            }
            Attachment.checkJournalSize(found, options);
            noteLeftImage(found, progress);
            isTakenOver =
                    found.decision() == StartDecision.TAKE_OVER || found.decision() == StartDecision.TAKE_OVER_ANEW;
            if (isTakenOver) {
                segment = SegmentFile.takeOver(options, found.leftovers());
                attachment = Attachment.takeOver(found, options, segment.path(), progress);
                found.leftovers().remove(segment.path());
                progress.note(options.image() + " goes on from the memory of a daemon that is gone: "
                        + found.leftovers().dirtyChunks() + " chunks are newer than the image");
            } else {
                Attachment.recover(found, progress);
                Path kept = keptMemory(found, options);
                isKept = kept != null;
                progress.at("taking the memory", 0, 0);
                found.leftovers().remove(kept);
                segment = isKept
                        ? SegmentFile.takeOver(options, found.leftovers())
                        : SegmentFile.create(options, image.image());
                attachment = Attachment.attach(found, options, segment.path(), progress);
                attachment.bind(segment);
            }
            if (attachment.log().keepsVersions()) {
                found.closeScan();
            } else {
                // The attachment has no use for the journal that was looked at.
                found.close();
            }
            engine = new Engine(
                    options,
                    image,
                    attachment,
                    segment,
                    isTakenOver || isKept,
                    isTakenOver ? orders.left() : Orders.NONE,
                    orders);
            if (!isTakenOver) {
                orders.keep(Orders.NONE);
            }
            return engine;
        } catch (IOException e) {
            throw new Refusal(
                    Refusal.Kind.FAILED,
                    "memory of a killed daemon can't be removed: " + e.getMessage() + "; remove it and try again",
                    e);
        } finally {
            if (engine == null) {
                giveUp(image, found, segment, attachment, isTakenOver);
            }
        }
    }

    /**
     * The memory that a clean stop has left for this start, if it can be used: the image must be as it was then, which nothing tells of a
     * block device or a remote image.
     */
    private static @Nullable Path keptMemory(Findings found, DeviceOptions options) throws IOException {
        StateFile state = found.state();
        boolean isUsable = found.leftovers().memory() == StartSituation.Memory.LOADED
                && found.situation().takesMemory()
                && !options.discardMemory()
                && !found.situation().imageMade()
                && !options.adoptImage()
                && state != null
                && found.image().hasTimes()
                && found.image().cleanImage().equals(state.cleanImage())
                && found.leftovers().chunkBytes() == options.chunkBytes();
        return isUsable ? found.leftovers().segment() : null;
    }

    private static void noteLeftImage(Findings found, WorkProgress progress) {
        LeftImage left = found.left();
        if (left.checksumFault() != null) {
            progress.note("checksums " + found.store().checksumsPlace() + " can't be used (" + left.checksumFault()
                    + "), so what somebody else changed in " + found.request().image() + " is not found");
        } else if (left.isToBeChecked()) {
            progress.note(String.join("; ", left.differences()) + ": the content of "
                    + found.request().image() + " is checked while it is loaded");
        }
    }

    private static void giveUp(
            OpenedImage image,
            @Nullable Findings found,
            @Nullable SharedSegment segment,
            @Nullable Attachment attachment,
            boolean isTakenOver) {
        try {
            if (attachment != null && isTakenOver) {
                attachment.close();
            } else if (attachment != null) {
                attachment.withdraw();
            }
            if (found != null) {
                found.close();
            }
            if (segment != null && isTakenOver) {
                segment.leave();
            } else if (segment != null) {
                segment.close();
            }
        } catch (IOException e) {
            warn(e);
        }
        image.undo();
    }

    private void takeOver(Epochs epochs) {
        try {
            TakeOver.run(store, segment, epochs, dirty);
        } catch (PosixException e) {
            // Everything is there; some memory of a sparse device stays taken.
            warn(e);
        }
    }

    private static String needsJournal() {
        return "mode checkpoint needs a journal, and this device keeps none; use writeback, writethrough or unsafe";
    }

    /** The memory that the device takes. */
    public DeviceMemory memory() {
        return new DeviceMemory(
                options.ramDirectory(),
                segment.layout().reservedBytes(),
                options.ram() == RamMode.SPARSE,
                segment.lock());
    }

    /** How often a start of this device had to go on without acknowledged writes, this one included. */
    public long exportGeneration() {
        return attachment.exportGeneration();
    }

    /** Which device this is, and how far it has come. */
    public DeviceLife life() {
        return attachment.life();
    }

    /** The generation that its image was left in before this start. */
    public long generationBefore() {
        return attachment.generationBefore();
    }

    /** The device to export. */
    public Device device() {
        return device;
    }

    // ------------------------------------------------------------------------------------------------------ status

    /** A snapshot of everything status shows. */
    public DeviceStatus status() {
        SegmentLayout layout = store.layout();
        Mode mode = modeSwitch.mode();
        String failing = failing();
        DeviceState state = state(failing);
        boolean isThrottling = writeBehind.throttle().isThrottling() || snapshots.isThrottling();
        Snapshot newest = snapshots.newest();
        Snapshot snapshot = newest == null || newest.state().isFinal() ? null : newest;
        Verifier.Progress verifying = verifier.progress();
        long dirtyBytes = bytes(dirty.chunkCount(), layout);
        // In unsafe nothing is promised about a mixture of old and new: all of it is at stake while any of it is dirty.
        boolean isAllAtStake = mode == Mode.UNSAFE && dirtyBytes > 0;
        long sinceNanos = mode == Mode.UNSAFE ? writeBehind.lastCleanNanos() : writeBehind.oldestDirtyNanos();
        double lossSeconds = sinceNanos == 0 ? 0 : Math.max(0, (clock.nanoTime() - sinceNanos) / 1e9);
        long lossBytes = isAllAtStake ? layout.sizeBytes() : bytes(writeBehind.undurableChunkCount(), layout);
        double intervalSeconds = options.intervalNanos() / 1e9;
        boolean isWithinLimit = mode != Mode.CHECKPOINT || lossSeconds <= intervalSeconds;
        Path journal = attachment.journalPath();
        PowerView view = power.view();
        boolean isPowered = !view.isOnBattery() && view.state() != PowerState.UNKNOWN;
        return new DeviceStatus(
                options.name(),
                mode,
                options.mode(),
                state,
                state == DeviceState.READY && mode == options.mode() && !isThrottling && isWithinLimit && isPowered,
                layout.sizeBytes(),
                layout.chunkBytes(),
                layout.chunkCount(),
                store.loadedChunkCount(),
                writeBehind.savedChunkCount(),
                Math.max(0, dirty.chunkCount()),
                dirtyBytes,
                device.waitingCount(),
                intervalSeconds,
                lossBytes,
                lossBytes == 0 ? 0 : lossSeconds,
                Math.max(0, writeBehind.committed()),
                writeBehind.commitTime(),
                journal == null ? null : journal.toString(),
                attachment.journalSizeBytes(),
                attachment.log().usedBytes(),
                backing.uri(),
                faults.count(),
                faults.last(),
                failing,
                writeBehind.bytesPerSecond(),
                population.bytesPerSecond(),
                population.remainingBytes(),
                dirtyMaxBytes(layout),
                isThrottling,
                snapshot == null ? null : snapshot.file().toString(),
                snapshot == null ? 0 : snapshot.doneBytes(),
                Arrays.stream(store.waits().lockCounts()).boxed().toList(),
                Arrays.stream(store.waits().roomCounts()).boxed().toList(),
                image.image().directIo(),
                check.changedBytes(),
                attachment.exportGeneration(),
                verifying != null,
                verifying == null ? 0 : verifying.doneBytes(),
                verifying == null ? 0 : verifying.differingBytes(),
                power.isChosen(),
                powerStatus(view, layout),
                options.readOnly(),
                trace.isOn());
    }

    /** How much may be dirty: without a limit as much as there is. */
    private long dirtyMaxBytes(SegmentLayout layout) {
        long limitBytes = writeBehind.throttle().limitBytes();
        boolean isUnlimited = limitBytes >= Throttle.UNLIMITED - layout.chunkBytes();
        return isUnlimited ? layout.sizeBytes() : limitBytes;
    }

    private PowerStatus powerStatus(PowerView view, SegmentLayout layout) {
        long toSaveBytes = bytes(writeBehind.undurableChunkCount(), layout);
        String reason = power.reason();
        String detail = view.detail();
        return new PowerStatus(
                view.state().word(),
                view.source(),
                view.state() == PowerState.NONE ? 0 : Math.max(0, (clock.nanoTime() - view.sinceNanos()) / 1e9),
                boxed(view.runtimeSeconds()),
                boxed(view.chargePercent()),
                toSaveBytes,
                power.drainSeconds(toSaveBytes),
                reason == null || detail == null ? (reason == null ? detail : reason) : reason + ": " + detail);
    }

    private static @Nullable Double boxed(OptionalDouble number) {
        return number.isPresent() ? number.getAsDouble() : null;
    }

    /**
     * A picture of all chunks; hinders nobody, whatever the device's size.
     *
     * @param cellCountMax how many cells it may have, 1 to {@link DeviceMap#CELL_COUNT_MAX}
     * @throws Refusal when the device has stopped, and its memory may be gone
     */
    public DeviceMap map(int cellCountMax) throws Refusal {
        looking.lock();
        try {
            if (isUnmapped) {
                throw new Refusal(Refusal.Kind.NO_DEVICE, options.name() + " has stopped");
            }
            DeviceMap map = new DeviceMap(
                    ChunkMap.of(store.table(), cellCountMax), store.layout().chunkBytes());
            watched.visitTransfers(map::noteInFlight);
            return map;
        } finally {
            looking.unlock();
        }
    }

    private void endLooking() {
        looking.lock();
        try {
            isUnmapped = true;
        } finally {
            looking.unlock();
        }
    }

    /** Whether what carries changes to the disk still runs, or has been stopped on purpose; a disk that hangs is no matter. */
    public boolean isAlive() {
        return isEnding || (writeBehind.isAlive() && power.isAlive());
    }

    private static long bytes(long chunkCount, SegmentLayout layout) {
        return Math.min(Math.max(0, chunkCount) * layout.chunkBytes(), layout.sizeBytes());
    }

    private DeviceState state(@Nullable String failing) {
        if (isStopping) {
            return DeviceState.STOPPING;
        }
        if (failing != null) {
            return DeviceState.DEGRADED;
        }
        if (flushCount.get() > 0) {
            return DeviceState.FLUSHING;
        }
        return population.isComplete() ? DeviceState.READY : DeviceState.LOADING;
    }

    /** What is wrong with the image or the journal now, and why; null if nothing is. */
    private @Nullable String failing() {
        String noticed = diskWatch.failing();
        String failed = faults.failing();
        if (noticed == null || failed == null) {
            return noticed == null ? failed : noticed;
        }
        return noticed + "; " + failed;
    }

    // ---------------------------------------------------------------------------------------------------- commands

    /**
     * Switches the mode of the running device, under load, in any direction, whatever the power says to that until
     * {@link #switchModeToAuto}; returns when the new mode is in force and so said
     * durably. Requests are acknowledged as the stricter of the two says meanwhile, or, on the way into {@code unsafe}, as that says.
     *
     * @throws Refusal when this device can't have the mode (checkpoint without a journal), or what must be durable first could
     *     not be written; the mode that status then shows holds: the one before, except that a way back from {@code unsafe} can fail too
     */
    public void switchMode(Mode mode) throws Refusal, InterruptedException {
        if (mode == Mode.CHECKPOINT && !attachment.log().keepsVersions()) {
            throw new Refusal(Refusal.Kind.FAILED, needsJournal());
        }
        Mode before = power.choose(mode);
        converging.lockInterruptibly();
        try {
            // Not what was chosen here, if somebody has chosen again while this waited for its turn.
            switchTo(power.wanted());
        } catch (Refusal e) {
            power.unchoose(mode, before);
            throw e;
        } finally {
            converging.unlock();
        }
    }

    /** Returns to the configured mode, or what the power makes of it. */
    public void switchModeToAuto() throws Refusal, InterruptedException {
        power.choose(null);
        converge();
    }

    /** Switches to the mode that is wanted when its turn has come: nobody who waited undoes what came after. */
    private void converge() throws Refusal, InterruptedException {
        converging.lockInterruptibly();
        try {
            switchTo(power.wanted());
        } finally {
            converging.unlock();
        }
    }

    private void switchTo(Mode mode) throws Refusal, InterruptedException {
        try {
            modeSwitch.switchTo(mode);
        } catch (IOException e) {
            throw new Refusal(
                    Refusal.Kind.FAILED,
                    options.name() + " stays in " + modeSwitch.mode().word() + ": " + e.getMessage()
                            + "; see its status, and try again when that is mended",
                    e);
        }
    }

    /** A power management script says how the power is. */
    public void tellPower(PowerEvent event) {
        power.told(event);
    }

    /**
     * Carries everything that is dirty now to the image and waits until it is durable there. Progress is seen in
     * {@link #status()}.
     *
     * @throws Refusal when the backing store failed and something is still dirty (says how much)
     */
    public void flush() throws Refusal, InterruptedException {
        flushCount.incrementAndGet();
        try {
            if (!writeBehind.drain()) {
                throw new Refusal(
                        Refusal.Kind.FAILED,
                        "flush failed, " + status().dirtyBytes() + " bytes are still dirty and will be tried again: "
                                + faults.last());
            }
        } finally {
            flushCount.decrementAndGet();
        }
    }

    /**
     * Writes what the device holds at one moment after this call to a new file, sparse, while writes go on; returns when it is
     * durable there. Progress is seen in {@link #status()}.
     *
     * @param file absolute; must not exist
     * @return how many bytes were written: what is not zeroes
     * @throws Refusal when that failed; no file is left then
     */
    public long snapshot(Path file) throws Refusal, InterruptedException {
        Snapshot snapshot;
        try {
            snapshot = snapshots.begin(file);
        } catch (BackingOpenException e) {
            throw OpenedImage.refusal(e);
        }
        return switch (snapshot.await()) {
            case DONE -> snapshot.writtenBytes();
            case CANCELLED ->
                throw new Refusal(
                        Refusal.Kind.FAILED,
                        "snapshot " + file + " was given up, because the device stops; nothing is left");
            case LOADING, COPYING, FINISHING, FAILED ->
                throw new Refusal(
                        Refusal.Kind.FAILED,
                        "snapshot " + file + " failed: " + snapshot.failure()
                                + "; nothing is left of it, so try again");
        };
    }

    /**
     * Compares what RAM holds with the image, while the device is in use; returns when it has been around, and what it made dirty is
     * durable in the image. One at a time. Progress is seen in {@link #status()}.
     *
     * @param repair which side is right where they differ
     * @param bytesPerSecond how fast the image is read at most
     * @throws Refusal when one is under way, when the device stops before it is done, and when it is to repair and can't
     */
    public VerifyReport verify(VerifyReport.Repair repair, long bytesPerSecond) throws Refusal, InterruptedException {
        if (repair != VerifyReport.Repair.NONE && options.readOnly()) {
            throw new Refusal(
                    Refusal.Kind.FAILED,
                    options.name()
                            + " is read-only, so nothing can be repaired; leave --repair out, or start it without"
                            + " --read-only");
        }
        if (!isVerifying.compareAndSet(false, true)) {
            throw new Refusal(
                    Refusal.Kind.FAILED, "a verify of " + options.name() + " is under way; wait until it is done");
        }
        Verifier.Outcome outcome;
        try {
            // Not on the caller's thread: it may be a virtual one, which would keep its carrier while the disk is read.
            FutureTask<Verifier.Outcome> work = new FutureTask<>(() -> compare(side(repair), bytesPerSecond));
            Thread thread = Thread.ofPlatform().daemon().name("verify").start(work);
            try {
                outcome = work.get();
            } finally {
                // Whoever asks may be interrupted: the next one still finds this one at work, and a stop waits for it.
                thread.join();
            }
        } catch (ExecutionException e) {
            throw new Refusal(Refusal.Kind.FAILED, "verify failed: " + e.getCause(), e);
        } finally {
            isVerifying.set(false);
        }
        if (outcome.isStopped()) {
            throw new Refusal(
                    Refusal.Kind.FAILED, "verify of " + options.name() + " was given up, because the device stops");
        }
        if (outcome.repairedBytes() > 0) {
            flush();
        }
        return new VerifyReport(
                outcome.comparedBytes(),
                outcome.unloadedBytes(),
                outcome.busyBytes(),
                outcome.unreadableBytes(),
                outcome.lastError(),
                outcome.differingBytes(),
                outcome.repairedBytes(),
                outcome.differences().stream()
                        .map(found -> new VerifyReport.Range(found.offsetBytes(), found.lengthBytes()))
                        .toList(),
                outcome.differenceCount());
    }

    private Verifier.Outcome compare(Verifier.Repair repair, long bytesPerSecond) throws PosixException {
        if (repair != Verifier.Repair.IMAGE) {
            return verifier.run(repair, bytesPerSecond);
        }
        // What is put into memory lies there whole first, for the next process, should this one be killed.
        int area = store.layout().mendingArea();
        segment.staging(area);
        try {
            return verifier.run(repair, bytesPerSecond);
        } finally {
            segment.releaseStaging(area);
        }
    }

    private static Verifier.Repair side(VerifyReport.Repair repair) {
        return switch (repair) {
            case NONE -> Verifier.Repair.NONE;
            case RAM -> Verifier.Repair.RAM;
            case IMAGE -> Verifier.Repair.IMAGE;
        };
    }

    /**
     * Switches the trace on or off. While on, events also go to standard error, as text, as far as it keeps up, and to the JDK's flight
     * recorder.
     */
    public void trace(boolean on) {
        traceOutput.set(on);
    }

    /** Whether what happens is to be made events of the JDK's flight recorder. */
    public boolean isRecorded() {
        return trace.isRecorded();
    }

    /** The power has changed: an event of the flight recorder, if that is wanted. */
    public void recordPower(String from, String to, String detail, long toSaveBytes) {
        if (trace.isRecorded()) {
            FlightPower.tell(from, to, detail, toSaveBytes);
        }
    }

    /**
     * Writes the newest trace events to a new file: as text, oldest first, or as a recording of the flight recorder if its name ends
     * with {@code .jfr}; returns how many lines, or bytes.
     */
    public long dumpTrace(Path file) throws Refusal {
        return traceOutput.dump(file);
    }

    // ------------------------------------------------------------------------------------------------------ stopping

    /** Refuses new requests from now on: the device is stopping. {@link #stop()} is to follow. */
    public void beginStop() {
        isEnding = true;
        isStopping = true;
        device.refuseRequests();
    }

    /**
     * Stops the device: refuses new requests, carries everything to the image, makes it durable, says so in journal and state file,
     * gives the memory back and unlocks the image. Returns when that is done, however long it takes; may be called more than
     * once, later calls wait for the first. When the backing store fails it goes on trying: what is dirty is not given up.
     * Exports are stopped before: memory that a session still uses is not unmapped.
     *
     * @throws Refusal when everything is in the image, and this could not be said in journal or state file: what that means and
     *     what to do; all is given back all the same
     */
    public void stop() throws Refusal {
        stop(false);
    }

    /**
     * As above.
     *
     * @param keepsMemory whether the memory is left for the next start, which then loads nothing
     */
    public void stop(boolean keepsMemory) throws Refusal {
        isMemoryKept |= keepsMemory && !options.readOnly();
        beginStop();
        stopping.lock();
        try {
            if (isStopped) {
                return;
            }
            snapshots.stop();
            endVerify();
            // A load that hangs must not keep from the image what it takes.
            population.end();
            power.settle();
            drainForGood();
            power.stop();
            population.stop();
            writeBehind.stop();
            traceOutput.stop();
            isStopped = true;
            release();
        } finally {
            stopping.unlock();
        }
    }

    /**
     * Stops the device where it is, for the next process: what is dirty stays so, in memory that is left as a killed process would
     * leave it. The locks are given back too, unless somebody may still be using the memory: then they end with the process.
     *
     * @param endService ends the exports; they go on until everything else has stopped
     */
    public void handOver(Runnable endService) {
        isEnding = true;
        stopping.lock();
        try {
            if (isStopped) {
                return;
            }
            snapshots.stop();
            endVerify();
            population.stop();
            power.stop();
            writeBehind.stop();
            traceOutput.stop();
            diskWatch.stop();
            endService.run();
            isStopping = true;
            device.refuseRequests();
            isStopped = true;
            endLooking();
            if (device.sessionCount() == 0) {
                attachment.close();
                segment.leave();
                backing.close();
            }
        } catch (IOException e) {
            warn(e);
        } finally {
            stopping.unlock();
        }
    }

    /**
     * Takes the start back, when the device could not be served after all: as {@link #stop()}, and an image that this
     * start created is removed again, with its journal and state file, unless somebody has written to it. Memory that was taken over
     * is left to the next start.
     */
    public void abandon() {
        if (isTakenOver) {
            // It has to be served by somebody else, and soon.
            handOver(() -> {});
            return;
        }
        isAbandoned = true;
        try {
            stop();
        } catch (Refusal e) {
            warn(e);
        }
    }

    /**
     * Refuses a stop that would lose the device: its image was deleted, so what is in it goes with the daemon.
     *
     * @throws Refusal with how to go on
     */
    public void checkStop() throws Refusal {
        Damage damage = diskWatch.damage(watched);
        if (damage != null && damage.kind() == Damage.Kind.DELETED) {
            throw new Refusal(
                    Refusal.Kind.PROTECTED,
                    "a stop would lose all of " + options.name() + ": " + damage.text()
                            + "; copy it first, with 'ramback snapshot "
                            + options.name() + " FILE', and stop it with SIGTERM (kill "
                            + ProcessHandle.current().pid() + ")");
        }
    }

    private @Nullable Damage lookAtImage() throws Refusal {
        try {
            return watched.damage();
        } catch (IOException e) {
            throw new Refusal(Refusal.Kind.FAILED, String.valueOf(e.getMessage()), e);
        }
    }

    /** It writes to memory that is about to be unmapped, and to an image that is about to be closed. */
    private void endVerify() {
        verifier.stop();
        Signal never = new Signal(clock);
        while (isVerifying.get()) {
            never.await(clock.nanoTime() + VERIFY_LOOK_NANOS);
        }
    }

    private void drainForGood() {
        Signal never = new Signal(clock);
        boolean interrupted = false;
        while (true) {
            try {
                if (writeBehind.drain() && dirty.chunkCount() == 0) {
                    break;
                }
                never.await(clock.nanoTime() + STOP_RETRY_NANOS);
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private void release() throws Refusal {
        try {
            if (!options.readOnly()) {
                sayClean();
            }
        } finally {
            giveBack();
        }
    }

    private void sayClean() throws Refusal {
        try {
            watched.sync();
        } catch (IOException e) {
            throw new Refusal(
                    Refusal.Kind.FAILED,
                    "image " + options.image() + " could not be made durable at last: " + e.getMessage()
                            + "; check its disk, and start it again or run 'ramback recover " + options.image()
                            + "' before anything else uses it",
                    e);
        }
        attachment.setClean(
                ChecksumPass.over(store, check), check.changedBlocks(store), isMemoryKept ? segment.path() : null);
        sayWhatIsLost();
    }

    /** The image has everything that RAM had: that may be somewhere else than it was, or not be all. */
    private void sayWhatIsLost() throws Refusal {
        Damage damage = lookAtImage();
        if (damage != null) {
            throw new Refusal(
                    Refusal.Kind.FAILED,
                    options.name() + " has stopped, but its image is not where it was: " + damage.text());
        }
        long intact = backing.intactBytes();
        long unloaded = store.layout().chunkCount() - store.loadedChunkCount();
        if (intact < backing.sizeBytes() && unloaded > 0) {
            throw new Refusal(
                    Refusal.Kind.FAILED,
                    "image " + options.image() + " was cut to " + intact + " bytes while it was served, when "
                            + bytes(unloaded, store.layout())
                            + " bytes of it had not been loaded: what of them lay behind that is lost; restore it from a copy");
        }
    }

    private void giveBack() {
        diskWatch.stop();
        try {
            attachment.close();
        } catch (IOException e) {
            warn(e);
        }
        try {
            giveMemoryBack();
            boolean isUnused = isAbandoned && writeBehind.savedChunkCount() == 0;
            if (isUnused) {
                attachment.remove();
                // While it is still locked, so that nobody else can have begun to use it.
                image.undo();
            } else {
                backing.close();
            }
        } catch (IOException e) {
            warn(e);
        }
    }

    private void giveMemoryBack() throws IOException {
        endLooking();
        boolean isUnused = device.sessionCount() == 0;
        if (isMemoryKept && isUnused) {
            segment.leave();
        } else if (isUnused) {
            segment.close();
        } else if (!isMemoryKept) {
            segment.remove();
        }
        // Kept and still used by somebody: it stays locked until the process ends.
    }

    private static void warn(Exception e) {
        System.getLogger(Engine.class.getName())
                .log(System.Logger.Level.WARNING, "not everything could be tidied up: {0}", e.getMessage());
    }

    @Override
    public void close() throws Refusal {
        stop();
    }
}
