package ramback.memory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.Objects;
import java.util.UUID;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import ramback.memory.SharedSegment.Leftover;
import ramback.memory.SharedSegment.LeftoverReport;
import ramback.posix.Posix;

class SharedSegmentTest {
    private static final ImageIdentity IMAGE = new ImageIdentity(1, 2);
    private static final SegmentLayout SMALL = new SegmentLayout(100_000, 4096, 2);

    private Path directory;
    private Path path;

    @BeforeEach
    void makeDirectory() throws IOException {
        directory = Files.createTempDirectory(Path.of("/dev/shm"), "ramback-memory-test");
        path = directory.resolve("segment");
    }

    @AfterEach
    void removeDirectory() throws IOException {
        Files.deleteIfExists(path);
        Files.delete(directory);
    }

    private static void setBit(SharedSegment segment, int plane, long chunk) {
        long at = chunk >>> 6 << 3;
        long bits = segment.plane(plane).get(ValueLayout.JAVA_LONG, at);
        segment.plane(plane).set(ValueLayout.JAVA_LONG, at, bits | 1L << chunk);
    }

    @Test
    void aSegmentIsAllZeroItsOwnersAloneAndGoneAfterwards() throws IOException {
        SharedSegment segment = SharedSegment.create(path, SMALL, false, IMAGE);
        assertThat(Files.getPosixFilePermissions(path)).isEqualTo(PosixFilePermissions.fromString("rw-------"));
        assertThat(Files.size(path)).isEqualTo(SMALL.segmentBytes());
        assertThat(segment.data().byteSize()).isEqualTo(102_400);
        assertThat(segment.data().toArray(ValueLayout.JAVA_BYTE)).isEqualTo(new byte[102_400]);
        for (int plane = 0; plane < SegmentLayout.PLANE_COUNT; plane++) {
            assertThat(segment.plane(plane).toArray(ValueLayout.JAVA_BYTE)).containsOnly(0);
        }
        assertThat(segment.staging(1).byteSize()).isEqualTo(SMALL.stagingBytes());
        segment.populate(0, 100_000);
        segment.populate(5000, 1);
        segment.close();
        assertThat(path).doesNotExist();
    }

    /** The kernel's word on the parts of the mapping: which of them are locked, each as "begin-end lo" or "begin-end". */
    private String lockedParts() throws IOException {
        StringBuilder parts = new StringBuilder();
        boolean isOurs = false;
        for (String line : Files.readAllLines(Path.of("/proc/self/smaps"))) {
            if (line.matches("[0-9a-f]+-[0-9a-f]+ .*")) {
                isOurs = line.endsWith(path.toString());
            } else if (isOurs && line.startsWith("VmFlags:")) {
                parts.append(line.contains(" lo") ? "locked " : "free ");
            }
        }
        return parts.toString();
    }

    @Test
    void whatCanNotBeSwappedOutIsWhatTheSegmentSays() throws IOException {
        for (boolean sparse : new boolean[] {false, true}) {
            try (SharedSegment segment = SharedSegment.create(path, SMALL, sparse, IMAGE)) {
                switch (segment.lock()) {
                    case ALL -> assertThat(lockedParts()).matches("(locked )+");
                    case STATES -> assertThat(lockedParts()).isEqualTo("locked free ");
                    case NONE -> assertThat(lockedParts()).isEqualTo("free ");
                }
                assertThat(segment.lock() == MemoryLock.ALL && sparse)
                        .as("a sparse device's data is never locked")
                        .isFalse();
                assertThat(segment.lock())
                        .as("the least that any system lets a process lock is 64 KiB")
                        .isNotEqualTo(MemoryLock.NONE);
            }
        }
    }

    @Test
    void aStagingAreasMemoryIsGivenBack() throws IOException {
        try (SharedSegment segment = SharedSegment.create(path, SMALL, false, IMAGE)) {
            long before = allocatedBytes();
            segment.staging(1).fill((byte) 1);
            assertThat(allocatedBytes()).isEqualTo(before + SMALL.sessionBytes());
            segment.releaseStaging(1);
            assertThat(allocatedBytes()).isEqualTo(before);
            assertThat(segment.staging(1).toArray(ValueLayout.JAVA_BYTE)).containsOnly(0);
        }
    }

    private long allocatedBytes() throws IOException {
        int fd = Posix.open(path, Posix.O_RDONLY, 0);
        try {
            return Posix.status(fd).allocatedBytes();
        } finally {
            Posix.close(fd);
        }
    }

