package ramback.journal;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class StateFileStoreTest {

    @TempDir
    Path directory;

    private Path file;
    private StateFileStore store;

    @BeforeEach
    void open() {
        file = directory.resolve("disk.img.ramback");
        store = new StateFileStore(file, null);
    }

    private static byte[] bytes(String text) {
        return text.getBytes(US_ASCII);
    }

    @Test
    void whatWasPutThereIsThere() throws IOException {
        assertThat(store.read()).isNull();
        store.replace(bytes("one"));
        assertThat(store.read()).isEqualTo(bytes("one"));
        store.replace(bytes("a longer two"));
        store.replace(bytes("3"));
        assertThat(new StateFileStore(file, null).read()).isEqualTo(bytes("3"));
        try (Stream<Path> files = Files.list(directory)) {
            assertThat(files).containsExactly(file);
        }
        store.remove();
        store.remove();
        assertThat(file).doesNotExist();
    }

    @Test
    void onlyItsOwnerMayReadIt() throws IOException {
        Files.createFile(file, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-r--r--")));
        store.replace(bytes("one"));
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file)))
                .isEqualTo("rw-------");
    }

    @Test
    void whatACrashLeftIsNotInTheWay() throws IOException {
        store.replace(bytes("one"));
        Files.writeString(directory.resolve("disk.img.ramback.new"), "half");
        assertThat(store.read()).isEqualTo(bytes("one"));
        store.replace(bytes("two"));
        assertThat(store.read()).isEqualTo(bytes("two"));
        assertThat(directory.resolve("disk.img.ramback.new")).doesNotExist();
    }

    @Test
    void aSymbolicLinkIsNeitherReadNorWrittenThrough() throws IOException {
        Path target = Files.writeString(directory.resolve("target"), "precious");
        Files.createSymbolicLink(file, target);
        assertThatThrownBy(store::read).isInstanceOf(IOException.class).hasMessageContaining("symbolic link");
        store.replace(bytes("one"));
        assertThat(Files.isSymbolicLink(file)).isFalse();
        assertThat(target).hasContent("precious");

        Files.createSymbolicLink(directory.resolve("disk.img.ramback.new"), target);
        store.replace(bytes("two"));
        assertThat(target).hasContent("precious");
        assertThat(store.read()).isEqualTo(bytes("two"));
    }

    @Test
    void aDirectoryInItsPlaceIsNoState() throws IOException {
        Files.createDirectory(file);
        assertThatThrownBy(store::read).isInstanceOf(IOException.class).hasMessage("it is not a file");
        assertThatThrownBy(() -> store.replace(bytes("one"))).isInstanceOf(IOException.class);
    }

    @Test
    void noMoreIsReadThanAStateMayHave() throws IOException {
        Files.write(file, new byte[10 << 20]);
        assertThat(store.read()).hasSize(StateFile.LENGTH_BYTES_MAX + 1);
    }

    @Test
    void whereTheDirectoryTakesNoFilesItLiesElsewhere() throws IOException {
        Path first = Path.of("/sys/disk.img.ramback"); // where not even root makes files
        Path elsewhere = directory.resolve("lib/ramback/disk.ramback");
        assertThatThrownBy(() -> new StateFileStore(first, null).replace(bytes("one")))
                .isInstanceOf(IOException.class);
        StateFileStore away = new StateFileStore(first, elsewhere);
        assertThat(away.read()).isNull();
        away.replace(bytes("one"));
        assertThat(away.place()).isEqualTo(elsewhere.toString());
        assertThat(elsewhere).hasContent("one");
        assertThat(new StateFileStore(first, elsewhere).read()).isEqualTo(bytes("one"));
    }

    @Test
    void whatLiesElsewhereIsFoundReplacedAndRemovedThere() throws IOException {
        Path elsewhere = directory.resolve("lib/ramback/disk.ramback");
        new StateFileStore(elsewhere, null).replace(bytes("one"));
        StateFileStore found = new StateFileStore(file, elsewhere);
        assertThat(found.read()).isEqualTo(bytes("one"));
        found.replace(bytes("two"));
        assertThat(file).doesNotExist();
        assertThat(elsewhere).hasContent("two");
        found.remove();
        assertThat(elsewhere).doesNotExist();
    }

    @Test
    void itsDirectoryIsMadeForItsOwnerAlone() throws IOException {
        Path made = directory.resolve("lib/ramback");
        new StateFileStore(made.resolve("dm-1.ramback"), null).replace(bytes("one"));
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(made)))
                .isEqualTo("rwx------");
    }
}
