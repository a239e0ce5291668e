package ramback.backing;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.junit.jupiter.api.Assumptions.assumeFalse;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import org.assertj.core.api.AbstractStringAssert;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import ramback.backing.BackingIoException.Operation;
import ramback.backing.BackingOpenException.Reason;
import ramback.posix.LoopDevice;
import ramback.posix.Posix;
import ramback.posix.PosixException;

/** What {@link FileBacking} does beyond the contract: opening, creating, locking, O_DIRECT, holes, faults. */
class FileBackingTest {
    private static final int KIB = 1024;
    private static final int MIB = 1024 * KIB;

    private Path dir;
    private Path image;

    @BeforeEach
    void create() throws IOException {
        dir = Medium.newDirectory(false);
        image = dir.resolve("disk.img");
    }

    @AfterEach
    void remove() throws IOException {
        Medium.removeTree(dir);
    }

    // ---------------------------------------------------------------------------------------------- opening

    @Test
    void aMissingImageIsToldWithWhatToDo() {
        assertRefused(Reason.MISSING, () -> FileBacking.open(image, false))
                .isEqualTo("image " + image + " does not exist; give --size SIZE to create it");
        assertRefused(Reason.MISSING, () -> FileBacking.open(dir.resolve("no/such"), true));
    }

    @Test
    void onlyFilesAndBlockDevicesAreImages() throws IOException {
        assertRefused(Reason.NOT_AN_IMAGE, () -> FileBacking.open(dir, false))
                .isEqualTo(dir + " is a directory; give a raw image file or a block device");
        assertRefused(Reason.NOT_AN_IMAGE, () -> FileBacking.open(Path.of("/dev/null"), false))
                .startsWith("/dev/null is a character device");
        Path fifo = dir.resolve("fifo");
        run("mkfifo", fifo.toString());
        assertRefused(Reason.NOT_AN_IMAGE, () -> FileBacking.open(fifo, false));
    }

    @Test
    void anEmptyFileIsNotAnImage() throws IOException {
        Files.createFile(image);
        assertRefused(Reason.EMPTY, () -> FileBacking.open(image, false)).contains("0 bytes");
    }

    @Test
    void anImageThatMayNotBeWrittenCanBeOpenedForReadingOnly() throws IOException {
        assumeFalse(Medium.isRoot(), "root may write everything");
        FileBacking.create(image, MIB).close();
        Files.setPosixFilePermissions(image, PosixFilePermissions.fromString("r--------"));
        assertRefused(Reason.NOT_PERMITTED, () -> FileBacking.open(image, false))
                .contains("--read-only");
        FileBacking.open(image, true).close();
        Files.setPosixFilePermissions(image, PosixFilePermissions.fromString("---------"));
        assertRefused(Reason.NOT_PERMITTED, () -> FileBacking.open(image, true)).doesNotContain("--read-only");
    }

    @Test
    void aWriteProtectedDeviceCanBeOpenedForReadingOnly() throws IOException {
        FileBacking.create(image, MIB).close();
        try (LoopDevice loop = LoopDevice.attach(image, "--read-only")) {
            assertRefused(Reason.NOT_PERMITTED, () -> FileBacking.open(loop.path(), false))
                    .contains("--read-only");
            FileBacking.open(loop.path(), true).close();
        }
    }

    @Test
    void anImageIsLockedAgainstASecondOpenerAlsoForReading() throws IOException {
        try (FileBacking first = FileBacking.create(image, MIB)) {
            assertThat(first.path()).isEqualTo(image.toRealPath());
            assertRefused(Reason.IN_USE, () -> FileBacking.open(image, false)).contains("in use by another process");
            assertRefused(Reason.IN_USE, () -> FileBacking.open(image, true));
        }
        try (FileBacking reader = FileBacking.open(image, true)) {
            assertThat(reader.readOnly()).isTrue();
            assertRefused(Reason.IN_USE, () -> FileBacking.open(image, false));
        }
        FileBacking.open(image, false).close();
    }

