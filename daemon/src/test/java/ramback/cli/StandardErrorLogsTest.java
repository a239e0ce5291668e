package ramback.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.lang.System.Logger.Level;
import java.nio.channels.ClosedChannelException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class StandardErrorLogsTest {

    @ParameterizedTest
    @CsvSource({
        "ramback.control.ControlServer, INFO, true",
        "ramback.control.ControlServer, DEBUG, false",
        "some.library.Part, WARNING, true",
        "some.library.Part, INFO, false",
        "io.helidon.webserver.http1.Http1Connection, WARNING, false", // a client went in the middle of its request
        "io.helidon.webserver.http1.Http1Connection, ERROR, true"
    })
    void whatIsPrintedOfWhom(String name, Level level, boolean isPrinted) {
        assertThat(new StandardErrorLogs()
                        .getLogger(name, StandardErrorLogsTest.class.getModule())
                        .isLoggable(level))
                .isEqualTo(isPrinted);
    }

    @Test
    void anHttpServerThatIsStoppedBetweenTwoAcceptsHasNothingToSay() {
        System.Logger logger = new StandardErrorLogs()
                .getLogger("io.helidon.webserver.ServerListener", StandardErrorLogsTest.class.getModule());
        PrintStream before = System.err;
        ByteArrayOutputStream printed = new ByteArrayOutputStream();
        System.setErr(new PrintStream(printed, true, UTF_8));
        try {
            logger.log(Level.ERROR, "terminating", new ClosedChannelException());
            logger.log(Level.ERROR, "terminating", new InterruptedException());
            assertThat(printed.toString(UTF_8)).isEmpty();
            logger.log(Level.ERROR, "terminating", new IOException("no more files"));
            assertThat(printed.toString(UTF_8)).contains("terminating (java.io.IOException: no more files)");
        } finally {
            System.setErr(before);
        }
    }

    @ParameterizedTest
    @CsvSource({
        "false, WARNING, 'ramback: warning: x'",
        "false, ERROR, 'ramback: error: x'",
        "false, INFO, 'ramback: x'",
        "true, WARNING, <4>x",
        "true, ERROR, <3>x",
        "true, INFO, <6>x",
        "true, DEBUG, <7>x"
    })
    void theJournalGetsAPriorityInsteadOfWords(boolean isJournal, Level level, String line) {
        assertThat(StandardErrorLogs.line(isJournal, level, "x")).isEqualTo(line);
    }

    @ParameterizedTest
    @CsvSource({"debug, DEBUG", "warning, WARNING", "info, INFO", "nonsense, INFO", ", INFO"})
    void theEnvironmentSaysHowMuchIsPrinted(String word, Level least) {
        assertThat(StandardErrorLogs.least(word)).isEqualTo(least);
    }
}