    @Test
    void anExistingFileIsLeftAlone() throws IOException {
        Files.writeString(path, "somebody's");
        assertThatThrownBy(() -> SharedSegment.create(path, SMALL, false, IMAGE))
                .isInstanceOf(IOException.class);
        assertThat(path).hasContent("somebody's");
    }

    @Test
    void tooLittleMemoryIsRefusedWithNeedAndHaveAndLeavesNothing() {
        SegmentLayout huge = new SegmentLayout(1L << 42, 4096, 1);
        assertThatThrownBy(() -> SharedSegment.create(path, huge, false, IMAGE))
                .isInstanceOf(MemoryShortageException.class)
                .hasMessageContaining("need 4195")
                .hasMessageContaining("MiB")
                .hasMessageContaining("--ram sparse")
                .hasMessageNotContaining("\n");
        assertThat(path).doesNotExist();
    }

    @Test
    void aSparseDeviceMayBeLargerThanMemory() throws IOException {
        try (SharedSegment segment = SharedSegment.create(path, new SegmentLayout(1L << 40, 1 << 20, 1), true, IMAGE)) {
            assertThat(segment.granules()).isNotNull();
            assertThat(segment.data().byteSize()).isEqualTo(1L << 40);
        }
    }

    @Test
    void aDirectoryThatIsNotInMemoryIsRefused() throws IOException {
        Path elsewhere = Files.createTempDirectory(Path.of("target").toAbsolutePath(), "not-tmpfs");
        try {
            assertThatThrownBy(() -> SharedSegment.create(elsewhere.resolve("segment"), SMALL, false, IMAGE))
                    .isInstanceOf(IOException.class)
                    .hasMessageContaining("not on tmpfs");
            assertThat(elsewhere).isEmptyDirectory();
        } finally {
            Files.delete(elsewhere);
        }
    }

    @Test
    void nothingLeftIsNothing() throws IOException {
        assertThat(SharedSegment.inspect(path).leftover()).isEqualTo(Leftover.NONE);
    }

    @Test
    void aSegmentInUseIsSaidToBe() throws IOException {
        try (SharedSegment _ = SharedSegment.create(path, SMALL, false, IMAGE)) {
            assertThat(SharedSegment.inspect(path).leftover()).isEqualTo(Leftover.IN_USE);
        }
    }

    /** What a killed process leaves: the file without its lock. */
    private LeftoverReport inspectCopy(SharedSegment segment) throws IOException {
        Path copy = directory.resolve("copy");
        Files.copy(path, copy);
        try {
            assertThat(segment.path()).isEqualTo(path);
            return SharedSegment.inspect(copy);
        } finally {
            Files.delete(copy);
        }
    }

    @Test
    void whatIsNewerThanTheImageIsCountedIfItIsLoaded() throws IOException {
        for (int plane = 0; plane < 4; plane++) {
            try (SharedSegment segment = SharedSegment.create(path, SMALL, false, IMAGE)) {
                assertThat(inspectCopy(segment).leftover()).isEqualTo(Leftover.WHOLE);
                setBit(segment, plane, 3);
                // Without V it is nobody's data.
                assertThat(inspectCopy(segment).dirtyChunks()).isZero();
                setBit(segment, 4, 3);
                assertThat(inspectCopy(segment).dirtyChunks()).isEqualTo(1);
                setBit(segment, 4, 24);
                setBit(segment, plane, 5);
                setBit(segment, plane, 6);
                setBit(segment, plane, 8);
                setBit(segment, 4, 5);
                setBit(segment, 4, 6);
                setBit(segment, 4, 8);
                setBit(segment, 5, 5);
                setBit(segment, 5, 6);
                setBit(segment, 5, 8);
                LeftoverReport report = inspectCopy(segment);
                assertThat(report.loadedChunks()).isEqualTo(5);
                assertThat(report.dirtyChunks()).isEqualTo(4);
                assertThat(report.dirtyDataChunks()).isEqualTo(1);
                assertThat(report.dirtyZeroRuns()).isEqualTo(2);
            }
        }
    }

    @Test
    void aLeftSegmentSaysWhoseItIs() throws IOException {
        UUID device = UUID.randomUUID();
        try (SharedSegment segment = SharedSegment.create(path, SMALL, true, IMAGE)) {
            assertThat(inspectCopy(segment).generation()).isZero();
            segment.bind(device, -5);
            LeftoverReport report = inspectCopy(segment);
            assertThat(report.device()).isEqualTo(device);
            assertThat(report.generation()).isEqualTo(-5);
            assertThat(report.image()).isEqualTo(IMAGE);
            assertThat(report.layout()).isEqualTo(SMALL);
            assertThat(report.isSparse()).isTrue();
            assertThat(report.isOfThisBoot()).isTrue();
        }
    }

