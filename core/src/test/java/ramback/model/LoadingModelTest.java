package ramback.model;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import ramback.model.Explorer.Result;

class LoadingModelTest {

    private static final String FIGURES_BEGIN = "<!-- figures -->";
    private static final String FIGURES_END = "<!-- end of figures -->";

    @ParameterizedTest
    @MethodSource("ramback.model.LoadingModel#scenarios")
    void everyExecutionKeepsThePromisesAndEndsClean(Scenario scenario) {
        Result result = ModelReport.result(scenario, Mutant.NONE);
        assertThat(result.violation()).as(() -> String.join("\n", result.way())).isNull();
    }

    @ParameterizedTest
    @MethodSource("ramback.model.Mutant#mutants")
    void aProtocolWithOneThingDoneWrongIsCaught(Mutant mutant) {
        Result result = ModelReport.result(LoadingModel.scenarioNamed(mutant.scenario()), mutant);
        assertThat(result.violation()).as(mutant.wrong()).startsWith(mutant.check() + ":");
    }

    /** docs/models.md says why. */
    @ParameterizedTest
    @MethodSource("ramback.model.Mutant#equivalents")
    void whatIsAsGoodAsTheProtocolKeepsThePromises(Mutant mutant) {
        Result result = ModelReport.result(LoadingModel.scenarioNamed(mutant.scenario()), mutant);
        assertThat(result.violation()).as(mutant.wrong()).isNull();
    }

    @Test
    void aReadMayReturnZeroesAfterAnotherReadSawTheWriteThatIsUnderWay() {
        // Nothing promises more for a write that nobody has acknowledged; docs/models.md says so.
        Result result = LoadingModel.explore(LoadingModel.atomicReads(), Mutant.NONE);
        assertThat(result.violation()).startsWith("CONTENT:");
        assertThat(result.way().getLast()).contains("READ COPY");
    }

    /** Explores every case, if it comes first. */
    @Test
    @Timeout(value = 10, unit = TimeUnit.MINUTES)
    void theDocumentedFiguresAreThoseOfThisModel() throws IOException {
        Path page = Path.of(System.getProperty("ramback.root", ".."), "docs", "models.md");
        List<String> lines = Files.readAllLines(page);
        List<String> documented = lines.subList(lines.indexOf(FIGURES_BEGIN) + 1, lines.indexOf(FIGURES_END));
        assertThat(documented)
                .as("replace them with what ModelReport prints, see %s", page)
                .containsExactlyElementsOf(ModelReport.figures());
    }
}
