package ramback.journal;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import ramback.posix.FileStatus;

/** On a sysfs of paper. */
class StateLocationTest {

    private static final int REGULAR = 0x8180;
    private static final int BLOCK = 0x6180;

    @TempDir
    Path sysfs;

    private Path links;
    private Path disk;

    @BeforeEach
    void makeDisk() throws IOException {
        links = Files.createDirectories(sysfs.resolve("by-partuuid"));
        Files.createDirectories(sysfs.resolve("dev/block"));
        disk = device("8:16", "sdb");
    }

    private Path device(String number, String kernelPath) throws IOException {
        Path device = Files.createDirectories(sysfs.resolve("devices").resolve(kernelPath));
        Files.writeString(device.resolve("uevent"), "MAJOR=8\nDEVTYPE=disk\n");
        Files.createSymbolicLink(sysfs.resolve("dev/block").resolve(number), device);
        return device;
    }

    private static void write(Path file, String text) throws IOException {
        Files.createDirectories(file.getParent());
        Files.writeString(file, text + "\n");
    }

    private String name(long minor) {
        FileStatus status = new FileStatus(0, 5, 7, BLOCK, 0, 0, 8L << 32 | minor, 0, 0, 0);
        Path state = Path.of(new StateLocation(sysfs, links, Path.of("/var/lib/ramback"))
                .locate(Path.of("/dev/x"), status, 99)
                .place());
        assertThat(state.getParent()).isEqualTo(Path.of("/var/lib/ramback"));
        return state.getFileName().toString();
    }

    @Test
    void aRemoteImagesStateIsNamedByItsUri() {
        Path system = Path.of("/var/lib/ramback");
        String one = StateLocation.store("nbd://h:1/a/b", system).place();
        String other = StateLocation.store("nbd://h:1/a_b", system).place();
        assertThat(one).matches("/var/lib/ramback/nbd___h_1_a_b-[0-9a-f]{8}\\.ramback");
        assertThat(other)
                .matches("/var/lib/ramback/nbd___h_1_a_b-[0-9a-f]{8}\\.ramback")
                .isNotEqualTo(one);
        assertThat(StateLocation.store("nbd://h:1/a/b", system).place()).isEqualTo(one);
    }

    @Test
    void aFilesStateLiesBesideIt() {
        FileStatus status = new FileStatus(99, 5, 7, REGULAR, 0, 0, 0, 0, 0, 0);
        assertThat(StateLocation.store(Path.of("/d/disk.img"), status, 99, Path.of("/var/lib/ramback"))
                        .place())
                .isEqualTo("/d/disk.img.ramback");
    }

    @Test
    void whatCannotLieBesideItsFileHasItsPathInItsName() throws IOException {
        FileStatus status = new FileStatus(99, 5, 7, REGULAR, 0, 0, 0, 0, 0, 0);
        Path directory = sysfs.resolve("lib");
        StateFileStore store = StateLocation.store(Path.of("/sys/disk.img"), status, 99, directory);
        store.replace(new byte[] {1});
        assertThat(store.place()).matches(directory + "/file-disk\\.img-[0-9a-f]{8}\\.ramback");
    }

    @Test
    void theFirstNameThatTheDeviceKeepsIsTaken() throws IOException {
        assertThat(name(16)).isEqualTo("name-sdb-99.ramback");
        write(disk.resolve("serial"), "S3R1AL");
        assertThat(name(16)).isEqualTo("serial-S3R1AL.ramback");
        write(disk.resolve("device/wwid"), "naa.5000c500a1b2c3d4");
        assertThat(name(16)).isEqualTo("wwid-naa.5000c500a1b2c3d4.ramback");
        write(disk.resolve("md/uuid"), "1b2c-3d4e");
        assertThat(name(16)).isEqualTo("md-1b2c-3d4e.ramback");
        write(disk.resolve("dm/uuid"), "LVM-abcDEF");
        assertThat(name(16)).isEqualTo("dm-LVM-abcDEF.ramback");
    }

    @Test
    void whatIsNotAFileNameIsMadeOneAndToldApart() throws IOException {
        write(disk.resolve("wwid"), "t10.ATA  a/b");
        String one = name(16);
        assertThat(one).matches("wwid-t10\\.ATA__a_b-[0-9a-f]{8}\\.ramback");
        write(disk.resolve("wwid"), "t10.ATA  a_b");
        assertThat(name(16)).isNotEqualTo(one).startsWith("wwid-t10.ATA__a_b-");
    }

    @Test
    void aPartitionHasItsUuidOrItsDisksNameAndItsNumber() throws IOException {
        write(disk.resolve("wwid"), "naa.5");
        Path partition = device("8:17", "sdb/sdb1");
        write(partition.resolve("partition"), "1");
        assertThat(name(17)).isEqualTo("wwid-naa.5-part1.ramback");
        Path node = Files.createFile(sysfs.resolve("sdb1"));
        Files.createSymbolicLink(links.resolve("0afc-01"), node);
        assertThat(name(17)).isEqualTo("part-0afc-01.ramback");
        write(partition.resolve("uevent"), "MAJOR=8\nPARTUUID=beef-02");
        assertThat(name(17)).isEqualTo("part-beef-02.ramback");
        assertThat(name(16)).isEqualTo("wwid-naa.5.ramback");
    }

    @Test
    void aLoopDeviceIsTheFileBehindIt() throws IOException {
        write(disk.resolve("loop/backing_file"), "/images/disk.img");
        write(disk.resolve("loop/offset"), "0");
        String one = name(16);
        assertThat(one).matches("loop-disk\\.img-[0-9a-f]{8}-0\\.ramback");
        write(disk.resolve("loop/backing_file"), "/other/disk.img");
        assertThat(name(16)).isNotEqualTo(one);
    }

    @Test
    void aDeviceThatSysfsDoesNotKnowHasANameAllTheSame() {
        assertThat(name(200)).isEqualTo("name-8_200-99-" + checksum("name-8:200-99") + ".ramback");
    }

    private static String checksum(String text) {
        java.util.zip.CRC32C crc = new java.util.zip.CRC32C();
        crc.update(text.getBytes(java.nio.charset.StandardCharsets.UTF_8));
        return String.format("%08x", crc.getValue());
    }
}
