package ramback.sim;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import ramback.device.Mode;
import ramback.journal.EpochLog;
import ramback.journal.LocalJournal;
import ramback.journal.NoJournal;
import ramback.memory.ImageIdentity;
import ramback.memory.SegmentLayout;
import ramback.memory.SharedSegment;
import ramback.memory.SharedSegment.LeftoverReport;
import ramback.mutant.KillPoint;
import ramback.writeback.ModeSwitch;

/**
 * An image, its journal and its state file, and the lives of the device that is served from them: started, used, stopped cleanly or
 * killed, started again; the last life ends with the recording. Running it leaves a recording of what was done to the disks and a
 * history of what was promised.
 */
final class World {

    /** The task that starts and ends the lives. */
    static final String LIVES = "lives";

    private static final long STATE_FILE_NANOS = 400_000;

    private final Scenario scenario;
    private final TraceHash hash = new TraceHash();
    private final Scheduler scheduler;
    private final Recording recording = new Recording();
    private final History history;
    private final Random random;
    private final CrashExplorer.Start start;
    private final Kills kills;
    private int outageCount;
    private @Nullable String stateFile;
    private @Nullable String nextStateFile;
    private @Nullable SharedSegment segment;
    private @Nullable LocalJournal log;
    private byte[][] beginning = {};
    private @Nullable Life life;
    private int modeChangeCount;
    private int failedRequestCount;

    World(Scenario scenario) {
        this.scenario = scenario;
        long seed = scenario.seed();
        this.scheduler = new Scheduler(TraceHash.mix(seed + 1), hash);
        this.random = new Random(TraceHash.mix(seed + 2));
        byte[][] initial = History.initialPages(scenario.sizeBytes(), scenario.stretchPages(), scenario.isBlank());
        boolean hasJournal = scenario.journalBytes() > 0;
        this.history = new History(
                recording, scenario.sizeBytes(), initial, scenario.mode(), scenario.intervalNanos(), hasJournal);
        byte[][] formatted = hasJournal ? formatted() : new byte[0][];
        CrashImage media = new CrashImage(new byte[][][] {initial, formatted}, null, "before everything");
        this.start = new CrashExplorer.Start(scenario.sizeBytes(), scenario.journalBytes(), media);
        this.kills = new Kills(scenario, scheduler, history, hash);
    }

