package ramback.model;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import ramback.model.Explorer.Result;

/** What came out, for docs/models.md and for who wants to see a mutant go wrong. Explores each case once. */
final class ModelReport {

    private record Case(Scenario scenario, Mutant mutant) {}

    private static final Map<Case, Result> RESULTS = new ConcurrentHashMap<>();

    private ModelReport() {}

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
                Arrays.stream(Mutant.values()).anyMatch(mutant -> mutant.name().equals(args[0]));
        Mutant mutant = isMutant ? Mutant.valueOf(args[0]) : Mutant.NONE;
        String name = args.length > 1 ? args[1] : isMutant ? mutant.scenario() : args[0];
        long begin = System.nanoTime();
        Result result = result(LoadingModel.scenarioNamed(name), mutant);
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
                new Case(scenario, mutant), wanted -> LoadingModel.explore(wanted.scenario, wanted.mutant));
    }

    /** The lines of the generated part of docs/models.md. */
    static List<String> figures() {
        List<String> lines = new java.util.ArrayList<>();
        lines.add("| scenario | begins with | clients | states | transitions |");
        lines.add("|---|---|---|--:|--:|");
        long states = 0;
        long edges = 0;
        for (Scenario scenario : LoadingModel.scenarios()) {
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
        lines.add("");
        lines.add("| mutant | what is wrong | caught by | in | after states | steps |");
        lines.add("|---|---|---|---|--:|--:|");
        for (Mutant mutant : Mutant.mutants()) {
            Result result = result(LoadingModel.scenarioNamed(mutant.scenario()), mutant);
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
        return lines;
    }
}
