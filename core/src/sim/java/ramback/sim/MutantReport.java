package ramback.sim;

import java.util.ArrayList;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.logging.Level;
import java.util.logging.Logger;
import ramback.mutant.Mutant;
import ramback.sim.Exploration.Kind;
import ramback.sim.Exploration.Result;

/**
 * Plants each mutant and tells what finds it, for docs/mutants.md. Where each is looked for, and from which seed on, stands here; a
 * mutant that its seeds no longer find is one that the proof has lost.
 */
final class MutantReport {

    /** Seeds that are tried, from the named one on, before a mutant counts as not found. */
    static final int SEED_COUNT_MAX = 40;

    private static final double IMAGE_COUNT_WANTED = 1_500;

    private static final Logger LOG = Logger.getLogger("ramback");

    /**
     * Where a mutant is looked for.
     *
     * @param seed the first one
     */
    record Hunt(Kind kind, long seed) {}

    /**
     * What found it.
     *
     * @param imageCount how many crash images were looked at, those of seeds before included
     * @param result of the seed that found it, or of the last one
     */
    record Catch(Mutant mutant, Kind kind, long imageCount, Result result) {

        boolean isFound() {
            return result.violation() != null;
        }
    }

    private static final Map<Mutant, Hunt> HUNTS = hunts();

    private MutantReport() {}

    private static Map<Mutant, Hunt> hunts() {
        Map<Mutant, Hunt> hunts = new EnumMap<>(Mutant.class);
        for (Mutant mutant : Mutant.values()) {
            hunts.put(mutant, new Hunt(Kind.DEVICE, 1));
        }
        // These need a ring that is full, or an operator who goes back.
        hunts.put(Mutant.REUSE_EARLY, new Hunt(Kind.JOURNAL, 2));
        hunts.put(Mutant.SALT_KEPT, new Hunt(Kind.JOURNAL, 1));
        hunts.put(Mutant.REHEARSAL_OVER_LIVE, new Hunt(Kind.JOURNAL, 1));
        // The journal alone is quicker.
        hunts.put(Mutant.SINGLE_SUPERBLOCK, new Hunt(Kind.JOURNAL, 1));
        hunts.put(Mutant.SKIP_GAP, new Hunt(Kind.JOURNAL, 1));
        hunts.put(Mutant.EARLY_STOP_ON_ROT, new Hunt(Kind.JOURNAL, 1));
        hunts.put(Mutant.NO_PAYLOAD_CRC, new Hunt(Kind.JOURNAL, 1));
        // These need a scenario of their kind: a seed that has one.
        hunts.put(Mutant.RETRY_FSYNC, new Hunt(Kind.DEVICE, 22));
        hunts.put(Mutant.SWALLOWED_FSYNC_ERROR, new Hunt(Kind.DEVICE, 22));
        hunts.put(Mutant.RECOVER_NO_IMAGE_FSYNC, new Hunt(Kind.DEVICE, 5));
        hunts.put(Mutant.CAPTURE_WITHOUT_SECOND_LOOK, new Hunt(Kind.DEVICE, 5));
        hunts.put(Mutant.BOUNDARY_DECLARED_TWICE, new Hunt(Kind.DEVICE, 16));
        hunts.put(Mutant.APPLY_UNCOMMITTED, new Hunt(Kind.DEVICE, 4));
        hunts.put(Mutant.RETIRE_UNCOMMITTED, new Hunt(Kind.DEVICE, 11));
        hunts.put(Mutant.SWALLOWED_IMAGE_FSYNC_ERROR, new Hunt(Kind.DEVICE, 40));
        hunts.put(Mutant.UNSAFE_UNMARKED, new Hunt(Kind.DEVICE, 3));
        hunts.put(Mutant.STALE_NOT_CARRIED, new Hunt(Kind.DEVICE, 126));
        hunts.put(Mutant.MODE_EARLY, new Hunt(Kind.DEVICE, 12));
        hunts.put(Mutant.NO_INTERVAL_WAIT, new Hunt(Kind.DEVICE, 49));
        // These need a process that is killed.
        for (Mutant mutant : EnumSet.range(Mutant.BYTES_BEFORE_DIRTY, Mutant.FENCE_UNSYNCED)) {
            hunts.put(mutant, new Hunt(Kind.KILL, 1));
        }
        hunts.put(Mutant.TAKE_OVER_KEEPS_Z, new Hunt(Kind.KILL, 37));
        hunts.put(Mutant.FENCE_UNSYNCED, new Hunt(Kind.KILL, 89));
        hunts.put(Mutant.START_UNSYNCED, new Hunt(Kind.KILL, 974_863_803));
        // Nobody can be preempted in the middle of a copy here: threads find it, and the model.
        hunts.remove(Mutant.APPLY_WITHOUT_SECOND_LOOK);
        return hunts;
    }

