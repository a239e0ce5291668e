package ramback.model.journal;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import ramback.model.Explorer.Result;

class EpochModelTest {

    private static final String FIGURES_BEGIN = "<!-- figures of the journal -->";
    private static final String FIGURES_END = "<!-- end of figures of the journal -->";

    @ParameterizedTest
    @MethodSource("ramback.model.journal.EpochModel#scenarios")
    void everyExecutionKeepsThePromisesAndEndsClean(Scenario scenario) {
        Result result = Report.result(scenario, Mutant.NONE);
        assertThat(result.violation()).as(() -> String.join("\n", result.way())).isNull();
    }

    @ParameterizedTest
    @MethodSource("ramback.model.journal.EpochModel#scenarios")
    void aRoundMayWaitForTheEpochThatHoldsWhatItLeftOutAndForNoLaterOne(Scenario scenario) {
        Result result = Report.result(scenario, Mutant.WAITS_FOR_ITS_OWN_EPOCH);
        assertThat(result.violation()).as(() -> String.join("\n", result.way())).isNull();
    }

    @ParameterizedTest
    @MethodSource("ramback.model.journal.Mutant#mutants")
    void aProtocolWithOneThingDoneWrongIsCaught(Mutant mutant) {
        Result result = Report.result(EpochModel.scenarioNamed(mutant.scenario()), mutant);
        assertThat(result.violation()).as(mutant.wrong()).startsWith(mutant.check() + ":");
    }

    @Test
    void whateverSurvivesALossOfPowerIsRecovered() {
        assertThat(Report.result(DiskMutant.NONE).violation()).isNull();
    }

    @ParameterizedTest
    @MethodSource("ramback.model.journal.DiskMutant#mutants")
    void aJournalFileWithOneThingDoneWrongIsCaught(DiskMutant mutant) {
        assertThat(Report.result(mutant).violation()).as(mutant.wrong()).startsWith(mutant.check() + ":");
    }

    @Test
    void theDocumentedFiguresAreThoseOfThisModel() throws IOException {
        Path page = Path.of(System.getProperty("ramback.root", ".."), "docs", "models.md");
        List<String> lines = Files.readAllLines(page);
        List<String> documented = lines.subList(lines.indexOf(FIGURES_BEGIN) + 1, lines.indexOf(FIGURES_END));
        assertThat(documented)
                .as("replace them with what ramback.model.journal.Report prints, see %s", page)
                .containsExactlyElementsOf(Report.figures());
    }
}
