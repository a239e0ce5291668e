package ramback.fuse;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import ramback.device.TooManySessionsException;
import ramback.nbd.RamDevice;
import ramback.posix.Mounts;
import ramback.posix.Posix;
import ramback.posix.PosixException;
import ramback.traffic.Traffic;

/** A real mount, where this may be done: what programs see of the directory, and that nothing stays behind. */
@Timeout(60)
final class MountTest {

    private static final int SIZE = 4 << 20;

    @TempDir
    Path directory;

    private RamDevice device = RamDevice.ofSize(SIZE);
    private final CountDownLatch waiting = new CountDownLatch(1);
    private final CountDownLatch gate = new CountDownLatch(1);
    private volatile String mode = "writeback";
    private final List<FuseFile> files = List.of(
            new FuseFile("status", () -> "t" + System.nanoTime(), null),
            new FuseFile("mode", () -> mode + "\n", this::accept));

    private final Traffic traffic = new Traffic();

    private boolean accept(String word) throws InterruptedException {
        if (word.equals("wait")) {
            waiting.countDown();
            gate.await();
        }
        mode = word;
        return !word.equals("no");
    }

    @BeforeEach
    void mayMount() {
        Optional<String> reason = FuseDirectory.unavailable();
        assumeTrue(reason.isEmpty(), () -> "no mount here: " + reason.orElseThrow());
        assumeTrue(Posix.effectiveUserId() == 0, "no mount here: not root");
    }

    @AfterEach
    void nothingIsMounted() throws IOException {
        FuseDirectory.clean(directory);
        assertThat(isInMountTable()).isFalse();
    }

    private boolean isInMountTable() throws IOException {
        return Files.readString(Path.of("/proc/self/mountinfo")).contains(directory.toString() + " ");
    }

    private FuseDirectory mount() throws Exception {
        try {
            return FuseDirectory.mount(device, directory, files, traffic);
        } catch (FuseUnavailableException e) {
            assumeTrue(false, "no mount here: " + e.getMessage());
            throw e;
        }
    }

    @Test
    void theDirectoryShowsWhatThereIs() throws Exception {
        try (FuseDirectory mounted = mount()) {
            assertThat(mounted.isAlive()).isTrue();
            assertThat(mounted.disk()).isEqualTo(directory.toRealPath().resolve("disk"));
            assertThat(Files.readString(Path.of("/proc/self/mountinfo"))).contains(" - fuse.ramback disk ");
            try (Stream<Path> list = Files.list(directory)) {
                assertThat(list.map(path -> path.getFileName().toString()))
                        .containsExactlyInAnyOrder("disk", "status", "mode");
            }
            assertThat(Files.size(mounted.disk())).isEqualTo(SIZE);
            assertThat(Files.getPosixFilePermissions(mounted.disk())).hasSize(2);
            assertThatThrownBy(() -> Files.createFile(directory.resolve("new")))
                    .isInstanceOf(FileSystemException.class);
            assertThatThrownBy(() -> Files.delete(mounted.disk())).isInstanceOf(FileSystemException.class);
        }
        assertThat(device.openSessionCount).hasValue(0);
    }

