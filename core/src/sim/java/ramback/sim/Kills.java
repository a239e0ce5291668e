package ramback.sim;

import static java.nio.file.StandardOpenOption.CREATE;
import static java.nio.file.StandardOpenOption.READ;
import static java.nio.file.StandardOpenOption.WRITE;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import ramback.memory.SegmentLayout;
import ramback.memory.SharedSegment;

/**
 * Kills a device's process, in the middle of whatever one of its threads is doing: what is left is a copy of its memory as it is in that
 * moment, its disks as the kernel has them, every write that was begun included, and its state file. At many more moments it only looks
 * what would be left: see {@link LeftMemory}.
 */
final class Kills {

    /** The process is gone; told to the one who starts the next. */
    static final class Killed extends Error {
        private static final long serialVersionUID = 1L;

        Killed() {
            super("killed", null, false, false);
        }
    }

    /** A kill shortly after a start is in the middle of the attach. */
    private static final int EARLY_POINT_COUNT = 250;

    private static final int LATE_POINT_COUNT = 4_000;

    /** How often a take over is killed itself, in what is looked at. */
    private static final int AGAIN_DEPTH_MAX = 3;

    private final Scenario scenario;
    private final Scheduler scheduler;
    private final History history;
    private final TraceHash hash;
    private final Random random;
    private @Nullable Path directory;
    private @Nullable SimDisk image;
    private @Nullable SharedSegment served;
    private @Nullable Path left;
    private int deathCount;
    private boolean isDead;
    private long pointCount;
    private long nextLook;
    private long nextDeath;
    private long lookCount;
    private long againCount;
    private @Nullable String violation;
    private String violationMade = "";

    // While it is looked at what a kill would leave: when that take over is killed, and what it leaves.
    private boolean isLooking;
    private long againAfter;
    private @Nullable SharedSegment takenOver;
    private @Nullable Path againLeft;

    Kills(Scenario scenario, Scheduler scheduler, History history, TraceHash hash) {
        this.scenario = scenario;
        this.scheduler = scheduler;
        this.history = history;
        this.hash = hash;
        this.random = new Random(TraceHash.mix(scenario.seed() + 3));
    }

    /** Begins a run. */
    void begin(Path newDirectory, SimDisk newImage) {
        directory = newDirectory;
        image = newImage;
        nextLook = drawLook();
        nextDeath = drawDeath();
    }

    /** The memory that is in use from now on, or null. */
    void serves(@Nullable SharedSegment segment) {
        served = segment;
    }

    /** The memory that the last kill left, or null. */
    @Nullable
    Path leftMemory() {
        return left;
    }

    /** Nobody goes on with what the last kill left. */
    void forgetLeft() {
        left = null;
    }

    /** The next process may be killed again. */
    void buried() {
        isDead = false;
    }

    /** Nobody would go on with what another kill leaves. */
    void end() {
        nextDeath = Long.MAX_VALUE;
    }

    /** How often the process was killed, or it was looked at what would be left. */
    long count() {
        return deathCount + lookCount + againCount;
    }

    /** How many of these were kills of a take over. */
    long againCount() {
        return againCount;
    }

    /** How often the process was killed. */
    int deathCount() {
        return deathCount;
    }

    /** What a kill would have left wrong, or null. */
    @Nullable
    String violation() {
        return violation;
    }

    /** When that was. */
    String violationMade() {
        return violationMade;
    }

    private long drawLook() {
        return scenario.lookGap() == 0 ? Long.MAX_VALUE : 1 + random.nextInt(scenario.lookGap());
    }

    private long drawDeath() {
        return deathCount == scenario.killCount()
                ? Long.MAX_VALUE
                : 1 + random.nextInt(random.nextInt(3) == 0 ? EARLY_POINT_COUNT : LATE_POINT_COUNT);
    }

    /** A moment at which the process may be killed. */
    void pass() {
        if (isLooking) {
            passTakeOver();
            return;
        }
        if (isDead || !scheduler.isRunning() || violation != null) {
            return;
        }
        pointCount++;
        if (--nextDeath == 0) {
            die();
        }
        if (--nextLook == 0) {
            nextLook = drawLook();
            if (served != null) {
                look(served);
            }
        }
    }

    private void die() {
        isDead = true;
        deathCount++;
        nextDeath = drawDeath();
        hash.add(pointCount);
        SharedSegment segment = served;
        served = null;
        if (segment != null) {
            Path copy = directory.resolve("left-" + deathCount);
            copy(segment, copy);
            // What an earlier kill left is this very memory, or nobody went on with it.
            left = copy;
        }
        throw scheduler.kill(World.LIVES, new Killed());
    }

    // -------------------------------------------------------------------------------------------------------- looks

    private void look(SharedSegment segment) {
        Path copy = directory.resolve("look");
        isLooking = true;
        try {
            copy(segment, copy);
            String wrong = judge(copy, false);
            for (int depth = 1; wrong == null && againLeft != null && depth <= AGAIN_DEPTH_MAX; depth++) {
                againCount++;
                Path again = againLeft;
                againLeft = null;
                wrong = judge(again, true);
            }
            if (wrong != null) {
                violation = wrong;
                violationMade = "by a kill of " + scheduler.running() + " at moment " + pointCount + ", after "
                        + deathCount + " others";
                scheduler.stop();
            }
            lookCount++;
        } finally {
            isLooking = false;
            againLeft = null;
        }
    }

    private @Nullable String judge(Path memory, boolean isAgain) {
        againAfter = 1 + random.nextInt(isAgain ? 10 : 30);
        try {
            SharedSegment segment = SharedSegment.takeOver(memory);
            takenOver = segment;
            // Its first epoch is of either parity.
            String wrong = new LeftMemory(segment, image.pages(), history, scenario, random.nextInt(2)).judge();
            takenOver = null;
            segment.leave();
            return wrong;
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private void passTakeOver() {
        SharedSegment segment = takenOver;
        if (segment != null && --againAfter == 0) {
            againLeft = directory.resolve("again-" + againCount % 2);
            copy(segment, againLeft);
        }
    }

    /** As it is in memory now: what is mapped is what is read. Over an earlier copy, whose memory is there already. */
    private void copy(SharedSegment segment, Path to) {
        SegmentLayout layout = segment.layout();
        long clientsEnd = layout.stagingOffset() + (long) scenario.clientCount() * layout.sessionBytes();
        try (FileChannel from = FileChannel.open(segment.path(), READ);
                FileChannel into = FileChannel.open(to, CREATE, WRITE)) {
            copy(from, 0, clientsEnd, into);
            copy(from, layout.dataOffset(), layout.segmentBytes(), into);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private static void copy(FileChannel from, long begin, long end, FileChannel into) throws IOException {
        into.position(begin);
        for (long at = begin; at < end; ) {
            at += from.transferTo(at, end - at, into);
        }
    }
}
