package ramback.sim;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import ramback.clock.Agent;
import ramback.clock.Signal;
import ramback.device.Mode;
import ramback.device.TooManySessionsException;
import ramback.image.ChunkStore;
import ramback.image.ChunkTable;
import ramback.image.DirtyCount;
import ramback.image.Epochs;
import ramback.image.ImageDevice;
import ramback.journal.EpochLog;
import ramback.journal.JournalIdentity;
import ramback.journal.JournalScan;
import ramback.journal.LocalJournal;
import ramback.journal.NoJournal;
import ramback.memory.ImageIdentity;
import ramback.memory.SegmentLayout;
import ramback.memory.SharedSegment;
import ramback.trace.Trace;
import ramback.writeback.Faults;
import ramback.writeback.ModeSwitch;
import ramback.writeback.Population;
import ramback.writeback.Versions;
import ramback.writeback.WriteBehind;

/**
 * A whole device, put together as the engine does it, with its clients and an operator who switches modes, in a simulation. Running
 * it leaves a recording of what it did to its disks and a history of what it promised.
 */
final class World {

    private static final int SESSION_COUNT_MAX = 4;
    private static final UUID DEVICE = new UUID(0x51a11ab5L, 0x1234L);

    private final Scenario scenario;
    private final TraceHash hash = new TraceHash();
    private final Scheduler scheduler;
    private final SimClock clock;
    private final Recording recording = new Recording();
    private final History history;
    private final Random random;
    private final CrashExplorer.Start start;
    private final List<SimClient> clients = new ArrayList<>();
    private final byte[][] initial;
    private long lookedAtEpoch;
    private int modeChangeCount;
    private int failedRequestCount;
    private boolean operatorIsOver;

    private @Nullable SharedSegment segment;
    private @Nullable ChunkStore store;
    private @Nullable Epochs epochs;
    private @Nullable WriteBehind writeBehind;
    private @Nullable Population population;

    World(Scenario scenario) {
        this.scenario = scenario;
        long seed = scenario.seed();
        this.scheduler = new Scheduler(TraceHash.mix(seed + 1), hash);
        this.clock = new SimClock(scheduler);
        this.random = new Random(TraceHash.mix(seed + 2));
        this.initial = History.initialPages(scenario.sizeBytes(), scenario.stretchPages(), scenario.isBlank());
        boolean hasJournal = scenario.journalBytes() > 0;
        this.history = new History(
                recording, scenario.sizeBytes(), initial, scenario.mode(), scenario.intervalNanos(), hasJournal);
        byte[][] formatted = hasJournal ? formatted() : new byte[0][];
        CrashImage media = new CrashImage(new byte[][][] {initial, formatted}, null, "before everything");
        this.start = new CrashExplorer.Start(scenario.sizeBytes(), scenario.journalBytes(), media);
    }

