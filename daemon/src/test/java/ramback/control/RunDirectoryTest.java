package ramback.control;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import ramback.engine.Refusal;

class RunDirectoryTest {

    @TempDir
    Path directory;

    private void leave(String name) throws Exception {
        Files.createDirectories(directory.resolve(name));
        Files.createFile(directory.resolve(name).resolve("lock"));
    }

    @Test
    void theOptionWinsOverTheVariable() throws Refusal {
        Map<String, String> environment = Map.of(RunDirectory.VARIABLE, "/variable", "XDG_RUNTIME_DIR", "/xdg");
        assertThat(RunDirectory.find(Path.of("/option"), environment).path()).isEqualTo(Path.of("/option"));
        assertThat(RunDirectory.find(null, environment).path()).isEqualTo(Path.of("/variable"));
    }

    @Test
    void theOnlyDeviceNeedsNoName() throws Exception {
        leave("disk");
        assertThat(new RunDirectory(directory).only()).isEqualTo("disk");
    }

    @Test
    void withoutADeviceThereIsNone() {
        assertThatThrownBy(new RunDirectory(directory.resolve("missing"))::only)
                .hasMessageStartingWith("no device is running")
                .hasMessageContaining("ramback up IMAGE")
                .extracting(e -> ((Refusal) e).kind())
                .isEqualTo(Refusal.Kind.NO_DEVICE);
    }

    @Test
    void ofSeveralDevicesOneMustBeNamed() throws Exception {
        leave("b");
        leave("a");
        Files.createFile(directory.resolve("c")); // not a directory
        Files.createDirectory(directory.resolve("d")); // no lock: being made or removed
        leave("Not-a-name");
        assertThatThrownBy(new RunDirectory(directory)::only)
                .hasMessage("2 devices are running: a, b; name the one you mean")
                .extracting(e -> ((Refusal) e).kind())
                .isEqualTo(Refusal.Kind.USAGE);
    }

    @Test
    void aSocketPathMayHave107Bytes() throws Refusal {
        RunDirectory.checkSocketPath(Path.of("/" + "a".repeat(106)), "x");
        assertThatThrownBy(() -> RunDirectory.checkSocketPath(Path.of("/" + "a".repeat(107)), "choose another"))
                .hasMessageStartingWith("socket path too long: 108 bytes, limit 107 (/a")
                .hasMessageEndingWith("); choose another");
    }
}
