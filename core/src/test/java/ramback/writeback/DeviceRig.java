package ramback.writeback;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import java.util.function.Predicate;
import ramback.backing.Backing;
import ramback.backing.MemoryBacking;
import ramback.clock.Clock;
import ramback.clock.Signal;
import ramback.device.Mode;
import ramback.device.TooManySessionsException;
import ramback.image.ChunkStore;
import ramback.image.ChunkTable;
import ramback.image.DirtyCount;
import ramback.image.Epochs;
import ramback.image.ImageDevice;
import ramback.image.Worker;
import ramback.journal.EpochLog;
import ramback.journal.ImageChecksums;
import ramback.journal.NoJournal;
import ramback.journal.StateFile.Blocks;
import ramback.memory.ImageIdentity;
import ramback.memory.SegmentLayout;
import ramback.memory.SharedSegment;
import ramback.trace.Trace;

/**
 * A whole device for a test, put together as the engine does it: memory on tmpfs in a directory of its own, a slow disk,
 * loaders, write-behind. Closing it leaves nothing behind; what was dirty is then dropped, unless {@link #stopCleanly()}
 * came before.
 */
final class DeviceRig implements AutoCloseable {

    /** How a rig is to be; the defaults suit a test that has no wish of its own. */
    static final class Plan {
        private final Backing backing;
        private int chunkBytes = 4096;
        private boolean sparse;
        private Mode mode = Mode.WRITEBACK;
        private long lagNanos = 2_000_000;
        private long limitBytes = 1 << 30;
        private int sessionCountMax = 8;
        private boolean loading = true;
        private EpochLog log = new NoJournal();
        private long ringBytes;
        private long firstEpoch;
        private Clock clock = Clock.SYSTEM;
        private ImageChecksums checksums;
        private List<Blocks> suspect = List.of();
        private Path parent = Path.of("/dev/shm");
        private final List<Gate> gates = new ArrayList<>();

        private Plan(Backing backing) {
            this.backing = backing;
        }

        Plan chunkBytes(int bytes) {
            chunkBytes = bytes;
            return this;
        }

        Plan sparse(boolean value) {
            sparse = value;
            return this;
        }

        Plan mode(Mode value) {
            mode = value;
            return this;
        }

        /** How old a change may get; {@link Clock#NEVER} is "until somebody asks", a year will do for that. */
        Plan lagNanos(long nanos) {
            lagNanos = nanos;
            return this;
        }

        Plan limitBytes(long bytes) {
            limitBytes = bytes;
            return this;
        }

        /** A journal, and how much memory the versions on their way there may take. */
        Plan journal(EpochLog journal, long bytes) {
            log = journal;
            ringBytes = bytes;
            return this;
        }

        /** The first epoch; 0 unless a journal goes on from others. */
        Plan firstEpoch(long epoch) {
            firstEpoch = epoch;
            return this;
        }

        /** Another clock than the machine's. */
        Plan clock(Clock value) {
            clock = value;
            return this;
        }

        /** What the image held at its last clean stop, and where it was found changed since. */
        Plan checksums(ImageChecksums expected, Blocks... changed) {
            checksums = expected;
            suspect = List.of(changed);
            return this;
        }

        Plan sessionCountMax(int count) {
            sessionCountMax = count;
            return this;
        }

        /** Whether the loaders' threads run; without them nothing is ever loaded. */
        Plan loading(boolean value) {
            loading = value;
            return this;
        }

        /** The directory, on tmpfs, in which the rig makes its own. */
        Plan in(Path directory) {
            parent = directory;
            return this;
        }

        /** A gate that is there, closed, before the device starts; the rig opens it when it is closed. */
        Plan with(Gate gate) {
            ((MemoryBacking) backing).before(gate);
            gates.add(gate);
            return this;
        }

        DeviceRig start() {
            try {
                return new DeviceRig(this);
            } catch (IOException e) {
                throw new AssertionError(e);
            }
        }
    }

    /** A lag that no test lives to see. */
    static final long LAG_NEVER = 365L * 24 * 3600 * 1_000_000_000L;

    private final AtomicInteger modeSwitchCount = new AtomicInteger();

    final Clock clock;
    final Path directory;
    final Backing backing;
    final SharedSegment segment;
    final Epochs epochs;
    final DirtyCount dirty = new DirtyCount();
    final Trace trace;
    final Faults faults;
    final ChunkStore store;
    final ImageDevice device;
    final Population population;
    final WriteBehind writeBehind;
    final ImageCheck check;
    final Verifier verifier;
    /** What was to be remembered as changed behind our back. */
    volatile List<Blocks> changed = List.of();

    private final List<RigClient> clients = new ArrayList<>();
    private final List<Gate> gates;
    private boolean closed;

