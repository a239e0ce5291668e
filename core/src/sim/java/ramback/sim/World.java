package ramback.sim;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import ramback.device.Mode;
import ramback.journal.EpochLog;
import ramback.journal.LocalJournal;
import ramback.journal.NoJournal;
import ramback.writeback.ModeSwitch;

/**
 * An image, its journal and its state file, and the lives of the device that is served from them: started, used, stopped cleanly,
 * started again; the last life ends with the recording. Running it leaves a recording of what was done to the disks and a
 * history of what was promised.
 */
final class World {

    private static final long STATE_FILE_NANOS = 400_000;

    private final Scenario scenario;
    private final TraceHash hash = new TraceHash();
    private final Scheduler scheduler;
    private final Recording recording = new Recording();
    private final History history;
    private final Random random;
    private final CrashExplorer.Start start;
    private @Nullable String stateFile;
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
            directory = Files.createTempDirectory(Path.of("/dev/shm"), "ramback-sim");
            Path file = directory.resolve("segment");
            scheduler.spawn("lives", () -> live(file));
            scheduler.run();
        } catch (IOException e) {
            throw new AssertionError(e);
        } finally {
            takeAway(directory);
        }
    }

    private void takeAway(@Nullable Path directory) {
        Life last = life;
        if (last != null) {
            last.close();
        }
        try {
            if (directory != null) {
                Files.delete(directory);
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

    private void live(Path file) {
        SimDisk image = disk(CrashImage.IMAGE, "image", scenario.sizeBytes(), scenario.imageFailShare());
        SimDisk journal = disk(CrashImage.JOURNAL, "journal", scenario.journalBytes(), scenario.journalFailShare());
        for (int number = 0; number < scenario.lifeCount(); number++) {
            Mode mode = number == 0 ? scenario.mode() : Mode.values()[random.nextInt(3)];
            boolean isLast = number == scenario.lifeCount() - 1;
            if (scenario.journalBytes() == 0) {
                liveWithoutJournal(file, image);
            } else {
                liveWithJournal(file, image, journal, mode, number, isLast);
            }
        }
        // What is under way now may end or not.
        scheduler.sleepUntil("end", scheduler.nanoTime() + random.nextInt(20_000_000));
        scheduler.stop();
    }

    private void liveWithoutJournal(Path file, SimDisk image) {
        Life only = begin(file, image, new NoJournal(), 0, scenario.mode(), next -> {}, 0);
        only.awaitClients();
    }

    private void liveWithJournal(Path file, SimDisk image, SimDisk journal, Mode mode, int number, boolean isLast) {
        Attachment attachment =
                insist(() -> Attachment.begin(image, journal, mode, this::replaceStateFile, random::nextLong));
        LocalJournal log = insist(attachment::open);
        if (number > 0) {
            history.inForce(mode, 0, scheduler.nanoTime());
        }
        Life now = begin(file, image, log, log.headEpoch() + 1, mode, attachment::setMode, number);
        now.awaitClients();
        if (isLast && random.nextBoolean()) {
            return;
        }
        now.stop();
        history.lifeEnds(scheduler.nanoTime());
        insist(() -> {
            image.sync();
            attachment.setClean(log);
            return true;
        });
        history.isClean(scheduler.nanoTime());
        now.close();
        life = null;
        insist(() -> {
            log.close();
            return true;
        });
        journal.reopen();
    }

    private Life begin(
            Path file,
            SimDisk image,
            EpochLog log,
            long firstEpoch,
            Mode mode,
            ModeSwitch.ModeRecord onMode,
            int number) {
        try {
            Life begun = new Life(this, scenario, file, image, log, firstEpoch, mode, onMode, number);
            life = begun;
            begun.start();
            return begun;
        } catch (IOException e) {
            throw new AssertionError(e);
        }
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
        scheduler.sleepUntil("state file", scheduler.nanoTime() + random.nextLong(STATE_FILE_NANOS));
        stateFile = content;
        recording.add(new Recording.StateFile(scheduler.nanoTime(), content, true));
        hash.add(stateFile == null ? 0 : stateFile.hashCode());
    }
}
