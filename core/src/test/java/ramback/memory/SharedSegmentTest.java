package ramback.memory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import ramback.memory.SharedSegment.Leftover;
import ramback.memory.SharedSegment.LeftoverReport;

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
        assertThat(SharedSegment.inspect(path)).isEqualTo(new LeftoverReport(Leftover.NONE, 0, 0));
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
    void aLeftSegmentIsDirtyWhenAnyLoadedChunkIsNewerThanTheImage() throws IOException {
        for (int plane = 0; plane < 4; plane++) {
            try (SharedSegment segment = SharedSegment.create(path, SMALL, false, IMAGE)) {
                assertThat(inspectCopy(segment).leftover()).isEqualTo(Leftover.CLEAN);
                setBit(segment, plane, 3);
                // Without V it is nobody's data.
                assertThat(inspectCopy(segment).leftover()).isEqualTo(Leftover.CLEAN);
                setBit(segment, 4, 3);
                assertThat(inspectCopy(segment)).isEqualTo(new LeftoverReport(Leftover.DIRTY, 1, 4096));
                setBit(segment, 4, 24);
                assertThat(inspectCopy(segment).dirtyChunks()).isEqualTo(1);
            }
        }
    }

    @Test
    void aSegmentThatWasNeverFinishedIsNobodysData() throws IOException {
        for (byte[] content : new byte[][] {{}, new byte[10], new byte[4096], new byte[100_000]}) {
            Files.write(path, content);
            assertThat(SharedSegment.inspect(path).leftover()).isEqualTo(Leftover.CLEAN);
            assertThat(path).hasBinaryContent(content);
        }
    }
}