    @Test
    void aBlockDeviceIsHeldExclusively() throws IOException {
        FileBacking.create(image, MIB).close();
        try (LoopDevice loop = LoopDevice.attach(image)) {
            try (FileBacking first = FileBacking.open(loop.path(), false)) {
                assertThat(first.blockDevice()).isTrue();
                assertThat(first.uri()).isEqualTo("file://" + loop.path());
                assertRefused(Reason.IN_USE, () -> FileBacking.open(loop.path(), false));
                assertThatThrownBy(() -> Posix.open(loop.path(), Posix.O_RDONLY | Posix.O_EXCL, 0))
                        .as("a mount or a partitioning tool would be refused so")
                        .isInstanceOf(PosixException.class);
            }
            int held = Posix.open(loop.path(), Posix.O_RDONLY | Posix.O_EXCL, 0);
            try {
                assertRefused(Reason.IN_USE, () -> FileBacking.open(loop.path(), false));
            } finally {
                Posix.close(held);
            }
            FileBacking.open(loop.path(), false).close();
        }
    }

    @Test
    void theImageMayBeASymbolicLinkAndIsResolvedOnce() throws IOException {
        FileBacking.create(image, MIB).close();
        Path link = Files.createSymbolicLink(dir.resolve("link"), image);
        try (FileBacking backing = FileBacking.open(link, false)) {
            assertThat(backing.path()).isEqualTo(image.toRealPath());
            Files.delete(link);
            Files.createSymbolicLink(link, dir.resolve("elsewhere"));
            writeOnes(backing, 0, 4 * KIB);
            backing.sync();
        }
        assertThat(Files.readAllBytes(image)[0]).isEqualTo((byte) 1);
        assertRefused(Reason.MISSING, () -> FileBacking.open(link, false));
    }

    @Test
    void anImageForReadingRefusesToChange() throws IOException {
        FileBacking.create(image, MIB).close();
        try (FileBacking backing = FileBacking.open(image, true);
                Arena arena = Arena.ofConfined()) {
            MemorySegment memory = arena.allocate(4 * KIB, 4096);
            backing.read(0, memory);
            assertThatThrownBy(() -> backing.write(0, memory))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("for reading only");
            assertThatThrownBy(() -> backing.zero(0, 1)).isInstanceOf(IllegalStateException.class);
            backing.sync();
        }
    }

    @Test
    void openingAndFailingToOpenLeaveNoDescriptorBehind() throws IOException {
        FileBacking.create(image, MIB + 37).close();
        Path empty = Files.createFile(dir.resolve("empty"));
        FileBacking.open(image, false).close();
        long before = descriptorCount();
        for (int i = 0; i < 20; i++) {
            try (FileBacking backing = FileBacking.open(image, false)) {
                assertRefused(Reason.IN_USE, () -> FileBacking.open(image, false));
                assertThat(backing.sizeBytes()).isEqualTo(MIB + 37);
            }
            assertRefused(Reason.EMPTY, () -> FileBacking.open(empty, false));
            assertRefused(Reason.NOT_AN_IMAGE, () -> FileBacking.open(dir, false));
        }
        assertThat(descriptorCount()).isEqualTo(before);
    }

    // ---------------------------------------------------------------------------------------------- creating

    @Test
    void aCreatedImageIsSparseAndItsOwnersOnly() throws IOException {
        try (FileBacking backing = FileBacking.create(image, 1L << 40)) {
            assertThat(backing.sizeBytes()).isEqualTo(1L << 40);
            assertThat(backing.status().allocatedBytes()).isZero();
            assertThat(backing.status().permissions()).isEqualTo(0600);
            assertThat(backing.nextDataOffset(0)).isEqualTo(1L << 40);
            assertThat(backing.nextHoleOffset(0)).isZero();
        }
    }

    @Test
    void whatIsThereIsNeverCreatedAnew() throws IOException {
        Files.writeString(image, "precious");
        assertRefused(Reason.EXISTS, () -> FileBacking.create(image, MIB)).contains("exists already");
        assertThat(image).hasContent("precious");
        Path link = Files.createSymbolicLink(dir.resolve("link"), dir.resolve("elsewhere"));
        assertRefused(Reason.EXISTS, () -> FileBacking.create(link, MIB));
        assertThat(dir.resolve("elsewhere")).doesNotExist();
    }

