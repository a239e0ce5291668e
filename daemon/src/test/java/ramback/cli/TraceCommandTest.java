package ramback.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import ramback.cli.TraceCommand.Request;
import ramback.engine.Refusal;

class TraceCommandTest {

    private static Request of(String line) throws Refusal {
        return Request.of(List.of(line.split(" ")));
    }

    @Test
    void theNameIsToldFromTheRestByCounting() throws Refusal {
        assertThat(of("on")).isEqualTo(new Request(null, false, "on"));
        assertThat(of("disk off")).isEqualTo(new Request("disk", false, "off"));
        assertThat(of("dump file")).isEqualTo(new Request(null, true, "file"));
        assertThat(of("disk dump file")).isEqualTo(new Request("disk", true, "file"));
        assertThat(of("on on")).isEqualTo(new Request("on", false, "on"));
        assertThat(of("dump dump dump")).isEqualTo(new Request("dump", true, "dump"));
        assertThat(of("dump on")).isEqualTo(new Request(null, true, "on"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"x", "dump", "disk x", "disk on off", "disk x file", "a disk dump file"})
    void anythingElseIsBadUsage(String line) {
        assertThatThrownBy(() -> of(line))
                .isInstanceOf(Refusal.class)
                .hasMessageStartingWith("bad trace request '" + line);
    }
}
