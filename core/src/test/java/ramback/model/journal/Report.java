package ramback.model.journal;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import ramback.model.Explorer.Result;

/** What came out, for docs/models.md and for who wants to see a mutant go wrong. Explores each case once. */
final class Report {

    private record Case(Scenario scenario, Mutant mutant) {}

    private static final Map<Case, Result> RESULTS = new ConcurrentHashMap<>();
    private static final Map<DiskMutant, DiskModel.Result> DISK_RESULTS = new ConcurrentHashMap<>();

    private Report() {}

    /**
     * Prints the figures of docs/models.md; or with a scenario's name how that goes, or with a mutant's name, and perhaps
     * a scenario's after it, the steps of the shortest way to its violation.
     */
    public static void main(String[] args) {
        if (args.length == 0) {
            figures().forEach(System.out::println);
            return;
        }
        boolean isMutant =
                Mutant.mutants().stream().anyMatch(mutant -> mutant.name().equals(args[0]));
        Mutant mutant = isMutant ? Mutant.valueOf(args[0]) : Mutant.NONE;
        String name = args.length > 1 ? args[1] : isMutant ? mutant.scenario() : args[0];
        long begin = System.nanoTime();
        Result result = result(EpochModel.scenarioNamed(name), mutant);
        result.way().forEach(System.out::println);
        System.out.printf(
                Locale.ROOT,
                "%s: %s after %,d states in %.1f s%n",
                name,
                result.violation() == null ? "no violation" : result.violation(),
                result.stateCount(),
                (System.nanoTime() - begin) / 1e9);
    }

    /** The result of a case. */
    static Result result(Scenario scenario, Mutant mutant) {
        return RESULTS.computeIfAbsent(
                new Case(scenario, mutant), wanted -> EpochModel.explore(wanted.scenario, wanted.mutant));
    }

    /** The result of the disk model. */
    static DiskModel.Result result(DiskMutant mutant) {
        return DISK_RESULTS.computeIfAbsent(mutant, DiskModel::explore);
    }

    /** The lines of the generated part of docs/models.md. */
    static List<String> figures() {
        List<String> lines = new ArrayList<>();
        scenarios(lines);
        lines.add("");
        lines.add("| mutant | what is wrong | caught by | in | after states | steps |");
        lines.add("|---|---|---|---|--:|--:|");
        for (Mutant mutant : Mutant.mutants()) {
            Result result = result(EpochModel.scenarioNamed(mutant.scenario()), mutant);
            lines.add(String.format(
                    Locale.ROOT,
                    "| %s | %s | %s | %s | %,d | %d |",
                    mutant.name().toLowerCase(Locale.ROOT),
                    mutant.wrong(),
                    mutant.check(),
                    mutant.scenario(),
                    result.stateCount(),
                    result.way().size()));
        }
        lines.add("");
        lines.add("| the journal's file: mutant | what is wrong | caught by | after disks |");
        lines.add("|---|---|---|--:|");
        for (DiskMutant mutant : DiskMutant.mutants()) {
            lines.add(String.format(
                    Locale.ROOT,
                    "| %s | %s | %s | %,d |",
                    mutant.name().toLowerCase(Locale.ROOT),
                    mutant.wrong(),
                    mutant.check(),
                    result(mutant).diskCount()));
        }
        lines.add(String.format(
                Locale.ROOT,
                "| none | nothing | | %,d |",
                result(DiskMutant.NONE).diskCount()));
        return lines;
    }

    private static void scenarios(List<String> lines) {
        lines.add("| scenario | begins with | clients | states | transitions |");
        lines.add("|---|---|---|--:|--:|");
        long states = 0;
        long edges = 0;
        for (Scenario scenario : EpochModel.scenarios()) {
            Result result = result(scenario, Mutant.NONE);
            states += result.stateCount();
            edges += result.edgeCount();
            lines.add(String.format(
                    Locale.ROOT,
                    "| %s | %s | `%s` | %,d | %,d |",
                    scenario.name(),
                    scenario.beginning(),
                    scenario.requests(),
                    result.stateCount(),
                    result.edgeCount()));
        }
        lines.add(String.format(Locale.ROOT, "| all | | | %,d | %,d |", states, edges));
    }
}
