package ramback.engine;

import java.util.BitSet;
import ramback.image.ChunkMap;

/**
 * A picture of all chunks of a device at about one moment, from its first to its last in so many cells. Made by one thread, and not
 * changed any more when {@link Engine#map} has returned it.
 */
public final class DeviceMap {

    /** The most cells a picture may have. */
    public static final int CELL_COUNT_MAX = ChunkMap.CELL_COUNT_MAX;

    private final ChunkMap chunks;
    private final int chunkBytes;
    private final BitSet inFlight = new BitSet();

    DeviceMap(ChunkMap chunks, int chunkBytes) {
        this.chunks = chunks;
        this.chunkBytes = chunkBytes;
    }

    /** Notes that a range is on its way between RAM and the image. */
    void noteInFlight(long offsetBytes, long lengthBytes) {
        long cellBytes = chunks.chunksPerCell() * chunkBytes;
        long last = Math.min((offsetBytes + Math.max(1, lengthBytes) - 1) / cellBytes, cellCount() - 1L);
        long first = offsetBytes / cellBytes;
        if (first <= last) {
            inFlight.set((int) first, (int) last + 1);
        }
    }

    /** How many cells there are. */
    public int cellCount() {
        return chunks.cellCount();
    }

    /** How many chunks the device has. */
    public long chunkCount() {
        return chunks.chunkCount();
    }

    /** How many chunks a cell stands for; the last one may stand for fewer. */
    public long chunksPerCell() {
        return chunks.chunksPerCell();
    }

    /** How many chunks this cell stands for. */
    public long chunkCount(int cell) {
        return chunks.chunkCount(cell);
    }

    /** Chunks of a cell that are in RAM. */
    public long loaded(int cell) {
        return chunks.loaded(cell);
    }

    /** Chunks of a cell that are in RAM, and hold nothing: they read as zeroes. */
    public long zero(int cell) {
        return chunks.zero(cell);
    }

    /** Chunks of a cell whose newest content is not yet durable in the image. */
    public long dirty(int cell) {
        return chunks.dirty(cell);
    }

    /** Whether some of a cell is being loaded or written to the image. */
    public boolean isInFlight(int cell) {
        return inFlight.get(cell);
    }
}
