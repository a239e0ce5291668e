package ramback.sim;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalDouble;
import java.util.Random;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import ramback.clock.Agent;
import ramback.clock.Clock;
import ramback.clock.Signal;
import ramback.device.Mode;
import ramback.device.TooManySessionsException;
import ramback.image.ChunkStore;
import ramback.image.ChunkTable;
import ramback.image.DirtyCount;
import ramback.image.Epochs;
import ramback.image.ImageDevice;
import ramback.journal.EpochLog;
import ramback.journal.LocalJournal;
import ramback.memory.SharedSegment;
import ramback.power.PowerJudge;
import ramback.power.PowerPolicy;
import ramback.power.PowerView;
import ramback.power.UpsAddress;
import ramback.power.UpsReading;
import ramback.trace.Trace;
import ramback.writeback.Faults;
import ramback.writeback.ModeSwitch;
import ramback.writeback.Population;
import ramback.writeback.Throttle;
import ramback.writeback.Versions;
import ramback.writeback.WriteBehind;

/** A device from its start to its stop, put together as the engine does it, with its clients and an operator who switches modes. */
final class Life implements AutoCloseable {

    static final int SESSION_COUNT_MAX = 4;

    private static final UpsAddress UPS = new UpsAddress("ups", "localhost", UpsAddress.PORT_DEFAULT);
    private static final Mode[] POWERED = {Mode.CHECKPOINT, Mode.WRITEBACK, Mode.UNSAFE};
    /** What a UPS says; the line is there as often as not. */
    private static final List<Set<String>> HEARD = List.of(
            Set.of("OL"),
            Set.of("OL", "CHRG"),
            Set.of("OL", "RB"),
            Set.of("OL"),
            Set.of("OB"),
            Set.of("OB", "LB"),
            Set.of("FSD", "OB", "LB"),
            Set.of("OFF"));

    private static final int START_NANOS_MAX = 3_000_000;
    private static final long STOP_RETRY_NANOS = 100_000_000L;
    /** One seed of so many has a device that looks at what is written for zeroes; its clients write zeroes like data. */
    private static final int DETECTING_SHARE = 8;

    private final World world;
    private final Scenario scenario;
    private final Scheduler scheduler;
    private final History history;
    private final SimClock clock;
    private final Random random;
    private final Mode mode;
    private final long unsafeMaxBytes;
    private final byte[][] beginning;
    private final SharedSegment segment;
    private final Epochs epochs;
    private final DirtyCount dirty = new DirtyCount();
    private final ChunkStore store;
    private final ImageDevice device;
    private final Population population;
    private final WriteBehind writeBehind;
    private final ModeSwitch modes;
    private final List<SimClient> clients = new ArrayList<>();
    private final boolean isTakenOver;
    private final long headEpoch;
    private long lookedAtEpoch;
    private int taskCount;
    private boolean operatorIsOver;
    private boolean isStopped;

    /**
     * Assembles a device.
     *
     * @param segment its memory
     * @param beginning what the image holds of chunks that are not in it
     * @param isTakenOver whether the memory is that of a killed process
     * @param onMode writes a mode down
     * @param number of this life, from 0
     */
    Life(
            World world,
            Scenario scenario,
            SharedSegment segment,
            byte[][] beginning,
            boolean isTakenOver,
            SimDisk image,
            EpochLog log,
            Mode mode,
            ModeSwitch.ModeRecord onMode,
            int number) {
        this.world = world;
        this.scenario = scenario;
        this.scheduler = world.scheduler();
        this.history = world.history();
        this.clock = new SimClock(scheduler);
        this.random = new Random(TraceHash.mix(scenario.seed() + 2 + 7919L * number));
        this.mode = mode;
        this.unsafeMaxBytes = isUnlimited(scenario.seed()) ? Throttle.UNLIMITED : scenario.limitBytes();
        this.beginning = beginning;
        this.segment = segment;
        this.isTakenOver = isTakenOver;
        long firstEpoch = 0;
        if (log instanceof LocalJournal journal) {
            firstEpoch = journal.headEpoch() + 1;
            journal.tellCommits(segment::noteCommitted);
        }
        this.headEpoch = firstEpoch - 1;
        Signal sealerSignal = new Signal(clock);
        Trace trace = new Trace(clock);
        Faults faults = new Faults(trace);
        this.epochs = new Epochs(ImageDevice.workerCount(SESSION_COUNT_MAX), clock, sealerSignal::raise, firstEpoch);
        this.lookedAtEpoch = firstEpoch;
        Versions versions = new Versions(clock, scenario.chunkBytes(), scenario.ringBytes());
        this.store = new ChunkStore(segment, epochs, new PreemptedCaptures(versions, scheduler), dirty, trace);
        this.device = new ImageDevice("simulated", false, mode, segment, store, epochs, dirty, clock, trace);
        if (Math.floorMod(scenario.seed(), DETECTING_SHARE) == 0) {
            device.detectZeroes();
        }
        this.population = new Population(segment, store, image, clock, trace, faults);
        this.writeBehind = new WriteBehind(new WriteBehind.Plan(
                store,
                epochs,
                dirty,
                image,
                log,
                versions,
                clock,
                trace,
                faults,
                scenario.lagNanos(),
                scenario.limitBytes(),
                this::onCommit,
                sealerSignal));
        device.connect(population, writeBehind, writeBehind.throttle());
        writeBehind.throttle().setLimit(limitBytes(mode));
        this.modes = new ModeSwitch(device, writeBehind, log, onMode, scenario.intervalNanos());
        for (int i = 0; i < scenario.clientCount(); i++) {
            addClient(i, TraceHash.mix(scenario.seed() + 100 + i + 7919L * number));
        }
    }

