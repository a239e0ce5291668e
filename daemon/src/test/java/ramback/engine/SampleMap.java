package ramback.engine;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import ramback.image.ChunkMap;
import ramback.image.ChunkTable;
import ramback.memory.ImageIdentity;
import ramback.memory.SegmentLayout;
import ramback.memory.SharedSegment;

/** Pictures of a device of 100 chunks, for tests. */
public final class SampleMap {

    private static final int CHUNK_BYTES = 4096;

    private SampleMap() {}

    /**
     * A device with some of everything, in at most so many cells.
     *
     * @param dirtyChunk the only one that the image lacks
     */
    public static DeviceMap of(int cellCountMax, int dirtyChunk) {
        try {
            Path directory = Files.createTempDirectory(Path.of("/dev/shm"), "ramback-map-test");
            SegmentLayout layout = new SegmentLayout(100 * CHUNK_BYTES, CHUNK_BYTES, 1);
            try (SharedSegment segment =
                    SharedSegment.create(directory.resolve("segment"), layout, true, new ImageIdentity(1, 2))) {
                ChunkTable table = new ChunkTable(segment);
                table.markZero(0, 0xf0);
                table.publishLoaded(0, 0xffff_ffffL);
                table.markDirty(0, dirtyChunk / 64, 1L << dirtyChunk);
                DeviceMap map = new DeviceMap(ChunkMap.of(table, cellCountMax), CHUNK_BYTES);
                map.noteInFlight(10 * CHUNK_BYTES, 2 * CHUNK_BYTES);
                return map;
            } finally {
                Files.delete(directory);
            }
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }
}
