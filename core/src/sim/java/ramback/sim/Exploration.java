package ramback.sim;

import java.util.List;
import org.jspecify.annotations.Nullable;
import ramback.sim.CrashExplorer.Violation;

/** One seed of one kind, run and explored; the same seed gives the same result. */
final class Exploration {

    /** About how many images of one run are looked at; those of long runs are drawn. */
    static final double IMAGE_COUNT_WANTED = 3_000;

    /** About how many images an event gives. */
    private static final double IMAGES_PER_EVENT = 14;

    private static final double AGAIN_SHARE = 0.004;

    /** What is run. */
    enum Kind {
        /** A whole device with its journal, in all modes. */
        DEVICE,
        /** A whole device without a journal: an ordinary disk. */
        ORDINARY,
        /** The journal alone, under a scripted writer. */
        JOURNAL,
        /** A whole device, with a journal or without, whose process is killed. */
        KILL,
        /** A whole device with its journal and a UPS that says anything: the power decides about the mode. */
        POWER
    }

    /**
     * What came out.
     *
     * @param imageCount crash images looked at, in all
     * @param againCount of them, those of a recovery that the power cut short
     * @param rotCount of them, those of a spoiled journal
     * @param killCount kills of the process, done or looked at; of a take over, too
     * @param outageCount how often the device went on battery, or nothing was heard any more of a UPS that was
     * @param hash of everything that the run did
     * @param violation what is wrong, or null
     */
    record Result(
            Kind kind,
            long seed,
            int eventCount,
            long imageCount,
            long againCount,
            long rotCount,
            long killCount,
            int outageCount,
            long hash,
            @Nullable Violation violation) {

        /** The name of the check that found something. */
        String check() {
            return violation == null
                    ? ""
                    : violation.what().substring(0, violation.what().indexOf(':'));
        }
    }

    private Exploration() {}

    /** Runs and explores a seed. */
    static Result of(Kind kind, long seed) {
        return of(kind, seed, IMAGE_COUNT_WANTED);
    }

    static Result of(Kind kind, long seed, double imageCountWanted) {
        if (Thread.currentThread().isInterrupted()) {
            // A test that took too long has been given up: it would go on with seed after seed beside the others.
            throw new AssertionError("interrupted before seed " + seed);
        }
        return switch (kind) {
            case DEVICE -> device(kind, Scenario.withJournal(seed), imageCountWanted);
            case ORDINARY -> device(kind, Scenario.withoutJournal(seed), imageCountWanted);
            case JOURNAL -> journal(seed, imageCountWanted);
            case KILL -> device(kind, Scenario.withKills(seed), imageCountWanted);
            case POWER -> device(kind, Scenario.withPower(seed), imageCountWanted);
        };
    }

    /** Runs and explores a device of any scenario. */
    static Result device(Kind kind, Scenario scenario, double imageCountWanted) {
        World world = new World(scenario);
        Throwable failure = failureOf(world::run);
        String settled = world.history().settle();
        Kills kills = world.kills();
        Violation violation = settled == null ? null : new Violation(settled, "by the run", 0);
        if (kills.violation() != null) {
            violation = new Violation(kills.violation(), kills.violationMade(), 0);
        }
        Oracle oracle = new DeviceOracle(world.history());
        CrashExplorer explorer = new CrashExplorer(
                world.recording().events(),
                world.start(),
                oracle,
                scenario.journalBytes() == 0 ? Exploration::asItIs : Attachment::restore,
                scenario.seed(),
                share(world.recording().events(), imageCountWanted),
                AGAIN_SHARE,
                scenario.journalBytes() == 0
                        ? null
                        : new JournalRot(oracle, scenario.sizeBytes(), scenario.journalBytes()));
        return result(
                kind,
                scenario.seed(),
                world.recording(),
                explorer,
                kills.count(),
                world.outageCount(),
                world.hash(),
                violation,
                failure);
    }

    private static Result journal(long seed, double imageCountWanted) {
        JournalWorld world = new JournalWorld(seed);
        Throwable failure = failureOf(world::run);
        CrashExplorer explorer = new CrashExplorer(
                world.recording().events(),
                world.start(),
                world.oracle(),
                new JournalRestorer(),
                seed,
                share(world.recording().events(), imageCountWanted),
                AGAIN_SHARE,
                new JournalRot(
                        world.oracle(),
                        world.start().imageBytes(),
                        world.start().journalBytes()));
        return result(Kind.JOURNAL, seed, world.recording(), explorer, 0, 0, world.hash(), null, failure);
    }

    private static Oracle.Verdict asItIs(
            SimDisk image,
            SimDisk journal,
            @Nullable String stateFile,
            Oracle.StateFileSink onStateFile,
            boolean goesOn) {
        return new Oracle.Verdict(Oracle.Outcome.RESTORED, -1, "as it is");
    }

    private static double share(List<Recording.Event> events, double imageCountWanted) {
        long writes = events.stream()
                .filter(event -> event instanceof Recording.Began)
                .count();
        return Math.min(1, imageCountWanted / (IMAGES_PER_EVENT * (writes + 1)));
    }

    private static @Nullable Throwable failureOf(Runnable run) {
        try {
            run.run();
            return null;
        } catch (RuntimeException | AssertionError e) {
            return e;
        }
    }

    /** What the power cuts show counts more than how the run ended: it says what the failure would have cost. */
    private static Result result(
            Kind kind,
            long seed,
            Recording recording,
            CrashExplorer explorer,
            long killCount,
            int outageCount,
            TraceHash hash,
            @Nullable Violation settled,
            @Nullable Throwable failure) {
        Violation violation = settled;
        if (violation == null) {
            violation = explorer.explore();
        }
        if (violation == null && failure != null) {
            violation = new Violation("RUN: " + failure, "by the run", 0);
        }
        return new Result(
                kind,
                seed,
                recording.events().size(),
                explorer.imageCount(),
                explorer.againCount(),
                explorer.rotCount(),
                killCount,
                outageCount,
                hash.value(),
                violation);
    }
}
