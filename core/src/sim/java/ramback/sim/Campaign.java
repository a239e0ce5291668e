package ramback.sim;

import java.util.Locale;
import java.util.logging.Level;
import java.util.logging.Logger;
import org.jspecify.annotations.Nullable;
import ramback.sim.Exploration.Kind;
import ramback.sim.Exploration.Result;

/**
 * Explores seed after seed, until enough crash images have been looked at or the time is up, or something is wrong.
 *
 * <pre>
 *   Campaign --images N | --outages N | --minutes N     seeds from S on, each of its kind or all of one,
 *            [--seed S] [--kind KIND] [--a-run N]       with about N crash images of each
 *   Campaign --replay KIND SEED                                      one seed, with what it found
 * </pre>
 *
 * The last line says the counts and the next seed, with which a later campaign goes on.
 */
final class Campaign {

    private static final long REPORT_NANOS = 30_000_000_000L;

    /** Held, so that its level stays. */
    private static final Logger LOG = Logger.getLogger("ramback");

    private long imageCount;
    private long againCount;
    private long rotCount;
    private long killCount;
    private long outageCount;
    private long seedCount;
    private final long beginNanos = System.nanoTime();

    private Campaign() {}

    /** The kind that a seed is explored as. */
    static Kind kindOf(long seed) {
        return switch ((int) Math.floorMod(seed, 8L)) {
            case 0 -> Kind.ORDINARY;
            case 1, 2 -> Kind.JOURNAL;
            case 3, 6 -> Kind.KILL;
            case 5 -> Kind.POWER;
            default -> Kind.DEVICE;
        };
    }

    /** See above; exits with 1 when something is wrong. */
    public static void main(String[] args) {
        // What the device says about the disks that fail, thousands of times, is not what is looked for here.
        LOG.setLevel(Level.OFF);
        if (args.length == 3 && args[0].equals("--replay")) {
            replay(Kind.valueOf(args[1].toUpperCase(Locale.ROOT)), Long.parseLong(args[2]));
            return;
        }
        long images = Long.MAX_VALUE;
        long outages = Long.MAX_VALUE;
        double imagesOfRun = Exploration.IMAGE_COUNT_WANTED;
        double minutes = Double.MAX_VALUE;
        long seed = 1;
        Kind kind = null;
        for (int i = 0; i + 1 < args.length; i += 2) {
            switch (args[i]) {
                case "--images" -> images = Long.parseLong(args[i + 1]);
                case "--outages" -> outages = Long.parseLong(args[i + 1]);
                case "--a-run" -> imagesOfRun = Double.parseDouble(args[i + 1]);
                case "--minutes" -> minutes = Double.parseDouble(args[i + 1]);
                case "--seed" -> seed = Long.parseLong(args[i + 1]);
                case "--kind" -> kind = Kind.valueOf(args[i + 1].toUpperCase(Locale.ROOT));
                default -> throw new IllegalArgumentException("unknown option " + args[i]);
            }
        }
        if (!new Campaign().explore(kind, seed, new Until(images, outages, minutes), imagesOfRun)) {
            System.exit(1);
        }
    }

    private static void replay(Kind kind, long seed) {
        Result result = Exploration.of(kind, seed);
        if (kind != Kind.JOURNAL) {
            System.out.println(
                    switch (kind) {
                        case DEVICE -> Scenario.withJournal(seed);
                        case ORDINARY -> Scenario.withoutJournal(seed);
                        case KILL -> Scenario.withKills(seed);
                        case POWER -> Scenario.withPower(seed);
                        case JOURNAL -> throw new IllegalStateException();
                    });
        }
        System.out.println(result);
    }

    /** What has been looked at when a campaign is over, whichever comes first. */
    private record Until(long images, long outages, double minutes) {}

    private boolean explore(@Nullable Kind only, long firstSeed, Until until, double imagesOfRun) {
        long seed = firstSeed;
        long reportNanos = beginNanos + REPORT_NANOS;
        while (imageCount < until.images && outageCount < until.outages && minutesSince(beginNanos) < until.minutes) {
            Result result = Exploration.of(only == null ? kindOf(seed) : only, seed, imagesOfRun);
            imageCount += result.imageCount();
            againCount += result.againCount();
            rotCount += result.rotCount();
            killCount += result.killCount();
            outageCount += result.outageCount();
            seedCount++;
            if (result.violation() != null) {
                System.out.println("seed " + seed + ": " + result.violation().what());
                System.out.println("  " + result.violation().made());
                System.out.println(
                        "  again: Campaign --replay " + result.kind().name().toLowerCase(Locale.ROOT) + " " + seed);
                report("FAILED", firstSeed, seed + 1);
                return false;
            }
            seed++;
            if (System.nanoTime() > reportNanos) {
                reportNanos = System.nanoTime() + REPORT_NANOS;
                report("so far", firstSeed, seed);
            }
        }
        report("done", firstSeed, seed);
        return true;
    }

    private static double minutesSince(long nanos) {
        return (System.nanoTime() - nanos) / 60e9;
    }

    private void report(String how, long firstSeed, long nextSeed) {
        double seconds = (System.nanoTime() - beginNanos) / 1e9;
        System.out.printf(
                Locale.ROOT,
                "%s: %,d crash images (%,d of a recovery cut short, %,d of a spoiled journal), %,d kills and %,d outages of %,d runs,"
                        + " seeds %d to %d, in %.0f s, %,.0f images a second; next seed %d%n",
                how,
                imageCount,
                againCount,
                rotCount,
                killCount,
                outageCount,
                seedCount,
                firstSeed,
                nextSeed - 1,
                seconds,
                imageCount / seconds,
                nextSeed);
    }
}
