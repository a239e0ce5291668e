package ramback.sim;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import ramback.mutant.Mutant;
import ramback.sim.MutantReport.Catch;

@ExtendWith(QuietLog.class)
class MutantsTest {

    @ParameterizedTest
    @MethodSource("ramback.sim.MutantReport#hunted")
    void aStepLeftOutIsFoundWhereThePageSays(Mutant mutant) throws IOException {
        Catch found = MutantReport.hunt(mutant);
        assertThat(found.isFound())
                .as(
                        "%s, looked for in %,d images up to seed %d",
                        mutant, found.imageCount(), found.result().seed())
                .isTrue();
        assertThat(rows()).as("what MutantReport prints belongs into the page").anySatisfy(row -> {
            assertThat(row.getFirst()).isEqualTo(MutantReport.word(mutant));
            assertThat(row.get(2)).isEqualTo(found.kind().name().toLowerCase(Locale.ROOT));
        });
    }

    @Test
    void thePageHasARowForEachMutantAndNoOther() throws IOException {
        assertThat(rows())
                .extracting(List::getFirst)
                .containsExactlyElementsOf(
                        MutantReport.hunted().stream().map(MutantReport::word).toList());
    }

    /** The table's rows, cell by cell. */
    private static List<List<String>> rows() throws IOException {
        Path page = Path.of(System.getProperty("ramback.root", ".."), "docs", "mutants.md");
        List<String> lines = Files.readAllLines(page);
        List<List<String>> rows = new ArrayList<>();
        for (String line :
                lines.subList(lines.indexOf("<!-- mutants -->") + 3, lines.indexOf("<!-- end of mutants -->"))) {
            rows.add(Arrays.stream(line.split("\\|")).map(String::strip).skip(1).toList());
        }
        return rows;
    }
}