    private byte[][] formatted() {
        SimDisk empty = SimDisk.plain("journal", scenario.journalBytes());
        try {
            LocalJournal.format(empty, Attachment.identity(scenario.chunkBytes(), scenario.sizeBytes()), 0);
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

    /** How often the line failed, of a device with a UPS. */
    int outageCount() {
        return outageCount;
    }

    void noteOutage() {
        outageCount++;
    }

    /** The kills of the process, done and looked at. */
    Kills kills() {
        return kills;
    }

    /** Grows whenever a switch of the mode begins or ends. */
    int modeChangeCount() {
        return modeChangeCount;
    }

    void noteModeChange() {
        modeChangeCount++;
    }

    void noteFailedRequest() {
        failedRequestCount++;
    }

    int failedRequestCount() {
        return failedRequestCount;
    }

    // -------------------------------------------------------------------------------------------------------- run

    /** Runs until the last life is over; then all of it is gone but the recording and the history. */
    void run() {
        Path directory = null;
        try {
            directory = SimDirectories.create();
            Path lives = directory;
            scheduler.spawn(LIVES, () -> live(lives));
            if (scenario.lookGap() > 0) {
                KillPoint.visit(kills::pass);
            }
            scheduler.run();
        } catch (IOException e) {
            throw new AssertionError(e);
        } finally {
            if (scenario.lookGap() > 0) {
                KillPoint.visit(null);
            }
            takeAway(directory);
        }
    }

    private void takeAway(@Nullable Path directory) {
        Life last = life;
        try {
            if (last != null) {
                last.close();
            } else if (segment != null) {
                segment.close();
            }
            if (directory != null) {
                SimDirectories.delete(directory);
            }
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private SimDisk disk(int number, String name, long sizeBytes, double failShare) {
        SimDisk.Moody temper = new SimDisk.Moody(
                scheduler,
                hash,
                TraceHash.mix(scenario.seed() + 10 + number),
                failShare,
                number == CrashImage.IMAGE,
                scenario.slowShare(),
                scenario.stuckShare(),
                scenario.calmNanos());
        return new SimDisk(number, name, sizeBytes, start.media().pages[number].clone(), recording, temper);
    }

    private void live(Path directory) {
        SimDisk image = disk(CrashImage.IMAGE, "image", scenario.sizeBytes(), scenario.imageFailShare());
        SimDisk journal = disk(CrashImage.JOURNAL, "journal", scenario.journalBytes(), scenario.journalFailShare());
        kills.begin(directory, image);
        int cleanEnds = 0;
        for (int number = 0; cleanEnds < scenario.lifeCount(); number++) {
            boolean isLast = cleanEnds == scenario.lifeCount() - 1;
            try {
                Path file = directory.resolve("segment-" + number);
                if (scenario.journalBytes() == 0) {
                    liveWithoutJournal(file, image, number);
                } else {
                    liveWithJournal(file, image, journal, number, isLast);
                }
                cleanEnds++;
            } catch (Kills.Killed e) {
                bury(image, journal);
            }
        }
        kills.end();
        // What is under way now may end or not.
        scheduler.sleepUntil("end", scheduler.nanoTime() + random.nextInt(20_000_000));
        scheduler.stop();
    }

    private void liveWithoutJournal(Path file, SimDisk image, int number) {
        boolean isTakenOver = kills.leftMemory() != null && inspectLeft().generation() != 0;
        if (isTakenOver) {
            takeMemoryOver();
        } else {
            takeMemory(file);
            segment.bind(
                    Attachment.identity(scenario.chunkBytes(), scenario.sizeBytes())
                            .device(),
                    1);
        }
        Life only = begin(isTakenOver, image, new NoJournal(), scenario.mode(), next -> {}, number);
        only.awaitClients();
        if (scenario.lookGap() > 0) {
            only.stop();
            checkEnd(only, image);
            history.lifeEnds(scheduler.nanoTime());
        }
    }

    private void liveWithJournal(Path file, SimDisk image, SimDisk journal, int number, boolean isLast) {
        Mode mode = number == 0 ? scenario.mode() : Mode.values()[random.nextInt(3)];
        Attachment found = kills.leftMemory() == null
                ? null
                : insist(() -> Attachment.takeOver(
                        image,
                        journal,
                        stateFile,
                        inspectLeft(),
                        scenario.ringBytes(),
                        this::replaceStateFile,
                        random::nextLong));
        boolean isTakenOver = found != null;
        Attachment attachment = found;
        if (isTakenOver) {
            takeMemoryOver();
        } else {
            takeMemory(file);
            attachment = insist(() -> Attachment.begin(
                    image, journal, mode, this::replaceStateFile, random::nextLong, kills.deathCount() > 0));
        }
        LocalJournal opened = insist(attachment::open);
        log = opened;
        if (!isTakenOver) {
            attachment.bind(segment);
            if (number > 0) {
                history.inForce(mode, 0, scheduler.nanoTime());
            }
        }
        Attachment attached = attachment;
        Life now = begin(
                isTakenOver, image, opened, isTakenOver ? attached.mode(opened) : mode, attached::setMode, number);
        now.awaitClients();
        if (isLast && random.nextBoolean()) {
            return;
        }
        now.stop();
        checkEnd(now, image);
        history.lifeEnds(scheduler.nanoTime());
        insist(() -> {
            image.sync();
            attached.setClean(opened);
            return true;
        });
        history.isClean(scheduler.nanoTime());
        now.close();
        life = null;
        segment = null;
        kills.serves(null);
        kills.forgetLeft();
        insist(() -> {
            opened.close();
            return true;
        });
        log = null;
        journal.reopen();
    }

    private void checkEnd(Life ended, SimDisk image) {
        String wrong = ended.lackingIn(image);
        if (wrong != null) {
            throw new AssertionError("END: " + wrong);
        }
    }

    // ------------------------------------------------------------------------------------------------------- memory

    private void takeMemory(Path file) {
        try {
            kills.forgetLeft();
            SegmentLayout layout =
                    new SegmentLayout(scenario.sizeBytes(), scenario.chunkBytes(), Life.SESSION_COUNT_MAX);
            segment = SharedSegment.create(file, layout, false, new ImageIdentity(1, 2));
            beginning = history.newestPages();
            kills.serves(segment);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private LeftoverReport inspectLeft() {
        try {
            return SharedSegment.inspect(kills.leftMemory());
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private void takeMemoryOver() {
        try {
            segment = SharedSegment.takeOver(kills.leftMemory());
            kills.serves(segment);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    /** Waits until nobody of a killed process is left, and tidies up what the kernel would have. */
    private void bury(SimDisk image, SimDisk journal) {
        scheduler.awaitKilled();
        image.settle();
        journal.settle();
        try {
            Life killed = life;
            if (killed != null) {
                killed.close();
            } else if (segment != null) {
                segment.close();
            }
            life = null;
            segment = null;
            if (log != null) {
                log.close();
                log = null;
            }
        } catch (IOException e) {
            throw new AssertionError(e);
        }
        image.reopen();
        journal.reopen();
        if (nextStateFile != null) {
            // It was being replaced: it is either of the two.
            String settled = random.nextBoolean() ? nextStateFile : stateFile;
            nextStateFile = null;
            stateFile = settled;
            recording.add(new Recording.StateFile(scheduler.nanoTime(), settled, false));
        }
        history.killed();
        kills.buried();
    }

    private Life begin(
            boolean isTakenOver,
            SimDisk image,
            EpochLog epochLog,
            Mode mode,
            ModeSwitch.ModeRecord onMode,
            int number) {
        Life begun = new Life(this, scenario, segment, beginning, isTakenOver, image, epochLog, mode, onMode, number);
        life = begun;
        begun.start();
        return begun;
    }

    /** Something that a disk may refuse. */
    private interface Attempt<T> {
        T run() throws IOException;
    }

    /** Tries until it works. */
    private <T> T insist(Attempt<T> attempt) {
        while (true) {
            try {
                return attempt.run();
            } catch (IOException e) {
                hash.add(8);
                scheduler.sleepUntil("a pause after a failure", scheduler.nanoTime() + 1_000_000);
            }
        }
    }

    private void replaceStateFile(@Nullable String content) {
        recording.add(new Recording.StateFile(scheduler.nanoTime(), content, false));
        nextStateFile = content;
        scheduler.sleepUntil("state file", scheduler.nanoTime() + random.nextLong(STATE_FILE_NANOS));
        stateFile = content;
        nextStateFile = null;
        recording.add(new Recording.StateFile(scheduler.nanoTime(), content, true));
        hash.add(stateFile == null ? 0 : stateFile.hashCode());
    }
}