    @Test
    void anImageThatCannotBeCreatedIsNotLeftHalfMade() throws IOException {
        assertRefused(Reason.MISSING, () -> FileBacking.create(dir.resolve("no/disk.img"), MIB))
                .contains(dir.resolve("no") + " is not a directory");
        assertRefused(Reason.TOO_LARGE, () -> FileBacking.create(image, Long.MAX_VALUE))
                .contains("smaller --size");
        assertThat(Files.exists(image, LinkOption.NOFOLLOW_LINKS)).isFalse();
        if (!Medium.isRoot()) {
            Files.setPosixFilePermissions(dir, PosixFilePermissions.fromString("r-x------"));
            assertRefused(Reason.NOT_PERMITTED, () -> FileBacking.create(image, MIB));
            Files.setPosixFilePermissions(dir, PosixFilePermissions.fromString("rwx------"));
        }
    }

    // ---------------------------------------------------------------------------------------------- O_DIRECT

    @Test
    void transfersAreDirectWhereTheFilesystemAllowsAndTheReasonIsToldWhereNot() throws IOException {
        boolean direct = hasDirectAccess(dir);
        try (FileBacking backing = FileBacking.create(image, MIB)) {
            assertThat(backing.directIo()).isEqualTo(direct);
            assertThat(backing.access()).startsWith(direct ? "direct, " : "buffered: ");
            assertThat(backing.alignmentBytes()).isBetween(direct ? 2 : 1, 65536);
        }
        Path onTmpfs = Medium.newDirectory(true);
        try (FileBacking backing = FileBacking.create(onTmpfs.resolve("disk.img"), MIB)) {
            assertThat(backing.directIo()).isFalse();
            assertThat(backing.access()).isEqualTo("buffered: the image is in memory (tmpfs)");
            assertThat(backing.alignmentBytes()).isEqualTo(1);
        } finally {
            Medium.removeTree(onTmpfs);
        }
        try (FileBacking backing = FileBacking.create(dir.resolve("tiny.img"), 511)) {
            assertThat(backing.directIo()).isFalse();
        }
    }

    @Test
    void aBlockDeviceIsAccessedDirectlyInItsOwnSectors() throws IOException {
        FileBacking.create(image, MIB).close();
        try (LoopDevice loop = LoopDevice.attach(image, "--sector-size", "4096");
                FileBacking backing = FileBacking.open(loop.path(), false)) {
            assertThat(backing.access()).isEqualTo("direct, 4096 byte sectors");
            assertThat(backing.alignmentBytes()).isEqualTo(4096);
        }
    }

    @Test
    void theBufferedEndSharesNoPageWithTheDirectPart() {
        assertThat(OpenImage.directEnd(512, 512)).isEqualTo(512);
        assertThat(OpenImage.directEnd(512, 4096)).isZero();
        assertThat(OpenImage.directEnd(MIB, 4096)).isEqualTo(MIB);
        assertThat(OpenImage.directEnd(MIB + 37, 512)).isEqualTo(MIB);
        assertThat(OpenImage.directEnd(MIB + 4096 + 37, 512)).isEqualTo(MIB);
        assertThat(OpenImage.directEnd(MIB + 4096, 512)).isEqualTo(MIB + 4096);
        assertThat(OpenImage.directEnd(MIB - 1, 512)).isEqualTo(MIB - 64 * KIB);
    }

    // ---------------------------------------------------------------------------------------------- holes

    @Test
    void zeroedRangesOfAFileBecomeHoles() throws IOException {
        try (FileBacking backing = FileBacking.create(image, 4 * MIB)) {
            writeOnes(backing, 0, 4 * MIB);
            backing.sync();
            assumeTrue(hasHoles(), "this filesystem has no holes");
            assertThat(backing.nextHoleOffset(0)).isEqualTo(4 * MIB);
            backing.zero(MIB + 100, 2 * MIB);
            backing.sync();
            assertThat(backing.nextHoleOffset(0)).isBetween(MIB + 100L, MIB + 64L * KIB);
            assertThat(backing.nextDataOffset(2 * MIB)).isBetween(3L * MIB - 64 * KIB, 3L * MIB + 100);
            assertThat(backing.status().allocatedBytes()).isLessThan(3 * MIB);
        }
    }

