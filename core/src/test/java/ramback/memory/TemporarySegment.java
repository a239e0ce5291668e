package ramback.memory;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** A segment in a directory of its own on tmpfs; both are gone after {@link #close()}. */
public final class TemporarySegment implements AutoCloseable {
    private final Path directory;
    private final SharedSegment segment;

    public TemporarySegment(long sizeBytes, int chunkBytes, int sessionCountMax, boolean sparse) {
        try {
            directory = Files.createTempDirectory(Path.of("/dev/shm"), "ramback-memory-test");
            segment = SharedSegment.create(
                    directory.resolve("segment"),
                    new SegmentLayout(sizeBytes, chunkBytes, sessionCountMax),
                    sparse,
                    new ImageIdentity(7, 8));
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    public SharedSegment segment() {
        return segment;
    }

    @Override
    public void close() {
        try {
            segment.close();
            Files.delete(directory);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }
}