    /** Whether nobody has given the device a limit by hand, which then has none in {@code unsafe}: half of them. */
    private static boolean isUnlimited(long seed) {
        return (TraceHash.mix(seed ^ 0x1a2f) & 1) == 0;
    }

    private long limitBytes(Mode wanted) {
        return wanted == Mode.UNSAFE ? unsafeMaxBytes : scenario.limitBytes();
    }

    /** Whoever tells the sessions holds nothing, and may lose the processor before he goes on. */
    private void onCommit() {
        device.wakeSessions();
        if (scheduler.wantsToPreempt()) {
            scheduler.preempt();
        }
    }

    private void addClient(int number, long seed) {
        try {
            clients.add(new SimClient(
                    "client-" + number,
                    world,
                    device,
                    device.openSession(),
                    seed,
                    scenario.requestCount(),
                    scenario.thinkNanos()));
        } catch (TooManySessionsException e) {
            throw new AssertionError(e);
        }
    }

    /** Lets everybody begin. */
    void start() {
        if (isTakenOver) {
            LeftMemory.takeOver(store, segment, epochs, dirty);
            history.takenOver(content(), headEpoch, scheduler.nanoTime());
            history.inForce(mode, 0, scheduler.nanoTime());
        }
        scheduler.onSwitch(this::look);
        writeBehind.agents().forEach(this::spawn);
        population.agents().forEach(this::spawn);
        clients.forEach(SimClient::start);
        scheduler.spawn("operator", this::operate);
    }

    private void spawn(Agent agent) {
        taskCount++;
        scheduler.spawn(agent.name(), () -> {
            while (!isStopped) {
                long deadlineNanos = agent.step();
                if (deadlineNanos <= clock.nanoTime()) {
                    scheduler.noteProgress();
                }
                scheduler.pause(agent.name(), deadlineNanos);
            }
            taskCount--;
        });
    }

    /** Waits until every client has done what it came for. */
    void awaitClients() {
        while (!operatorIsOver || clients.stream().anyMatch(client -> !client.isOver())) {
            scheduler.pause("end", Clock.NEVER);
        }
    }