    @Test
    void zeroedRangesOfALoopDeviceBecomeHolesOfItsFile() throws IOException {
        FileBacking.create(image, 4 * MIB).close();
        assumeTrue(hasHoles(), "this filesystem has no holes");
        try (LoopDevice loop = LoopDevice.attach(image);
                FileBacking backing = FileBacking.open(loop.path(), false)) {
            writeOnes(backing, 0, 4 * MIB);
            backing.sync();
            backing.zero(MIB + 100, 2 * MIB);
            backing.sync();
            assertThat(allocatedBytes(image)).isLessThan(3 * MIB);
            assertThat(backing.nextDataOffset(2 * MIB))
                    .as("a device knows no holes")
                    .isEqualTo(2 * MIB);
            assertThat(backing.nextHoleOffset(0)).isEqualTo(4 * MIB);
        }
    }

    // ---------------------------------------------------------------------------------------------- faults

    @Test
    void anImageThatWasCutShortUnderneathIsADeviceErrorNotZeroes() throws IOException {
        try (FileBacking backing = FileBacking.create(image, MIB + 37);
                Arena arena = Arena.ofConfined()) {
            writeOnes(backing, 0, MIB + 37);
            backing.sync();
            int fd = Posix.open(image, Posix.O_RDWR, 0);
            Posix.ftruncate(fd, 300 * KIB + 100);
            Posix.close(fd);
            MemorySegment memory = arena.allocate(64 * KIB, 4096);
            backing.read(0, memory);
            assertThatExceptionOfType(BackingIoException.class)
                    .isThrownBy(() -> backing.read(256 * KIB, memory))
                    .satisfies(e -> {
                        assertThat(e.operation()).isEqualTo(Operation.READ);
                        assertThat(e.offsetBytes()).isEqualTo(256 * KIB);
                        assertThat(e.lengthBytes()).isEqualTo(64 * KIB);
                        assertThat(e.errno()).isZero();
                        assertThat(e.getMessage()).contains("" + (MIB + 37));
                    });
            assertThatExceptionOfType(BackingIoException.class)
                    .isThrownBy(() -> backing.read(MIB, memory.asSlice(0, 37)));
        }
    }

    private void cut(long sizeBytes) throws IOException {
        int fd = Posix.open(image, Posix.O_RDWR, 0);
        Posix.ftruncate(fd, sizeBytes);
        Posix.close(fd);
    }

    @Test
    void whatWasCutOffIsNoHole() throws IOException {
        try (FileBacking backing = FileBacking.create(image, MIB)) {
            writeOnes(backing, 0, MIB);
            cut(256 * KIB);
            assertThat(backing.nextDataOffset(0)).isZero();
            assertThat(backing.nextHoleOffset(0)).isEqualTo(MIB);
            assertThat(backing.nextDataOffset(256 * KIB)).isEqualTo(256 * KIB);
            assertThat(backing.nextDataOffset(512 * KIB)).isEqualTo(512 * KIB);
            assertThat(backing.intactBytes()).isEqualTo(256 * KIB);
            // The hole that is there when it has its size again is not the one that was there.
            cut(MIB);
            assertThat(backing.nextDataOffset(512 * KIB)).isEqualTo(512 * KIB);
            assertThat(backing.nextHoleOffset(512 * KIB)).isEqualTo(MIB);
        }
    }