    /**
     * Prints the table of docs/mutants.md, or its rows of the mutants named; with {@code search} and names of mutants, if not all of them, the first seed that finds each
     * in each kind, up to {@code -Dseeds=N}, instead.
     */
    public static void main(String[] args) {
        LOG.setLevel(Level.OFF);
        if (args.length > 0 && args[0].equals("search")) {
            search(args);
            return;
        }
        table(List.of(args)).forEach(System.out::println);
    }

    private static void search(String[] args) {
        for (Mutant mutant : hunted()) {
            if (args.length > 1 && !List.of(args).contains(mutant.name())) {
                continue;
            }
            for (Kind kind : new Kind[] {Kind.DEVICE, Kind.JOURNAL, Kind.KILL}) {
                long begin = System.nanoTime();
                Catch found = hunt(mutant, new Hunt(kind, 1), Integer.getInteger("seeds", SEED_COUNT_MAX));
                System.out.printf(
                        Locale.ROOT,
                        "%s %s: %s, seed %d, after %,d images, %.1f s%n",
                        mutant,
                        kind,
                        found.isFound() ? found.result.violation().what() : "not found",
                        found.result.seed(),
                        found.imageCount,
                        (System.nanoTime() - begin) / 1e9);
            }
        }
    }

    /** The mutants that the simulation has to find. */
    static Set<Mutant> hunted() {
        return HUNTS.keySet();
    }

    /** Where a mutant is looked for. */
    static Catch hunt(Mutant mutant) {
        return hunt(mutant, HUNTS.get(mutant), SEED_COUNT_MAX);
    }

    private static Catch hunt(Mutant mutant, Hunt hunt, int seedCountMax) {
        Mutant.plant(mutant);
        try {
            long images = 0;
            Result result = null;
            for (long seed = hunt.seed; seed < hunt.seed + seedCountMax; seed++) {
                result = Exploration.of(hunt.kind, seed, IMAGE_COUNT_WANTED);
                images += result.imageCount();
                if (result.violation() != null) {
                    break;
                }
            }
            return new Catch(mutant, hunt.kind, images, result);
        } finally {
            Mutant.plant(null);
        }
    }

    /** The lines of the generated part of docs/mutants.md. */
    private static List<String> table(List<String> names) {
        List<String> lines = new ArrayList<>();
        lines.add("| mutant | found by | in | after crash images | seed |");
        lines.add("|---|---|---|--:|--:|");
        hunted().stream()
                .filter(mutant -> names.isEmpty() || names.contains(mutant.name()))
                .forEach(mutant -> lines.add(line(hunt(mutant))));
        return lines;
    }

    /** A mutant's line in the table. */
    static String line(Catch found) {
        return String.format(
                Locale.ROOT,
                "| %s | %s | %s | %,d | %d |",
                word(found.mutant),
                found.isFound() ? found.result.check() : "nothing",
                found.kind.name().toLowerCase(Locale.ROOT),
                found.imageCount,
                found.result.seed());
    }

    /** A mutant's name as the table and the command line have it. */
    static String word(Mutant mutant) {
        return mutant.name().toLowerCase(Locale.ROOT);
    }
}
