package ramback.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is printed; that a shell takes it, and what it completes, is tried in ./verify pages. */
class CompletionCommandTest {

    @TempDir
    Path directory;

    private String printed() {
        ShellOnPaper shell = new ShellOnPaper(directory);
        assertThat(shell.run("completion")).isZero();
        assertThat(shell.err()).isEmpty();
        return shell.out();
    }

    @Test
    void theScriptKnowsEveryCommandAndTheirOptions() {
        assertThat(printed())
                .contains("upgrade", "snapshot", "--snapshot-buffer", "--keep-ram", "--to-epoch")
                .doesNotContain("completion'");
    }

    @Test
    void devicesAreCompletedWhereACommandTakesTheirName() {
        assertThat(printed())
                .contains("attach | bench | detach | down | flush | mode |")
                .doesNotContain("@NAMED@", "@FLAGS@")
                .endsWith("complete -F _ramback_complete -o default ramback\n")
                .containsOnlyOnce("\ncomplete -F ");
    }

    @Test
    void helpDoesNotNameIt() {
        ShellOnPaper shell = new ShellOnPaper(directory);
        shell.run("--help");
        assertThat(shell.out()).contains("snapshot").doesNotContain("completion");
    }
}