    @Test
    void anImageThatWasCutTakesNothingAndDoesNotGrowUntilItHasItsSizeAgain() throws IOException {
        try (FileBacking backing = FileBacking.create(image, MIB);
                Arena arena = Arena.ofConfined()) {
            writeOnes(backing, 0, MIB);
            backing.sync();
            cut(256 * KIB);
            assertThatThrownBy(() -> writeOnes(backing, MIB - 4096, 4096))
                    .isInstanceOf(BackingIoException.class)
                    .hasMessageContaining("cut to " + 256 * KIB + " bytes and had " + MIB)
                    .hasMessageContaining("truncate -s " + MIB + " " + image.toRealPath());
            assertThatThrownBy(() -> writeOnes(backing, 0, 4096)).isInstanceOf(BackingIoException.class);
            assertThatThrownBy(() -> backing.zero(MIB / 2, 4096)).isInstanceOf(BackingIoException.class);
            assertThatThrownBy(backing::sync).isInstanceOf(BackingIoException.class);
            assertThat(Files.size(image)).isEqualTo(256 * KIB);
            assertThat(backing.damage())
                    .isNotNull()
                    .satisfies(damage -> assertThat(damage.kind()).isEqualTo(Damage.Kind.CUT));
            MemorySegment memory = arena.allocate(64 * KIB, 4096);
            backing.read(128 * KIB, memory);

            cut(MIB);
            assertThat(backing.damage()).isNull();
            writeOnes(backing, MIB - 4096, 4096);
            backing.sync();
            // What is there now is not what was there.
            assertThatThrownBy(() -> backing.read(512 * KIB, memory))
                    .isInstanceOf(BackingIoException.class)
                    .hasMessageContaining("lost");
            assertThat(backing.intactBytes()).isEqualTo(256 * KIB);
            assertThat(backing.cutCount()).isEqualTo(1);
            // Again, and not so far: what was written again is lost again.
            cut(512 * KIB);
            assertThatThrownBy(backing::sync).isInstanceOf(BackingIoException.class);
            assertThat(backing.intactBytes()).isEqualTo(256 * KIB);
            assertThat(backing.cutCount()).isEqualTo(2);
        }
    }

    @Test
    void aReadNoticesThatTheImageWasCutMeanwhile() throws IOException {
        try (FileBacking backing = FileBacking.create(image, MIB);
                Arena arena = Arena.ofConfined()) {
            cut(0);
            assertThatThrownBy(() -> backing.read(0, arena.allocate(4096, 4096)))
                    .isInstanceOf(BackingIoException.class);
            assertThat(backing.intactBytes()).isZero();
        }
    }

    @Test
    void anImageThatWasMovedOrDeletedOrReplacedGoesOnAndIsTold() throws IOException {
        Path elsewhere = image.resolveSibling("elsewhere.img");
        try (FileBacking backing = FileBacking.create(image, 64 * KIB)) {
            assertThat(backing.damage()).isNull();
            Files.move(image, elsewhere);
            assertThat(told(backing, Damage.Kind.MOVED)).contains("was moved to", "elsewhere.img", "move it back");
            Files.createFile(image);
            assertThat(told(backing, Damage.Kind.MOVED)).contains("is another file now", "elsewhere.img");
            Files.move(elsewhere, image, StandardCopyOption.REPLACE_EXISTING);
            assertThat(backing.damage()).isNull();
            Files.createFile(elsewhere);
            Files.move(elsewhere, image, StandardCopyOption.REPLACE_EXISTING);
            assertThat(told(backing, Damage.Kind.DELETED)).contains("was replaced by another file");
            Files.delete(image);
            assertThat(told(backing, Damage.Kind.DELETED)).contains("was deleted");
            writeOnes(backing, 0, 4096);
            backing.sync();
        }
    }

    private static String told(FileBacking backing, Damage.Kind kind) throws IOException {
        Damage damage = backing.damage();
        assertThat(damage).isNotNull();
        assertThat(damage.kind()).isEqualTo(kind);
        return damage.text();
    }

    @Test
    void aBlockDeviceThatShrankIsTold() throws IOException {
        FileBacking.create(image, MIB).close();
        try (LoopDevice loop = LoopDevice.attach(image);
                FileBacking backing = FileBacking.open(loop.path(), false)) {
            assertThat(backing.damage()).isNull();
            cut(512 * KIB);
            run("losetup", "--set-capacity", loop.path().toString());
            assertThat(told(backing, Damage.Kind.CUT)).contains("cut to " + 512 * KIB + " bytes");
            assertThatThrownBy(() -> writeOnes(backing, 0, 4096)).isInstanceOf(BackingIoException.class);
            assertThat(backing.nextDataOffset(512 * KIB)).isEqualTo(512 * KIB);
            cut(MIB);
            run("losetup", "--set-capacity", loop.path().toString());
            assertThat(backing.damage()).isNull();
            writeOnes(backing, 0, 4096);
        }
    }

