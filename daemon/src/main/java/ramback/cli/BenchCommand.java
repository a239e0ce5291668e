package ramback.cli;

import java.util.List;
import java.util.ServiceLoader;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;
import ramback.control.Bench;
import ramback.engine.Refusal;

/** {@code ramback bench}: measures a device or any other NBD export. */
@Command(
        name = "bench",
        customSynopsis = "ramback bench [NAME|URI] [-- ARGUMENT...]",
        description = "Measure a running device, or the export of an NBD URI.")
final class BenchCommand extends DeviceCommand {

    @Parameters(
            arity = "0..*",
            paramLabel = "[NAME|URI] [-- ARGUMENT...]",
            description = "What to measure, and what the benchmark itself is told after --.")
    private List<String> words = List.of();

    BenchCommand(Shell shell) {
        super(shell);
    }

    @Override
    public Integer call() throws Exception {
        boolean isNamed = !words.isEmpty() && !words.getFirst().startsWith("-");
        List<String> arguments = isNamed ? words.subList(1, words.size()) : words;
        Bench bench = ServiceLoader.load(Bench.class)
                .findFirst()
                .orElseThrow(() -> new Refusal(
                        Refusal.Kind.FAILED,
                        "the benchmarks (module ramback.bench) are not installed here; run ./ramback bench from the"
                                + " source tree, which builds them"));
        String uri = isNamed
                        && words.getFirst().startsWith("nbd")
                        && words.getFirst().contains("://")
                ? words.getFirst()
                : client(isNamed ? words.getFirst() : null).status().uri();
        return bench.run(uri, arguments);
    }
}