    private DeviceRig(Plan plan) throws IOException {
        directory = Files.createTempDirectory(plan.parent, "ramback-device-test");
        backing = plan.backing;
        clock = plan.clock;
        trace = new Trace(clock);
        faults = new Faults(trace);
        gates = plan.gates;
        SegmentLayout layout = new SegmentLayout(backing.sizeBytes(), plan.chunkBytes, plan.sessionCountMax);
        segment = SharedSegment.create(directory.resolve("segment"), layout, plan.sparse, new ImageIdentity(1, 2));
        Signal sealerSignal = new Signal(clock);
        epochs = new Epochs(ImageDevice.workerCount(plan.sessionCountMax), clock, sealerSignal::raise, plan.firstEpoch);
        Versions versions = new Versions(clock, plan.chunkBytes, plan.ringBytes);
        store = new ChunkStore(segment, epochs, versions, dirty, trace);
        device = new ImageDevice("test", false, plan.mode, segment, store, epochs, dirty, clock, trace);
        population = new Population(segment, store, backing, clock, trace, faults);
        check = plan.checksums == null
                ? ImageCheck.none(backing, faults)
                : new ImageCheck(plan.checksums, plan.suspect, backing, faults, blocks -> changed = blocks);
        population.checkAgainst(check);
        GuardedImage guarded = check.guarded();
        writeBehind = new WriteBehind(new WriteBehind.Plan(
                store,
                epochs,
                dirty,
                guarded,
                plan.log,
                versions,
                clock,
                trace,
                faults,
                plan.lagNanos,
                plan.limitBytes,
                device::wakeSessions,
                sealerSignal));
        population.whenLoadedLate(writeBehind::rewriteImage);
        verifier = new Verifier(
                store,
                guarded,
                writeBehind.throttle(),
                clock,
                new Worker(
                        ImageDevice.mendingWorker(plan.sessionCountMax),
                        segment.redoSlot(segment.layout().mendingSlot())));
        device.connect(population, writeBehind, writeBehind.throttle());
        writeBehind.start();
        if (plan.loading) {
            population.start();
        }
    }

    static Plan over(Backing backing) {
        return new Plan(backing);
    }

    /** A client of its own, closed with the rig. */
    RigClient connect() {
        try {
            RigClient client = new RigClient(device);
            clients.add(client);
            return client;
        } catch (TooManySessionsException e) {
            throw new AssertionError(e);
        }
    }

    /** A closed gate before some of the disk's calls; the rig opens it when it is closed. */
    Gate hold(Predicate<MemoryBacking.Call> which) {
        Gate gate = new Gate(which);
        gates.add(gate);
        memoryBacking().before(gate);
        return gate;
    }

    MemoryBacking memoryBacking() {
        return (MemoryBacking) backing;
    }

    /** As the engine's switch of modes. */
    void switchMode(Mode mode) {
        Mode before = device.mode();
        modeSwitchCount.incrementAndGet();
        device.setMode(mode);
        if (mode.compareTo(before) < 0) {
            writeBehind.demandAll();
        }
    }

    /** Grows before each switch of the mode. */
    int modeSwitchCount() {
        return modeSwitchCount.get();
    }

    /** Waits until a condition holds that other threads bring about; fails when they don't. */
    static void awaitTrue(String what, BooleanSupplier condition) {
        long deadline = System.nanoTime() + Gate.HANG_SECONDS * 1_000_000_000L;
        while (!condition.getAsBoolean()) {
            if (System.nanoTime() > deadline) {
                throw new AssertionError("never came true: " + what);
            }
            Thread.yield();
        }
    }

    void awaitLoaded() {
        awaitTrue("all is loaded", population::isComplete);
    }

    void awaitClean() {
        awaitTrue("all is clean", () -> dirty.chunkCount() == 0);
    }

    /** The bits of a plane that are set, over the whole device. */
    long bitCount(int plane) {
        MemorySegment bits = segment.plane(plane);
        long count = 0;
        for (long word = 0; word < segment.layout().wordCount(); word++) {
            count += Long.bitCount(bits.get(ValueLayout.JAVA_LONG, word * Long.BYTES));
        }
        return count;
    }

    /** Chunks that hold data and are not durable in the image, counted one by one. */
    long dirtyDataChunkCount() {
        ChunkTable table = store.table();
        long count = 0;
        for (long word = 0; word < table.wordCount(); word++) {
            count += Long.bitCount(
                    (table.dirty(0, word) | table.dirty(1, word) | table.stale(word)) & ~table.zero(word));
        }
        return count;
    }

    /** Stops as the engine does: everything is carried to the image first. Then nothing may be left half done. */
    void stopCleanly() {
        ImageChecksums _ = stopWithChecksums();
    }

    /** The same; returns what the image holds then. */
    ImageChecksums stopWithChecksums() {
        clients.forEach(RigClient::close);
        device.refuseRequests();
        population.stop();
        try {
            while (!writeBehind.drain()) {
                Thread.onSpinWait();
            }
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
        writeBehind.stop();
        assertThat(dirty.chunkCount()).as("dirty chunks").isZero();
        assertThat(dirty.dataChunkCount()).as("dirty data chunks").isZero();
        assertThat(device.waitingCount()).as("waiting requests").isZero();
        assertThat(device.sessionCount()).as("sessions").isZero();
        for (int plane = 0; plane < 4; plane++) {
            assertThat(bitCount(plane))
                    .as("set bits of plane %d (L D0 D1 H)", plane)
                    .isZero();
        }
        closed = true;
        ImageChecksums held = ChecksumPass.over(store, check);
        release();
        return held;
    }

    private void release() {
        try {
            segment.close();
            Files.delete(directory);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    @Override
    public void close() {
        if (closed) {
            return;
        }
        closed = true;
        gates.forEach(Gate::open);
        clients.forEach(RigClient::close);
        population.stop();
        writeBehind.stop();
        release();
    }
}