    @Test
    void aFullFilesystemIsADeviceErrorForAWriteAndAnOperatorErrorForCreating() throws IOException {
        assumeTrue(Medium.isRoot(), "a mount needs root");
        assumeTrue(Files.isExecutable(Path.of("/usr/bin/unshare")), "no unshare here");
        String script = "mount -t tmpfs -o size=1m,nr_inodes=2 ramback-test \"$0\" && exec \"$@\"";
        List<String> lines = run(
                        "/usr/bin/unshare",
                        "--mount",
                        "sh",
                        "-c",
                        script,
                        dir.toString(),
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "--enable-native-access=ALL-UNNAMED",
                        "-cp",
                        System.getProperty("java.class.path"),
                        FullFilesystemProbe.class.getName(),
                        dir.toString())
                .lines()
                .toList();
        assertThat(lines).containsExactly("WRITE 0 2097152 ENOSPC", "room again", "NO_SPACE false");
    }

    // ---------------------------------------------------------------------------------------------- small parts

    private static AbstractStringAssert<?> assertRefused(Reason reason, ThrowingCallable call) {
        BackingOpenException refusal = catchThrowableOfType(BackingOpenException.class, call);
        assertThat(refusal).as("refused").isNotNull();
        assertThat(refusal.reason()).as(refusal.getMessage()).isEqualTo(reason);
        assertThat(refusal.getMessage()).doesNotContain("\n");
        return assertThat(refusal.getMessage());
    }

    private static void writeOnes(Backing backing, long offsetBytes, int lengthBytes) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            backing.write(offsetBytes, arena.allocate(lengthBytes, 4096).fill((byte) 1));
        }
    }

    private static long allocatedBytes(Path file) throws IOException {
        int fd = Posix.open(file, Posix.O_RDONLY, 0);
        try {
            Posix.fsync(fd);
            return Posix.status(fd).allocatedBytes();
        } finally {
            Posix.close(fd);
        }
    }

    private boolean hasHoles() throws IOException {
        int fd = Posix.open(dir.resolve("holes"), Posix.O_RDWR | Posix.O_CREAT, 0600);
        try (Arena arena = Arena.ofConfined()) {
            Posix.pwrite(fd, arena.allocate(MIB).fill((byte) 1), 0, MIB, 0);
            Posix.fallocate(fd, Posix.FALLOC_FL_PUNCH_HOLE | Posix.FALLOC_FL_KEEP_SIZE, 0, MIB);
            return Posix.seekData(fd, 0) == Posix.NONE;
        } catch (PosixException e) {
            return false;
        } finally {
            Posix.close(fd);
        }
    }

    private static boolean hasDirectAccess(Path dir) throws IOException {
        Path file = dir.resolve("direct");
        Files.write(file, new byte[4096]);
        try {
            int fd = Posix.open(file, Posix.O_RDONLY | Posix.O_DIRECT, 0);
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment memory = arena.allocate(4096, 4096);
                return !Posix.filesystemStatus(fd).isTmpfs()
                        && Posix.pread(fd, memory, 0, 4096, 0) == 4096
                        && memory.get(JAVA_BYTE, 0) == 0;
            } finally {
                Posix.close(fd);
            }
        } catch (PosixException e) {
            return false;
        }
    }

    private static long descriptorCount() throws IOException {
        try (var descriptors = Files.list(Path.of("/proc/self/fd"))) {
            return descriptors.count();
        }
    }

    private static String run(String... command) throws IOException {
        Process process = new ProcessBuilder(command)
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        try {
            assertThat(process.waitFor())
                    .as("exit code of " + String.join(" ", command))
                    .isZero();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted", e);
        }
        return output;
    }
}
