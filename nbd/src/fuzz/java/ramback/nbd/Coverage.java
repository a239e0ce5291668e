package ramback.nbd;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import org.jacoco.agent.rt.RT;
import org.jacoco.core.analysis.Analyzer;
import org.jacoco.core.analysis.CoverageBuilder;
import org.jacoco.core.analysis.IClassCoverage;
import org.jacoco.core.analysis.ICounter;
import org.jacoco.core.tools.ExecFileLoader;

/** Which branches of the protocol's classes this process has taken so far, by the probes of JaCoCo's agent. */
final class Coverage {

    /** Those that see what a client sends; the others listen, poll, and keep limits. */
    private static final List<String> CLASSES = List.of(
            "Connection",
            "DeferredReplies",
            "DeferredSlots",
            "Dialect",
            "ErrorTexts",
            "Exports",
            "Handshake",
            "HandshakeOption",
            "MemoryWindows",
            "MetaContext",
            "Replies",
            "ReplyForm",
            "Transmission",
            "Wire");

    private final Path classes;

    /**
     * Of the compiled classes in this directory.
     *
     * @param classes with the packages' directories in it
     */
    Coverage(Path classes) {
        this.classes = classes;
    }

    /** How many branches were never taken. */
    int missedCount() {
        return analyzed().stream()
                .mapToInt(one -> one.getBranchCounter().getMissedCount())
                .sum();
    }

    /** Prints a line a class, the sum, and each line of code of which a branch was never taken. */
    void print() {
        int branchCount = 0;
        int takenCount = 0;
        List<String> missed = new ArrayList<>();
        for (IClassCoverage one : analyzed()) {
            ICounter branches = one.getBranchCounter();
            if (branches.getTotalCount() == 0) {
                continue;
            }
            branchCount += branches.getTotalCount();
            takenCount += branches.getCoveredCount();
            System.out.printf(
                    "%4d of %3d branches of %s%n",
                    branches.getCoveredCount(),
                    branches.getTotalCount(),
                    one.getName().replace('/', '.'));
            for (int number = one.getFirstLine(); number <= one.getLastLine(); number++) {
                int missedCount = one.getLine(number).getBranchCounter().getMissedCount();
                if (missedCount > 0) {
                    missed.add(one.getSourceFileName() + ":" + number + (missedCount > 1 ? " x " + missedCount : ""));
                }
            }
        }
        System.out.println("not all branches: " + String.join(", ", missed));
        System.out.println("coverage: " + takenCount + " of " + branchCount + " branches");
    }

    private Collection<IClassCoverage> analyzed() {
        try {
            ExecFileLoader taken = new ExecFileLoader();
            taken.load(new ByteArrayInputStream(RT.getAgent().getExecutionData(false)));
            CoverageBuilder builder = new CoverageBuilder();
            Analyzer analyzer = new Analyzer(taken.getExecutionDataStore(), builder);
            for (String name : CLASSES) {
                analyzer.analyzeAll(
                        classes.resolve("ramback/nbd/" + name + ".class").toFile());
            }
            return builder.getClasses();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