    @Test
    void aSegmentOfAnotherLayoutOrLengthIsUnreadable() throws IOException {
        try (SharedSegment segment = SharedSegment.create(path, SMALL, false, IMAGE)) {
            Path copy = Files.copy(path, directory.resolve("changed"));
            try {
                byte[] whole = Files.readAllBytes(copy);
                for (int at : new int[] {8, 12, 18}) { // layout version, chunk size, device size
                    byte[] other = whole.clone();
                    other[at] ^= 1;
                    Files.write(copy, other);
                    assertThat(SharedSegment.inspect(copy).leftover()).isEqualTo(Leftover.UNREADABLE);
                }
                Files.write(copy, Arrays.copyOf(whole, whole.length - 1));
                assertThat(SharedSegment.inspect(copy).leftover()).isEqualTo(Leftover.UNREADABLE);
                Files.write(copy, whole);
                assertThat(SharedSegment.inspect(copy).leftover()).isEqualTo(Leftover.WHOLE);
                byte[] otherBoot = whole.clone();
                otherBoot[50] ^= 1;
                Files.write(copy, otherBoot);
                assertThat(SharedSegment.inspect(copy).isOfThisBoot()).isFalse();
            } finally {
                Files.delete(copy);
            }
            assertThat(segment.path()).isEqualTo(path);
        }
    }

    @Test
    void aSegmentThatWasNeverFinishedIsNobodysData() throws IOException {
        for (byte[] content : new byte[][] {{}, new byte[10], new byte[4096], new byte[100_000]}) {
            Files.write(path, content);
            assertThat(SharedSegment.inspect(path).leftover()).isEqualTo(Leftover.UNFINISHED);
            assertThat(path).hasBinaryContent(content);
        }
    }

    @Test
    void whatOneLeavesTheNextTakesOver() throws IOException {
        SharedSegment first = SharedSegment.create(path, SMALL, true, IMAGE);
        assertThat(Objects.requireNonNull(first.granules()).take(0, 4096)).isTrue();
        first.data().set(ValueLayout.JAVA_BYTE, 7, (byte) 42);
        setBit(first, 4, 0);
        assertThatThrownBy(() -> SharedSegment.takeOver(path)).hasMessageContaining("locked by a live daemon");
        first.leave();
        try (SharedSegment second = SharedSegment.takeOver(path)) {
            assertThat(second.layout()).isEqualTo(SMALL);
            assertThat(second.data().get(ValueLayout.JAVA_BYTE, 7)).isEqualTo((byte) 42);
            assertThat(second.plane(4).get(ValueLayout.JAVA_BYTE, 0)).isEqualTo((byte) 1);
            assertThat(Objects.requireNonNull(second.granules()).holds(0, 4096)).isTrue();
        }
        assertThat(path).doesNotExist();
    }

    @Test
    void aRedoSlotHoldsWhatWasBeingStoredWhereverItsBytesLie() throws IOException {
        SharedSegment first = SharedSegment.create(path, SMALL, false, IMAGE);
        MemorySegment staging = first.staging(1);
        staging.asSlice(100, 3).copyFrom(MemorySegment.ofArray(new byte[] {1, 2, 3}));
        first.redoSlot(2).begin(5000, 3, staging, 100);
        MemorySegment elsewhere = MemorySegment.ofArray(new byte[] {9, 8, 7, 6});
        first.redoSlot(3).begin(6000, 2, elsewhere, 1);
        first.staging(0);
        first.redoSlot(0).begin(1, 2, null, 0);
        first.redoSlot(1).begin(1, 2, null, 0);
        first.redoSlot(1).end();
        first.leave();
        try (SharedSegment second = SharedSegment.takeOver(path)) {
            RedoSlot staged = second.redoSlot(2);
            assertThat(staged.isBegun()).isTrue();
            assertThat(staged.offsetBytes()).isEqualTo(5000);
            assertThat(Objects.requireNonNull(staged.bytes()).toArray(ValueLayout.JAVA_BYTE))
                    .containsExactly(1, 2, 3);
            RedoSlot parked = second.redoSlot(3);
            assertThat(Objects.requireNonNull(parked.bytes()).toArray(ValueLayout.JAVA_BYTE))
                    .containsExactly(8, 7);
            RedoSlot zeroes = second.redoSlot(0);
            assertThat(zeroes.isBegun()).isTrue();
            assertThat(zeroes.bytes()).isNull();
            assertThat(zeroes.lengthBytes()).isEqualTo(2);
            assertThat(second.redoSlot(1).isBegun()).isFalse();
        }
    }
}