    private byte[][] formatted() {
        SimDisk empty = SimDisk.plain("journal", scenario.journalBytes());
        try {
            JournalIdentity identity = new JournalIdentity(DEVICE, scenario.chunkBytes(), scenario.sizeBytes(), 1, 2);
            LocalJournal.format(empty, identity, 0);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
        return empty.pages();
    }

    Scheduler scheduler() {
        return scheduler;
    }

    History history() {
        return history;
    }

    Recording recording() {
        return recording;
    }

    TraceHash hash() {
        return hash;
    }

    CrashExplorer.Start start() {
        return start;
    }

    /** Grows whenever a switch of the mode begins or ends. */
    int modeChangeCount() {
        return modeChangeCount;
    }

    void noteFailedRequest() {
        failedRequestCount++;
    }

    int failedRequestCount() {
        return failedRequestCount;
    }

    // -------------------------------------------------------------------------------------------------------- run

    /** Runs until all clients are done; then all of it is gone but the recording and the history. */
    void run() {
        Path directory = null;
        try {
            directory = Files.createTempDirectory(Path.of("/dev/shm"), "ramback-sim");
            Path file = directory.resolve("segment");
            scheduler.spawn("boot", () -> boot(file));
            scheduler.run();
        } catch (IOException e) {
            throw new AssertionError(e);
        } finally {
            takeAway(directory);
        }
    }

    private void takeAway(@Nullable Path directory) {
        try {
            if (population != null) {
                population.stop();
            }
            if (writeBehind != null) {
                writeBehind.stop();
            }
            if (segment != null) {
                segment.close();
            }
            if (directory != null) {
                Files.delete(directory);
            }
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private SimDisk disk(int number, String name, long sizeBytes, byte[][] pages, double failShare) {
        SimDisk.Moody temper = new SimDisk.Moody(
                scheduler,
                hash,
                TraceHash.mix(scenario.seed() + 10 + number),
                failShare,
                number == CrashImage.IMAGE,
                scenario.slowShare(),
                scenario.stuckShare(),
                scenario.calmNanos());
        return new SimDisk(number, name, sizeBytes, pages.clone(), recording, temper);
    }

    private void boot(Path file) {
        try {
            SimDisk image = disk(CrashImage.IMAGE, "image", scenario.sizeBytes(), initial, scenario.imageFailShare());
            if (scenario.journalBytes() == 0) {
                assemble(file, image, new NoJournal(), 0);
            } else {
                LocalJournal log = openJournal();
                assemble(file, image, log, log.headEpoch() + 1);
            }
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private LocalJournal openJournal() throws IOException {
        byte[][] formatted = start.media().pages[CrashImage.JOURNAL];
        SimDisk disk =
                disk(CrashImage.JOURNAL, "journal", scenario.journalBytes(), formatted, scenario.journalFailShare());
        JournalScan scan = JournalScan.of(disk);
        LocalJournal log = LocalJournal.open(disk, scan, 1, () -> TraceHash.mix(scenario.seed() + 3));
        while (true) {
            try {
                log.fence();
                return log;
            } catch (IOException e) {
                hash.add(8);
                scheduler.sleepUntil("a pause after a failure", clock.nanoTime() + 1_000_000);
            }
        }
    }

    private void assemble(Path file, SimDisk image, EpochLog log, long firstEpoch) throws IOException {
        SegmentLayout layout = new SegmentLayout(scenario.sizeBytes(), scenario.chunkBytes(), SESSION_COUNT_MAX);
        SharedSegment memory = SharedSegment.create(file, layout, false, new ImageIdentity(1, 2));
        segment = memory;
        Signal sealerSignal = new Signal(clock);
        Trace trace = new Trace(clock);
        Faults faults = new Faults(trace);
        DirtyCount dirty = new DirtyCount();
        Epochs counted = new Epochs(ImageDevice.workerCount(SESSION_COUNT_MAX), clock, sealerSignal::raise, firstEpoch);
        epochs = counted;
        lookedAtEpoch = firstEpoch;
        Versions versions = new Versions(clock, scenario.chunkBytes(), scenario.ringBytes());
        ChunkStore chunks = new ChunkStore(memory, counted, versions, dirty, trace);
        store = chunks;
        ImageDevice served =
                new ImageDevice("simulated", false, scenario.mode(), memory, chunks, counted, dirty, clock, trace);
        Population loading = new Population(memory, chunks, image, clock, trace, faults);
        population = loading;
        WriteBehind behind = new WriteBehind(new WriteBehind.Plan(
                chunks,
                counted,
                dirty,
                image,
                log,
                versions,
                clock,
                trace,
                faults,
                scenario.lagNanos(),
                scenario.limitBytes(),
                served::wakeSessions,
                sealerSignal));
        writeBehind = behind;
        served.connect(loading, behind, behind.throttle());
        ModeSwitch modes = new ModeSwitch(served, behind, log, this::recordMode, scenario.intervalNanos());
        scheduler.onSwitch(this::look);
        behind.agents().forEach(this::spawn);
        loading.agents().forEach(this::spawn);
        for (int i = 0; i < scenario.clientCount(); i++) {
            addClient(i, served);
        }
        scheduler.spawn("operator", () -> operate(modes, behind));
        scheduler.spawn("end", this::awaitEnd);
    }

    private void spawn(Agent agent) {
        scheduler.spawn(agent.name(), () -> {
            while (true) {
                long deadlineNanos = agent.step();
                if (deadlineNanos <= clock.nanoTime()) {
                    scheduler.noteProgress();
                }
                scheduler.pause(agent.name(), deadlineNanos);
            }
        });
    }

    private void addClient(int number, ImageDevice served) {
        try {
            SimClient client = new SimClient(
                    "client-" + number,
                    this,
                    served,
                    served.openSession(),
                    TraceHash.mix(scenario.seed() + 100 + number),
                    scenario.requestCount(),
                    scenario.thinkNanos());
            clients.add(client);
            client.start();
        } catch (TooManySessionsException e) {
            throw new AssertionError(e);
        }
    }

    private void awaitEnd() {
        while (!operatorIsOver || clients.stream().anyMatch(client -> !client.isOver())) {
            scheduler.pause("end", ramback.clock.Clock.NEVER);
        }
        // What is under way now may end or not.
        scheduler.sleepUntil("end", clock.nanoTime() + random.nextInt(20_000_000));
        scheduler.stop();
    }

    // --------------------------------------------------------------------------------------------------- operator

    private void operate(ModeSwitch modes, WriteBehind behind) {
        try {
            for (int i = 0; i < scenario.switchCount(); i++) {
                scheduler.sleepUntil("operator", clock.nanoTime() + random.nextInt(40_000_000));
                if (random.nextInt(4) == 0) {
                    boolean isDrained = behind.drain();
                    hash.add(isDrained ? 1 : 0);
                } else {
                    switchTo(modes, Mode.values()[random.nextInt(4)]);
                }
            }
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
        operatorIsOver = true;
        scheduler.noteProgress();
    }

    private void switchTo(ModeSwitch modes, Mode mode) throws InterruptedException {
        Mode before = modes.mode();
        if (mode == before) {
            return;
        }
        int sinceTick = history.nowTick();
        modeChangeCount++;
        if (mode == Mode.UNSAFE) {
            history.mayTear(clock.nanoTime());
        }
        try {
            modes.switchTo(mode);
        } catch (IOException e) {
            hash.add(7);
        }
        Mode reported = modes.mode();
        // A looser mode adds nothing to what was promised before.
        boolean isStricter = reported.compareTo(before) < 0;
        history.inForce(reported, isStricter ? sinceTick : 0, clock.nanoTime());
        modeChangeCount++;
        scheduler.noteProgress();
    }

    private void recordMode(Mode mode) {
        hash.add(mode.ordinal());
    }

    // ------------------------------------------------------------------------------------------------------- cuts

    /** Notes what the device held when an epoch was cut; looks before anybody else may go on. */
    private void look() {
        Epochs counted = epochs;
        ChunkStore chunks = store;
        if (counted == null || chunks == null || counted.open() == lookedAtEpoch) {
            return;
        }
        if (counted.open() != lookedAtEpoch + 1) {
            throw new AssertionError("two cuts in one step");
        }
        history.cut(lookedAtEpoch, content(chunks));
        lookedAtEpoch = counted.open();
    }

    private byte[][] content(ChunkStore chunks) {
        byte[][] before = history.newestPages();
        byte[][] pages = new byte[before.length][];
        ChunkTable table = chunks.table();
        MemorySegment data = chunks.data();
        int shift = chunks.layout().chunkShift();
        for (int page = 0; page < pages.length; page++) {
            long offset = (long) page * Write.PAGE_BYTES;
            int length = (int) Math.min(Write.PAGE_BYTES, scenario.sizeBytes() - offset);
            long chunk = offset >>> shift;
            long bit = 1L << (chunk & 63);
            if ((table.loaded(chunk >>> 6) & bit) == 0) {
                pages[page] = initial[page];
            } else if ((table.zero(chunk >>> 6) & bit) == 0) {
                byte[] bytes = new byte[Write.PAGE_BYTES];
                MemorySegment.copy(data, ValueLayout.JAVA_BYTE, offset, bytes, 0, length);
                pages[page] = Write.areEqual(bytes, before[page]) ? before[page] : bytes;
            }
        }
        return pages;
    }
}
