package ramback.attach;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIOException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import ramback.engine.Refusal;

class HeldDiskTest {

    private static final Path LOOP = Path.of("/dev/loop3");

    @TempDir
    Path temporary;

    private Path directory;
    private FakeMachine machine;

    @BeforeEach
    void make() throws IOException {
        directory = Files.createDirectories(temporary.toRealPath().resolve("run/disk"));
        machine = new FakeMachine(temporary.resolve("root"));
        machine.mount("0:41", directory + "/fuse", "fuse", "ramback").loop("loop3", "7:3", directory + "/fuse/disk", 9);
        Files.createDirectories(machine.root.resolve("dev"));
        Files.createFile(machine.root.resolve("dev/loop3"));
    }

    private HeldDisk hold() throws Refusal {
        return HeldDisk.hold(machine.root, directory, LOOP);
    }

    @Test
    void theDevicesOwnIsHeld() throws Exception {
        try (HeldDisk held = hold()) {
            held.check();
            assertThat(held.path()).isEqualTo(LOOP);
        }
    }

    @Test
    void oneThatIsAnothersByNowIsNeitherHeldNorGoneOnWith() throws Exception {
        try (HeldDisk held = hold()) {
            machine.attribute("loop3", "diskseq", "10");
            assertThatThrownBy(held::check).isInstanceOf(Refusal.class).hasMessageContaining("may be another's");
            machine.attribute("loop3", "diskseq", "9");
            held.check();
            machine.attribute("loop3", "loop/backing_file", "/srv/other.raw");
            assertThatThrownBy(held::check).isInstanceOf(Refusal.class);
        }
        assertThatThrownBy(this::hold).hasMessageContaining("/dev/loop3 was taken away meanwhile");
    }

    @Test
    void oneThatIsNotThereIsRefused() throws Exception {
        Files.delete(machine.root.resolve("dev/loop3"));
        assertThatThrownBy(this::hold).isInstanceOf(Refusal.class).hasMessageContaining("cannot open /dev/loop3");
    }

    @Test
    void aLoopDeviceIsNotedOnlyAsLongAsItIsOverTheDevicesFile() throws Exception {
        Parts.noteLoop(machine.root, directory, "loop3");
        assertThat(directory.resolve("loop")).content().isEqualTo("loop3 9@\n");
        machine.loop("loop3", "7:3", "/srv/other.raw", 10);
        assertThatIOException().isThrownBy(() -> Parts.noteLoop(machine.root, directory, "loop3"));
        assertThat(directory.resolve("loop")).content().isEqualTo("loop3 9@\n");
    }
}
