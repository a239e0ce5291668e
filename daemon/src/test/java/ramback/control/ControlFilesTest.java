package ramback.control;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import ramback.attach.ControlFile;
import ramback.engine.Refusal;

class ControlFilesTest {

    private final FakeDevice device = new FakeDevice();
    private final Map<String, ControlFile> files =
            ControlFiles.of(device, status -> List.of(status.name(), "  mode  " + status.mode())).stream()
                    .collect(Collectors.toMap(ControlFile::name, Function.identity()));

    private ControlFile file(String name) {
        return Objects.requireNonNull(files.get(name), name);
    }

    private void write(String name, String word) throws Refusal, InterruptedException {
        Objects.requireNonNull(file(name).writing(), name).accept(word);
    }

    @Test
    void eachShowsWhatItIsAbout() {
        assertThat(file("status").text().get()).isEqualTo("disk\n  mode  unsafe\n");
        assertThat(file("status").writing()).isNull();
        assertThat(file("mode").text().get()).isEqualTo("unsafe\n");
        assertThat(file("trace").text().get()).isEqualTo("on\n");
        assertThat(file("flush").text().get()).isEqualTo("12288 bytes to write\n");
        device.status = SampleStatus.of("flushing", 100, 4096, 1);
        assertThat(file("flush").text().get()).isEqualTo("4096 bytes to write, flushing\n");
    }

    @Test
    void aDeviceThatHasNoStatusSaysWhy() {
        device.refusal = new Refusal(Refusal.Kind.FAILED, "disk is still starting");
        assertThat(file("status").text().get()).isEqualTo("disk is still starting\n");
    }

    @ParameterizedTest
    @CsvSource({
        "mode, writethrough, mode writethrough",
        "mode, checkpoint, mode checkpoint",
        "mode, 1, mode writethrough",
        "mode, 0, mode auto",
        "mode, auto, mode auto",
        "trace, on, trace",
        "trace, 256, trace",
        "trace, off, trace",
        "trace, 0, trace",
        "flush, 1, flush"
    })
    void aWordDoesWhatItSays(String name, String word, String asked) throws Exception {
        write(name, word);
        assertThat(device.asked).containsExactly(asked);
    }

    @ParameterizedTest
    @CsvSource({"mode, fast", "mode, 2", "mode, ''", "trace, 1", "trace, yes", "flush, 0", "flush, now"})
    void anyOtherWordIsRefused(String name, String word) {
        assertThatThrownBy(() -> write(name, word))
                .isInstanceOfSatisfying(Refusal.class, e -> assertThat(e.kind()).isEqualTo(Refusal.Kind.USAGE));
        assertThat(device.asked).isEmpty();
    }
}
