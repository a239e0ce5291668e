package ramback.attach;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIOException;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PartsTest {

    @TempDir
    Path temporary;

    private Path directory;
    private FakeMachine machine;

    @BeforeEach
    void make() throws IOException {
        directory = Files.createDirectories(temporary.toRealPath().resolve("run/disk"));
        machine = new FakeMachine(temporary.resolve("root"));
    }

    private Parts parts() throws IOException {
        return Parts.find(machine.root, directory);
    }

    private String file() {
        return directory + "/fuse/disk";
    }

    @Test
    void nothingIsFoundWhereNothingIs() throws IOException {
        machine.loop("loop0", "7:0", "/srv/other.img", 3).disk("sda", "8:0").mount("8:0", "/", "ext4", "/dev/sda");
        assertThat(parts()).isEqualTo(Parts.NONE);
        assertThat(parts().isNone()).isTrue();
        assertThat(parts().via()).isEmpty();
    }

    @Test
    void aMachineWithoutAMountTableIsAnError() throws IOException {
        Files.delete(machine.root.resolve("proc/self/mountinfo"));
        assertThatIOException().isThrownBy(this::parts);
    }

    @Test
    void aDirectoryThatIsGoneHasNoParts() throws IOException {
        assertThat(Parts.find(machine.root, directory.resolve("nowhere")).isNone())
                .isTrue();
    }

    @Test
    void loopDevicesAreFoundByTheirFileAndFilesystemsByTheirNumber() throws IOException {
        machine.mount("0:41", directory + "/fuse", "fuse", "ramback")
                .loop("loop3", "7:3", file(), 9)
                .mount("7:3", "/mnt/a\\040b", "ext4", "/dev/loop3");
        assertThat(parts().fuse()).hasSize(1);
        assertThat(parts().disks()).containsExactly("loop3");
        assertThat(parts().mountPoints()).containsExactly("/mnt/a b");
        assertThat(parts().device(directory)).isEqualTo("/dev/loop3");
        assertThat(parts().via()).contains(Via.FUSE);
    }

    @Test
    void whatIsMountedOfAPartitionOrByTheStableNameIsFound() throws IOException {
        Files.createDirectories(machine.root.resolve("dev/ramback"));
        Files.createSymbolicLink(machine.root.resolve("dev/ramback/disk"), Path.of("/dev/loop3"));
        machine.loop("loop3", "7:3", file(), 9)
                .mount("0:41", directory + "/fuse", "fuse", "ramback")
                .partition("loop3", "loop3p1", "259:0")
                .mount("259:0", "/one", "ext4", "/dev/loop3p1")
                .mount("0:50", "/two", "btrfs", "/dev/loop3")
                .mount("0:51", "/three", "btrfs", "/dev/ramback/disk")
                .mount("7:4", "/other", "ext4", "/dev/loop4");
        assertThat(parts().mountPoints()).containsExactly("/one", "/two", "/three");
    }

    @Test
    void aLoopDeviceOfAnotherMountNamespaceIsNoneOfOurs() throws IOException {
        machine.loop("loop3", "7:3", file(), 9);
        assertThat(parts()).isEqualTo(Parts.NONE);
    }

    @Test
    void aStrangersDiskDoesNotKeepTheStableName() throws IOException {
        machine.loop("loop3", "7:3", file(), 9);
        Path link = StableName.give(machine.root, "disk", Path.of("/dev/loop3"));
        machine.attribute("loop3", "loop/backing_file", "/srv/other.raw");
        assertThat(StableName.give(machine.root, "disk", Path.of("/dev/loop4"))).isEqualTo(link);
        assertThat(Files.readSymbolicLink(link)).isEqualTo(Path.of("/dev/loop4"));
        machine.disk("nbd0", "43:0").attribute("nbd0", "pid", "4711").attribute("nbd0", "backend", "somebody");
        assertThat(StableName.give(machine.root, "disk", Path.of("/dev/nbd0"))).isEqualTo(link);
        assertThat(StableName.give(machine.root, "disk", Path.of("/dev/loop4"))).isEqualTo(link);
    }

    private AttachRecord recorded(Via via, int number) throws IOException {
        AttachRecord record = AttachRecord.ofDisk(new BlockDevices(machine.root), via, number, FakeMachine.life(0));
        record.write(directory);
        return record;
    }

    @Test
    void aRecordOfAnNbdThatIsAnothersByNowIsNone() throws IOException {
        String backend = "nbd+unix:///disk@0?socket=/run/ramback/disk/nbd.sock";
        machine.disk("nbd0", "43:0").attribute("nbd0", "pid", "4711").mount("43:0", "/srv", "ext4", "/dev/nbd0");
        machine.attribute("nbd0", "backend", backend);
        AttachRecord record = recorded(Via.NBD, 0);
        assertThat(parts().record()).contains(record);
        for (String others : List.of(
                "nbd+unix:///disk@0?socket=/other/disk/nbd.sock",
                "nbd+unix:///disk@0?socket=/elsewhere.sock",
                "nbd+unix:///other@0?socket=/run/ramback/disk/nbd.sock",
                "somebody")) {
            machine.attribute("nbd0", "backend", others);
            assertThat(parts()).isEqualTo(Parts.NONE);
            assertThat(Parts.isThere(new BlockDevices(machine.root), record)).isFalse();
        }
    }

    @Test
    void aRecordOfAUblkThatIsAnothersByNowIsNone() throws IOException {
        machine.disk("ublkb2", "259:4").attribute("ublkb2", "diskseq", "9").boot("a");
        machine.mount("259:4", "/srv", "xfs", "/dev/ublkb2");
        AttachRecord record = recorded(Via.UBLK, 2);
        assertThat(parts().record()).contains(record);
        machine.attribute("ublkb2", "diskseq", "10");
        assertThat(parts()).isEqualTo(Parts.NONE);
        machine.attribute("ublkb2", "diskseq", "9").boot("b");
        assertThat(parts()).isEqualTo(Parts.NONE);
    }

    @Test
    void whoSeesItMountedIsFoundInOtherMountNamespaces() throws IOException {
        machine.loop("loop3", "7:3", file(), 9).mount("0:41", directory + "/fuse", "fuse", "ramback");
        Path process = Files.createDirectories(machine.root.resolve("proc/4711"));
        Files.writeString(process.resolve("comm"), "container\n");
        Files.writeString(process.resolve("mountinfo"), "9 1 7:4 / /srv rw - ext4 /dev/loop4 rw\n");
        assertThat(parts().usersOfMounts(machine.root).isEmpty()).isTrue();
        Files.writeString(process.resolve("mountinfo"), "9 1 7:3 / /srv rw - ext4 /dev/loop3 rw\n");
        assertThat(parts().usersOfMounts(machine.root).text()).isEqualTo("container (pid 4711)");
    }

    @Test
    void aLoopDeviceWhoseFileCanNotBeNamedAnyMoreIsFoundByItsLife() throws IOException {
        Files.writeString(directory.resolve("loop"), "loop3 9@a\n");
        machine.loop("loop3", "7:3", "/disk", 9).boot("a");
        assertThat(parts().disks()).containsExactly("loop3");
        machine.boot("b");
        assertThat(parts().disks()).isEmpty();
        machine.boot("a");
        machine.attribute("loop3", "diskseq", "10");
        assertThat(parts().disks()).isEmpty();
    }

    @Test
    void aRecordedBlockDeviceIsFoundAsLongAsItIsThere() throws IOException {
        AttachRecord record = new AttachRecord(Via.UBLK, 2, FakeMachine.life(5));
        record.write(directory);
        assertThat(parts().isNone()).isTrue();
        machine.disk("ublkb2", "259:4").mount("259:4", "/srv", "xfs", "/dev/ublkb2");
        assertThat(parts().record()).contains(record);
        assertThat(parts().device(directory)).isEqualTo("/dev/ublkb2");
        assertThat(parts().mountPoints()).containsExactly("/srv");
        assertThat(parts().via()).contains(Via.UBLK);
    }

    @Test
    void aBlockDeviceOfNbdIsThereOnlyWhileItIsConnected() throws IOException {
        new AttachRecord(Via.NBD, 0, FakeMachine.life(5)).write(directory);
        machine.disk("nbd0", "43:0");
        assertThat(parts().isNone()).isTrue();
        machine.attribute("nbd0", "pid", "4711");
        assertThat(parts().disks()).containsExactly("nbd0");
    }

    @Test
    void theStableNameOfADisconnectedBlockDeviceIsFree() throws IOException {
        machine.disk("nbd0", "43:0").attribute("nbd0", "pid", "4711");
        Path link = StableName.give(machine.root, "disk", Path.of("/dev/nbd0"));
        assertThat(StableName.give(machine.root, "disk", Path.of("/dev/nbd1"))).isEqualTo(Path.of("/dev/nbd1"));
        Files.delete(machine.root.resolve("sys/block/nbd0/pid"));
        assertThat(StableName.give(machine.root, "disk", Path.of("/dev/nbd1"))).isEqualTo(link);
    }

    @Test
    void aFuseDirectoryAloneIsAttachedAsAFile() throws IOException {
        machine.mount("0:41", directory + "/fuse", "fuse", "ramback");
        assertThat(parts().isNone()).isFalse();
        assertThat(parts().device(directory)).isEqualTo(file());
        assertThat(parts().record()).isEqualTo(Optional.empty());
    }

    @Test
    void theStableNameIsGivenUnlessAnotherAttachedDeviceHasIt() throws IOException {
        machine.loop("loop3", "7:3", file(), 9);
        Path link = machine.root.resolve("dev/ramback/disk");
        assertThat(StableName.give(machine.root, "disk", Path.of("/dev/loop3"))).isEqualTo(link);
        assertThat(Files.readSymbolicLink(link)).isEqualTo(Path.of("/dev/loop3"));
        machine.loop("loop4", "7:4", "/elsewhere/disk", 10);
        assertThat(StableName.give(machine.root, "disk", Path.of("/dev/loop4"))).isEqualTo(Path.of("/dev/loop4"));
        Files.delete(machine.root.resolve("sys/block/loop3/loop/backing_file"));
        assertThat(StableName.give(machine.root, "disk", Path.of("/dev/loop4"))).isEqualTo(link);
        assertThat(Files.readSymbolicLink(link)).isEqualTo(Path.of("/dev/loop4"));
    }
}
