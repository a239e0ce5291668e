package ramback.engine;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.ReentrantLock;
import ramback.backing.FileBacking;
import ramback.clock.AgentThread;
import ramback.clock.Clock;
import ramback.clock.Signal;
import ramback.device.Device;
import ramback.device.Mode;
import ramback.image.ChunkStore;
import ramback.image.DirtyCount;
import ramback.image.Epochs;
import ramback.image.ImageDevice;
import ramback.journal.NoJournal;
import ramback.memory.SegmentLayout;
import ramback.memory.SharedSegment;
import ramback.trace.Trace;
import ramback.writeback.Faults;
import ramback.writeback.Population;
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

    private static final long STOP_RETRY_NANOS = 500_000_000L;
    private static final long TRACE_PERIOD_NANOS = 50_000_000L;

    private final DeviceOptions options;
    private final Clock clock = Clock.SYSTEM;
    private final OpenedImage image;
    private final FileBacking backing;
    private final SharedSegment segment;
    private final ChunkStore store;
    private final DirtyCount dirty = new DirtyCount();
    private final Trace trace = new Trace(clock);
    private final Faults faults = new Faults(trace);
    private final ImageDevice device;
    private final Population population;
    private final WriteBehind writeBehind;
    private final AgentThread tracePrinter;
    private final Signal traceSignal = new Signal(clock);
    private final AtomicLong tracePrinted = new AtomicLong();

    private final ReentrantLock stopping = new ReentrantLock();
    private final AtomicInteger flushCount = new AtomicInteger();
    private volatile boolean isStopping;
    private volatile boolean isAbandoned;
    private boolean isStopped;

    private Engine(DeviceOptions options, OpenedImage image, SharedSegment segment) {
        this.options = options;
        this.image = image;
        this.backing = image.backing();
        this.segment = segment;
        SegmentLayout layout = segment.layout();
        Signal sealerSignal = new Signal(clock);
        Epochs epochs = new Epochs(ImageDevice.workerCount(layout.sessionCountMax()), clock, sealerSignal::raise);
        Versions versions = new Versions(clock, layout.chunkBytes(), 0);
        this.store = new ChunkStore(segment, epochs, versions, dirty, trace);
        this.device = new ImageDevice(
                options.name(), options.readOnly(), options.mode(), segment, store, epochs, dirty, clock, trace);
        this.population = new Population(segment, store, backing, clock, trace, faults);
        this.writeBehind = new WriteBehind(new WriteBehind.Plan(
                store,
                epochs,
                dirty,
                backing,
                new NoJournal(),
                versions,
                clock,
                trace,
                faults,
                LAG_NANOS,
                options.dirtyMaxBytes().orElse(Math.max(DIRTY_BYTES_MIN, layout.sizeBytes() / DIRTY_SHARE)),
                device::wakeSessions,
                sealerSignal));
        population.stepBackWhile(() -> writeBehind.isUrgent() && dirty.chunkCount() > 0);
        device.connect(population, writeBehind, writeBehind.throttle());
        this.tracePrinter = AgentThread.start(new TracePrinter(), clock, traceSignal);
        writeBehind.start();
        population.start();
    }

    /**
     * Starts a device: opens (or creates) and locks the image, takes the memory, starts loading and write-behind.
     * The device may be served as soon as this returns. Nothing is left behind when it throws.
     *
     * @throws Refusal when it can't or must not be started; one line for the operator
     */
    public static Engine start(DeviceOptions options) throws Refusal {
        if (options.mode() == Mode.CHECKPOINT) {
            throw new Refusal(Refusal.Kind.USAGE, needsJournal());
        }
        OpenedImage image = OpenedImage.open(options);
        try {
            SharedSegment segment = SegmentFile.create(options, image.backing());
            return new Engine(options, image, segment);
        } catch (Refusal | RuntimeException e) {
            image.undo();
            throw e;
        }
    }

    private static String needsJournal() {
        return "mode checkpoint needs a journal, and this version keeps none; use writeback, writethrough or unsafe";
    }

    /** The device to export. */
    public Device device() {
        return device;
    }

    // ------------------------------------------------------------------------------------------------------ status

    /** A snapshot of everything status shows. */
    public DeviceStatus status() {
        SegmentLayout layout = store.layout();
        long dirtyChunks = Math.max(0, dirty.chunkCount());
        long dirtyBytes = Math.min(dirtyChunks * layout.chunkBytes(), layout.sizeBytes());
        Mode mode = device.mode();
        DeviceState state = state();
        boolean isThrottling = writeBehind.throttle().isThrottling();
        // In unsafe nothing is promised about a mixture of old and new: all of it is at stake while any of it is dirty.
        long sinceNanos = mode == Mode.UNSAFE ? writeBehind.lastCleanNanos() : writeBehind.oldestDirtyNanos();
        double dirtySeconds = sinceNanos == 0 ? 0 : (clock.nanoTime() - sinceNanos) / 1e9;
        long lossBytes = mode == Mode.UNSAFE && dirtyChunks > 0 ? layout.sizeBytes() : dirtyBytes;
        return new DeviceStatus(
                options.name(),
                mode,
                options.mode(),
                state,
                state == DeviceState.READY && mode == options.mode() && !isThrottling,
                layout.sizeBytes(),
                layout.chunkBytes(),
                layout.chunkCount(),
                store.loadedChunkCount(),
                writeBehind.savedChunkCount(),
                dirtyChunks,
                dirtyBytes,
                device.waitingCount(),
                lossBytes,
                Math.max(0, dirtySeconds),
                Math.max(0, writeBehind.committed()),
                writeBehind.commitTime(),
                backing.uri(),
                faults.count(),
                faults.last(),
                writeBehind.bytesPerSecond(),
                population.bytesPerSecond(),
                population.remainingBytes(),
                writeBehind.throttle().limitBytes(),
                isThrottling,
                backing.directIo(),
                options.readOnly(),
                trace.isOn());
    }

    private DeviceState state() {
        if (isStopping) {
            return DeviceState.STOPPING;
        }
        if (faults.isFailing()) {
            return DeviceState.DEGRADED;
        }
        if (flushCount.get() > 0) {
            return DeviceState.FLUSHING;
        }
        return population.isComplete() ? DeviceState.READY : DeviceState.LOADING;
    }

    // ---------------------------------------------------------------------------------------------------- commands

    /**
     * Switches the mode of the running device, under load, in any direction. Requests from now on are acknowledged as
     * the new mode says, those that wait are released at once where it promises less; where it promises more, what is
     * dirty is carried to the image now.
     *
     * @throws Refusal when this device can't have the mode (checkpoint without a journal)
     */
    public void switchMode(Mode mode) throws Refusal {
        if (mode == Mode.CHECKPOINT) {
            throw new Refusal(Refusal.Kind.FAILED, needsJournal());
        }
        Mode before = device.mode();
        device.setMode(mode);
        if (mode.compareTo(before) < 0) {
            writeBehind.demandAll();
        }
    }

    /** Returns to the configured mode. */
    public void switchModeToAuto() throws Refusal {
        switchMode(options.mode());
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

    /** Switches the trace on or off. While on, events also go to standard error, as text, as far as it keeps up. */
    public void trace(boolean on) {
        if (on && !trace.isOn()) {
            tracePrinted.set(trace.eventCount());
        }
        trace.setOn(on);
        traceSignal.raise();
    }

    /** Writes the newest trace events as text, oldest first, to a new file; returns how many lines. */
    public long dumpTrace(Path file) throws Refusal {
        AtomicLong lines = new AtomicLong();
        try {
            Files.createFile(file, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
            try (var writer = Files.newBufferedWriter(file, StandardOpenOption.WRITE)) {
                long first = Math.max(0, trace.eventCount() - Trace.EVENT_COUNT_MAX);
                trace.copyTo(
                        text -> {
                            writer.write(text);
                            writer.newLine();
                            lines.incrementAndGet();
                        },
                        first);
            }
        } catch (FileAlreadyExistsException e) {
            throw new Refusal(Refusal.Kind.FAILED, "trace file " + file + " exists; name a new file", e);
        } catch (IOException e) {
            throw new Refusal(Refusal.Kind.FAILED, "trace file " + file + " can't be written: " + e.getMessage(), e);
        }
        return lines.get();
    }

    private final class TracePrinter implements ramback.clock.Agent {

        private final PrintStream out = new PrintStream(
                new java.io.FileOutputStream(java.io.FileDescriptor.err), false, StandardCharsets.UTF_8);

        @Override
        public String name() {
            return "trace";
        }

        @Override
        public long step() {
            boolean on = trace.isOn();
            if (trace.eventCount() > tracePrinted.get()) {
                try {
                    tracePrinted.set(trace.copyTo(out::println, tracePrinted.get()));
                    out.flush();
                } catch (IOException e) {
                    throw new IllegalStateException(e);
                }
            }
            return on ? clock.nanoTime() + TRACE_PERIOD_NANOS : Clock.NEVER;
        }
    }

    // ------------------------------------------------------------------------------------------------------ stopping

    /**
     * Stops the device: refuses new requests, carries everything to the image, makes it durable, gives the memory back
     * and unlocks the image. Returns when that is done, however long it takes; may be called more than once, later
     * calls wait for the first. When the backing store fails it goes on trying: what is dirty is not given up. Exports
     * are stopped before: memory that a session still uses is not unmapped.
     */
    public void stop() {
        isStopping = true;
        device.refuseRequests();
        stopping.lock();
        try {
            if (isStopped) {
                return;
            }
            population.stop();
            drainForGood();
            writeBehind.stop();
            trace.setOn(false);
            tracePrinter.stop();
            release();
            isStopped = true;
        } finally {
            stopping.unlock();
        }
    }

    /**
     * Takes the start back, when the device could not be served after all: as {@link #stop()}, and an image that this
     * start created is removed again, unless somebody has written to it.
     */
    public void abandon() {
        isAbandoned = true;
        stop();
    }

    private void drainForGood() {
        Signal never = new Signal(clock);
        boolean interrupted = false;
        while (true) {
            try {
                if (writeBehind.drain()) {
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

    private void release() {
        try {
            if (device.sessionCount() == 0) {
                segment.close();
            } else {
                segment.remove();
            }
            if (isAbandoned && writeBehind.savedChunkCount() == 0) {
                // While it is still locked, so that nobody else can have begun to use it.
                image.undo();
            } else {
                backing.close();
            }
        } catch (IOException e) {
            // Everything is durable in the image by now; what could not be tidied is only named.
            System.getLogger(Engine.class.getName())
                    .log(System.Logger.Level.WARNING, "not everything could be tidied up: {0}", e.getMessage());
        }
    }

    @Override
    public void close() {
        stop();
    }
}
