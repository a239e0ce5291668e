package ramback.control;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import ramback.engine.ImageName;
import ramback.engine.Refusal;

class DeviceNameTest {

    @ParameterizedTest
    @ValueSource(strings = {"", "Disk", "a b", "a/b", "..", ".", "ä", "a\n", "a\0"})
    void whatIsNotANameIsRefusedWithTheRule(String name) {
        assertThatThrownBy(() -> DeviceName.check(name))
                .hasMessage("bad name '" + name + "': 1 to 64 characters of a-z 0-9 . _ -, not '.' or '..'")
                .extracting(e -> ((Refusal) e).kind())
                .isEqualTo(Refusal.Kind.USAGE);
    }

    @Test
    void aNameHasAtMost64Characters() throws Refusal {
        assertThat(DeviceName.check("a".repeat(64))).hasSize(64);
        assertThatThrownBy(() -> DeviceName.check("a".repeat(65))).hasMessageContaining("(65 characters)");
    }

    @ParameterizedTest
    @CsvSource({
        "/x/disk.img,disk",
        "disk,disk",
        "/x/a.tar.img,a.tar",
        "/x/.hidden,.hidden",
        "/dev/nvme0n1,nvme0n1",
        "/x/a..img,a."
    })
    void theImagesFileNameWithoutItsSuffixIsTheName(String image, String name) throws Refusal {
        assertThat(DeviceName.ofImage(new ImageName.Local(Path.of(image)))).isEqualTo(name);
    }

    @ParameterizedTest
    @ValueSource(strings = {"/x/Disk.img", "/x/my disk.img", "/", "/x/..img"})
    void anImageWhoseFileNameIsNoNameAsksForOne(String image) {
        assertThatThrownBy(() -> DeviceName.ofImage(new ImageName.Local(Path.of(image))))
                .hasMessageEndingWith("; pass one with --name");
    }

    @ParameterizedTest
    @CsvSource({"nbd://h/disk.qcow2,disk", "nbd://h/vm/a.b,a", "nbd+unix:///x?socket=/y/z,x"})
    void anExportsNameWithoutItsSuffixIsTheName(String image, String name) throws Refusal {
        assertThat(DeviceName.ofImage(ImageName.ofUri(image))).isEqualTo(name);
    }

    @ParameterizedTest
    @ValueSource(strings = {"nbd://h", "nbd://h/%C3%A9", "nbd://h/a/", "nbd://h/.."})
    void anExportWhoseNameIsNoNameAsksForOne(String image) {
        assertThatThrownBy(() -> DeviceName.ofImage(ImageName.ofUri(image)))
                .hasMessageEndingWith("; pass one with --name");
    }
}