    @ParameterizedTest
    @CsvSource({"4096,true", "65536,false", "1048576,true"})
    void theDeviceReadsWhatWasWrittenAtAnyOffset(int chunkBytes, boolean direct) throws Exception {
        device = new RamDevice("disk", device.memory, chunkBytes, false, 16, 64);
        device.direct = direct;
        byte[] model = new byte[SIZE];
        Random random = new Random(chunkBytes);
        try (FuseDirectory mounted = mount();
                FileChannel disk =
                        FileChannel.open(mounted.disk(), StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            for (int i = 0; i < 200; i++) {
                int length = random.nextInt(i % 10 == 0 ? SIZE : 20_000);
                int offset = random.nextInt(SIZE - length);
                byte[] bytes = new byte[length];
                if (i % 2 == 0) {
                    random.nextBytes(bytes);
                    System.arraycopy(bytes, 0, model, offset, length);
                    assertThat(disk.write(ByteBuffer.wrap(bytes), offset)).isEqualTo(length);
                } else {
                    assertThat(disk.read(ByteBuffer.wrap(bytes), offset)).isEqualTo(length);
                    assertThat(bytes).isEqualTo(Arrays.copyOfRange(model, offset, offset + length));
                }
            }
            disk.force(false);
            assertThat(disk.read(ByteBuffer.allocate(10), SIZE)).isEqualTo(-1);
            assertThatThrownBy(() -> disk.write(ByteBuffer.allocate(10), SIZE))
                    .hasMessageContaining("No space left on device");
        }
        assertThat(device.memory.toArray(ValueLayout.JAVA_BYTE)).isEqualTo(model);
        assertThat(device.log).anyMatch(request -> request.kind().equals("flush"));
    }

    @Test
    void directTransfersHolesAndSeeking() throws Exception {
        device.memory.fill((byte) 7);
        device.tellsStates = true;
        try (FuseDirectory mounted = mount();
                Arena arena = Arena.ofConfined()) {
            int fd = Posix.open(mounted.disk(), Posix.O_RDWR | Posix.O_DIRECT, 0);
            try {
                MemorySegment buffer = arena.allocate(1 << 20, 4096);
                assertThat(Posix.pread(fd, buffer, 0, 1 << 20, 1 << 20)).isEqualTo(1 << 20);
                assertThat(buffer.get(ValueLayout.JAVA_BYTE, 12_345)).isEqualTo((byte) 7);
                Posix.fallocate(fd, Posix.FALLOC_FL_PUNCH_HOLE | Posix.FALLOC_FL_KEEP_SIZE, 4096, 8192);
                Posix.fallocate(fd, Posix.FALLOC_FL_ZERO_RANGE, 16_384, 4096);
                assertThat(Posix.pread(fd, buffer, 0, 4096, 8192)).isEqualTo(4096);
                assertThat(buffer.asSlice(0, 4096).mismatch(MemorySegment.ofArray(new byte[4096])))
                        .isEqualTo(-1);
                assertThat(Posix.seekHole(fd, 0)).isEqualTo(4096);
                assertThat(Posix.seekData(fd, 4096)).isEqualTo(12_288);
                assertThat(Posix.pwrite(fd, buffer, 0, 1 << 20, 0)).isEqualTo(1 << 20);
            } finally {
                Posix.close(fd);
            }
        }
    }

    @Test
    void wordsAreWrittenAsAShellDoesIt() throws Exception {
        try (FuseDirectory mounted = mount()) {
            assertThat(Files.readString(directory.resolve("mode"))).isEqualTo("writeback\n");
            assertThat(shell("echo writethrough >mode && cat mode")).isEqualTo("writethrough\n");
            assertThat(shell("echo unsafe >>mode && cat mode")).isEqualTo("unsafe\n");
            assertThatThrownBy(() -> Files.writeString(directory.resolve("mode"), "no"))
                    .hasMessageContaining("Invalid argument");
            assertThat(shell("echo x >status")).isNotEmpty();
            assertThatThrownBy(() -> Files.writeString(directory.resolve("disk"), "no"))
                    .hasMessageContaining("Invalid argument");
            assertThat(mounted.isAlive()).isTrue();
        }
    }

    private String shell(String command) throws IOException {
        Process process = new ProcessBuilder("sh", "-c", command)
                .directory(directory.toFile())
                .redirectErrorStream(true)
                .start();
        return new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    }

    @Test
    void aProgramThatWaitsForAWordCanBeKilled() throws Exception {
        try (FuseDirectory mounted = mount()) {
            Process program = new ProcessBuilder("sh", "-c", "echo wait >mode")
                    .directory(directory.toFile())
                    .start();
            waiting.await();
            program.destroyForcibly();
            assertThat(program.waitFor()).isNotZero();
            assertThat(mounted.isAlive()).isTrue();
        }
    }

    @Test
    void unmountingFromOutsideEndsEverything() throws Exception {
        CountDownLatch given = new CountDownLatch(2);
        device.afterRelease = given::countDown;
        try (FuseDirectory mounted = mount()) {
            Mounts.unmount(directory, 0);
            given.await();
            assertThat(mounted.isAlive()).isFalse();
        }
        assertThat(device.openSessionCount).hasValue(0);
    }

    @Test
    void closingEndsItWhileItIsUsed() throws Exception {
        device.deferWhere =
                request -> request.offsetBytes() == 0 && request.kind().equals("read");
        FuseDirectory mounted = mount();
        int fd = Posix.open(mounted.disk(), Posix.O_RDONLY, 0);
        try (Arena arena = Arena.ofShared()) {
            MemorySegment buffer = arena.allocate(10);
            Thread reader = Thread.ofPlatform().start(() -> {
                try {
                    Posix.pread(fd, buffer, 0, 10, 0);
                } catch (IOException e) {
                    mode = "failed";
                }
            });
            device.waiting.take();
            mounted.close();
            reader.join();
            assertThat(mode).isEqualTo("failed");
            assertThat(mounted.isAlive()).isFalse();
            assertThatThrownBy(() -> Posix.pread(fd, buffer, 0, 10, 4096)).isInstanceOf(PosixException.class);
        } finally {
            closeAfterTheEnd(fd);
        }
        assertThat(device.openSessionCount).hasValue(0);
    }

    /** The kernel asks the server about a close: there is none any more, but the file is closed. */
    private static void closeAfterTheEnd(int fd) {
        assertThatThrownBy(() -> Posix.close(fd)).isInstanceOf(PosixException.class);
    }

    @Test
    void aDetachedMountThatIsUsedEndsWithItsServer() throws Exception {
        FuseDirectory mounted = mount();
        int fd = Posix.open(mounted.disk(), Posix.O_RDONLY, 0);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment buffer = arena.allocate(10);
            Mounts.unmount(directory, Mounts.MNT_DETACH);
            assertThat(Posix.pread(fd, buffer, 0, 10, 0)).isEqualTo(10);
            assertThat(mounted.isAlive()).isFalse();
            mounted.close();
            assertThatThrownBy(() -> Posix.pread(fd, buffer, 0, 10, 0)).isInstanceOf(PosixException.class);
        } finally {
            closeAfterTheEnd(fd);
        }
        assertThat(device.openSessionCount).hasValue(0);
    }