    /** Carries everything to the image, as the engine does before it stops, and ends the agents. */
    void stop() {
        device.refuseRequests();
        try {
            while (!writeBehind.drain() || dirty.chunkCount() > 0) {
                scheduler.sleepUntil("stop", clock.nanoTime() + STOP_RETRY_NANOS);
            }
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
        isStopped = true;
        while (taskCount > 0) {
            scheduler.noteProgress();
            scheduler.pause("agents", clock.nanoTime() + STOP_RETRY_NANOS);
        }
        scheduler.onSwitch(() -> {});
    }

    /** What the image lacks of what the device holds once everything was carried there, or null. */
    @Nullable
    String lackingIn(SimDisk image) {
        byte[][] content = content();
        for (int page = 0; page < content.length; page++) {
            if (!Write.areEqual(content[page], image.pages()[page])) {
                return "page " + page + " of the image is not as in memory, and everything was carried to it";
            }
        }
        return null;
    }

    /** What the image held of chunks that are not in memory. */
    byte[][] beginning() {
        return beginning;
    }

    /** Gives the memory back; when nobody uses it any more. */
    @Override
    public void close() {
        population.stop();
        writeBehind.stop();
        try {
            segment.close();
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    // --------------------------------------------------------------------------------------------------- operator

    private void operate() {
        try {
            if (isTakenOver) {
                goOnAfterKill();
            }
            if (scenario.outageCount() > 0) {
                livePowered();
            }
            for (int i = 0; i < scenario.switchCount(); i++) {
                scheduler.sleepUntil("operator", clock.nanoTime() + random.nextInt(40_000_000));
                if (random.nextInt(4) == 0) {
                    world.hash().add(writeBehind.drain() ? 1 : 0);
                } else {
                    choose(Mode.values()[random.nextInt(4)]);
                }
            }
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
        operatorIsOver = true;
        scheduler.noteProgress();
    }

    /** A runtime that may be next to nothing, and that nobody need tell. */
    private UpsReading anything() {
        OptionalDouble runtime = random.nextInt(4) == 0
                ? OptionalDouble.empty()
                : OptionalDouble.of(random.nextInt(3) == 0 ? random.nextInt(40) : 600);
        Set<String> flags = HEARD.get(random.nextInt(HEARD.size()));
        return new UpsReading(flags, runtime, OptionalDouble.empty(), OptionalDouble.empty());
    }

    /** Decides as the engine does on what is heard of a UPS, which is anything. */
    private void livePowered() throws InterruptedException {
        // A budget of next to nothing counts too: devices are small here.
        PowerPolicy policy = new PowerPolicy(
                POWERED[random.nextInt(POWERED.length)],
                scenario.limitBytes(),
                unsafeMaxBytes,
                4L * scenario.chunkBytes());
        PowerJudge judge = new PowerJudge(UPS, clock.nanoTime());
        boolean wasOnBattery = false;
        for (int i = 0; i < scenario.outageCount(); i++) {
            if (random.nextInt(6) > 0) {
                judge.heard(anything(), clock.nanoTime());
            }
            // Else nothing is heard any more: as it looks when that has lasted.
            long laterNanos = random.nextInt(6) > 0 ? 0 : 2 * PowerJudge.SILENCE_NANOS_MAX;
            PowerView view = judge.view(clock.nanoTime() + laterNanos);
            if (view.isOnBattery() && !wasOnBattery) {
                world.noteOutage();
            }
            wasOnBattery = view.isOnBattery();
            // The journal took next to nothing when it was measured, now and then, so that the battery's limit binds.
            double floor = random.nextInt(3) == 0
                    ? random.nextInt(100_000)
                    : writeBehind.throttle().floorBytesPerSecond();
            PowerPolicy.Decision decision = policy.decide(view, null, floor);
            writeBehind.throttle().setLimit(decision.limitBytes());
            writeBehind.holdApplying(decision.holdsApplying());
            switchTo(decision.mode());
            scheduler.sleepUntil("operator", clock.nanoTime() + random.nextInt(40_000_000));
        }
        writeBehind.holdApplying(false);
    }

    /** As whoever starts the device does once all threads run; he may lose the processor before. */
    private void goOnAfterKill() throws InterruptedException {
        if (random.nextBoolean()) {
            scheduler.sleepUntil("start", clock.nanoTime() + random.nextInt(START_NANOS_MAX));
        }
        writeBehind.demandOpen();
        if (random.nextBoolean()) {
            choose(scenario.mode());
        }
    }

    /** As an operator: what the mode allows to be dirty is allowed, or no more, at once. */
    private void choose(Mode next) throws InterruptedException {
        writeBehind.throttle().setLimit(limitBytes(next));
        switchTo(next);
    }

    private void switchTo(Mode next) throws InterruptedException {
        Mode before = modes.mode();
        if (next == before) {
            return;
        }
        int sinceTick = history.nowTick();
        world.noteModeChange();
        if (next == Mode.UNSAFE) {
            history.mayTear(clock.nanoTime());
        }
        try {
            modes.switchTo(next);
        } catch (IOException e) {
            world.hash().add(7);
        }
        Mode reported = modes.mode();
        // A looser mode adds nothing to what was promised before.
        boolean isStricter = reported.compareTo(before) < 0;
        history.inForce(reported, isStricter ? sinceTick : 0, clock.nanoTime());
        world.noteModeChange();
        scheduler.noteProgress();
    }

    // ------------------------------------------------------------------------------------------------------- cuts

    /** Notes what the device held when an epoch was cut; looks before anybody else may go on. */
    private void look() {
        if (epochs.open() == lookedAtEpoch) {
            return;
        }
        if (epochs.open() != lookedAtEpoch + 1) {
            throw new AssertionError("two cuts in one step");
        }
        history.cut(lookedAtEpoch, content());
        lookedAtEpoch = epochs.open();
    }

    private byte[][] content() {
        byte[][] before = history.newestPages();
        byte[][] pages = new byte[before.length][];
        ChunkTable table = store.table();
        MemorySegment data = store.data();
        int shift = store.layout().chunkShift();
        for (int page = 0; page < pages.length; page++) {
            long offset = (long) page * Write.PAGE_BYTES;
            int length = (int) Math.min(Write.PAGE_BYTES, scenario.sizeBytes() - offset);
            long chunk = offset >>> shift;
            long bit = 1L << (chunk & 63);
            if ((table.loaded(chunk >>> 6) & bit) == 0) {
                pages[page] = beginning[page];
            } else if ((table.zero(chunk >>> 6) & bit) == 0) {
                byte[] bytes = new byte[Write.PAGE_BYTES];
                MemorySegment.copy(data, ValueLayout.JAVA_BYTE, offset, bytes, 0, length);
                pages[page] = Write.areEqual(bytes, before[page]) ? before[page] : bytes;
            }
        }
        return pages;
    }

    @Override
    public String toString() {
        return "a life in " + mode;
    }
}
