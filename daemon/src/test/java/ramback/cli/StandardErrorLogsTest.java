package ramback.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.System.Logger.Level;
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
}