    @Test
    void anotherServerTakesTheMountOver() throws Exception {
        device.memory.fill((byte) 5);
        FuseDirectory first = mount();
        FileChannel disk = FileChannel.open(first.disk(), StandardOpenOption.READ);
        int fd = first.leave().orElseThrow();
        assertThat(first.isAlive()).isFalse();
        ByteBuffer read = ByteBuffer.allocate(10);
        Thread reader = Thread.ofPlatform().start(() -> {
            try {
                disk.read(read, 100);
            } catch (IOException e) {
                mode = "failed";
            }
        });
        try (FuseDirectory second = FuseDirectory.resume(fd, device, directory, files, traffic)) {
            reader.join();
            disk.close();
            assertThat(read.get(9)).isEqualTo((byte) 5);
            assertThat(second.isAlive()).isTrue();
            assertThat(shell("cat mode")).isEqualTo("writeback\n");
        }
        assertThat(mode).isEqualTo("writeback");
        assertThat(device.openSessionCount).hasValue(0);
    }

    @Test
    void twoAreNotMountedOnOneDirectory() throws Exception {
        try (FuseDirectory mounted = mount()) {
            assertThatThrownBy(() -> FuseDirectory.mount(device, directory, files, traffic))
                    .isInstanceOf(FuseUnavailableException.class)
                    .hasMessageContaining(" is mounted already");
            assertThat(mounted.isAlive()).isTrue();
        }
    }

    @Test
    void whatCantBeMountedIsSaidInALine() throws Exception {
        Path missing = directory.resolve("missing");
        assertThatThrownBy(() -> FuseDirectory.mount(device, missing, files, traffic))
                .isInstanceOf(FuseUnavailableException.class)
                .hasMessage(
                        "cannot mount on " + directory.toRealPath().resolve("missing") + ": No such file or directory");
        assertThat(device.openSessionCount).hasValue(0);
        RamDevice full = new RamDevice("full", device.memory, 4096, false, 1, 8);
        assertThatThrownBy(() -> FuseDirectory.mount(full, directory, files, traffic))
                .isInstanceOf(TooManySessionsException.class);
        assertThat(full.openSessionCount).hasValue(0);
    }
}
