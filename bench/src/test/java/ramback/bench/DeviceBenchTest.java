package ramback.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.ServiceLoader;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import ramback.bench.DeviceBench.Options;
import ramback.control.Bench;
import ramback.engine.Refusal;

class DeviceBenchTest {

    @Test
    void readsOnlyUnlessToldToWrite() throws Refusal {
        assertThat(Options.parse(List.of())).isEqualTo(new Options(false, 3));
        assertThat(Options.parse(List.of("--write", "--seconds", "10"))).isEqualTo(new Options(true, 10));
    }

    @ParameterizedTest
    @ValueSource(strings = {"0", "-1", "3601", "1.5", "soon", ""})
    void refusesATimeThatIsNone(String seconds) {
        assertThatThrownBy(() -> Options.parse(List.of("--seconds", seconds)))
                .isInstanceOfSatisfying(
                        Refusal.class, refusal -> assertThat(refusal.kind()).isEqualTo(Refusal.Kind.USAGE))
                .hasMessageContaining("'" + seconds + "'");
    }

    @ParameterizedTest
    @ValueSource(strings = {"--seconds", "--writes", "disk"})
    void refusesAnArgumentItDoesNotKnow(String argument) {
        assertThatThrownBy(() -> Options.parse(List.of(argument)))
                .isInstanceOfSatisfying(
                        Refusal.class, refusal -> assertThat(refusal.kind()).isEqualTo(Refusal.Kind.USAGE));
    }

    @Test
    void isWhatTheCommandLineFinds() {
        assertThat(ServiceLoader.load(Bench.class)).hasOnlyElementsOfType(DeviceBench.class);
    }
}
