package ramback.image;

import static ramback.image.ChunkTable.maskOf;

/**
 * A picture of the chunk table: the device from its first to its last chunk in so many cells, and of each cell how many of its chunks
 * are in RAM, read as zeroes, and are newer than the image. For people to look at: each bit was true at some moment while the picture
 * was taken, and nothing may be concluded from it.
 *
 * <p>It takes no lock and hinders nobody. What it costs does not grow with the device, only with what is dirty, and that up to a limit:
 * loaded and zero chunks are counted by region ({@link RegionCounts}), dirty words are found by the summaries, and of more than
 * {@link #WORD_COUNT_MAX} of them some stand for the others.
 */
public final class ChunkMap {

    /** The most cells a picture may have. */
    public static final int CELL_COUNT_MAX = 1 << 14;
    /** As many words with dirty chunks are looked at, each of which may be one that no cache has; of more, some stand for the others. */
    static final int WORD_COUNT_MAX = 1 << 14;

    private static final long CHUNKS_PER_SUMMARY = 64 * 64;

    private final long chunkCount;
    private final long chunksPerCell;
    private final long[] loaded;
    private final long[] zero;
    private final long[] dirty;

    private ChunkMap(long chunkCount, long chunksPerCell) {
        this.chunkCount = chunkCount;
        this.chunksPerCell = chunksPerCell;
        int cellCount = (int) ((chunkCount + chunksPerCell - 1) / chunksPerCell);
        loaded = new long[cellCount];
        zero = new long[cellCount];
        dirty = new long[cellCount];
    }

    /**
     * Takes a picture.
     *
     * @param cellCountMax how many cells it may have, 1 to {@link #CELL_COUNT_MAX}; it has fewer when the device has, or when cells of a
     *     large device must be whole regions
     */
    public static ChunkMap of(ChunkTable table, int cellCountMax) {
        return of(table, cellCountMax, WORD_COUNT_MAX);
    }

    /** As above, with a limit on the words that are looked at. */
    static ChunkMap of(ChunkTable table, int cellCountMax, long wordCountMax) {
        if (cellCountMax < 1 || cellCountMax > CELL_COUNT_MAX) {
            throw new IllegalArgumentException(cellCountMax + " cells are not within 1 to " + CELL_COUNT_MAX);
        }
        long chunkCount = table.chunkCount();
        RegionCounts regions = table.regions();
        long unit = regions == null ? 1 : regions.chunksPerRegion();
        long unitCount = (chunkCount + unit - 1) / unit;
        long unitsPerCell = (unitCount + cellCountMax - 1) / cellCountMax;
        ChunkMap map = new ChunkMap(chunkCount, unitsPerCell * unit);
        if (regions == null) {
            for (long word = 0; word < table.wordCount(); word++) {
                long present = table.glanceLoaded(word);
                map.add(map.loaded, word, present);
                map.add(map.zero, word, present & table.glanceZero(word));
            }
        } else {
            for (int region = 0; region < regions.regionCount(); region++) {
                int cell = (int) (region / unitsPerCell);
                map.loaded[cell] += regions.loaded(region);
                map.zero[cell] += regions.zero(region);
            }
        }
        map.addDirty(table, wordCountMax);
        return map;
    }

    private void addDirty(ChunkTable table, long wordCountMax) {
        long summaryCount = (table.wordCount() + 63) >>> 6;
        long found = 0;
        for (long index = 0; index < summaryCount; index++) {
            found += Long.bitCount(table.glanceSummaries(index));
        }
        if (found == 0) {
            return;
        }
        long step = (found + wordCountMax - 1) / wordCountMax;
        boolean isWithinCell = step > 1 && chunksPerCell % CHUNKS_PER_SUMMARY == 0;
        // A word that is passed over counts like the last one that was not, so that no cell looks clean for it.
        long passed = step;
        long seen = 0;
        for (long index = 0; index < summaryCount; index++) {
            long bits = table.glanceSummaries(index);
            if (isWithinCell && bits != 0) {
                passed += Long.bitCount(bits);
                if (passed >= step) {
                    passed %= step;
                    seen = Long.bitCount(table.glanceDirty((index << 6) + Long.numberOfTrailingZeros(bits)));
                }
                dirty[(int) (index * CHUNKS_PER_SUMMARY / chunksPerCell)] += seen * Long.bitCount(bits);
                continue;
            }
            for (; bits != 0; bits &= bits - 1) {
                long word = (index << 6) + Long.numberOfTrailingZeros(bits);
                if (++passed >= step) {
                    passed = 0;
                    seen = table.glanceDirty(word);
                }
                add(dirty, word, seen & table.existing(word));
            }
        }
    }

    private void add(long[] counts, long word, long bits) {
        long rest = bits;
        while (rest != 0) {
            long chunk = (word << 6) + Long.numberOfTrailingZeros(rest);
            long cell = chunk / chunksPerCell;
            long here = rest & maskOf(word, chunk, (cell + 1) * chunksPerCell - 1);
            counts[(int) cell] += Long.bitCount(here);
            rest &= ~here;
        }
    }

    /** How many chunks the device has. */
    public long chunkCount() {
        return chunkCount;
    }

    /** How many cells there are. */
    public int cellCount() {
        return loaded.length;
    }

    /** How many chunks a cell stands for; the last one may stand for fewer. */
    public long chunksPerCell() {
        return chunksPerCell;
    }

    /** How many chunks this cell stands for. */
    public long chunkCount(int cell) {
        return Math.min(chunksPerCell, chunkCount - cell * chunksPerCell);
    }

    /** Chunks of a cell that are in RAM, 0 to all of them. */
    public long loaded(int cell) {
        return Math.clamp(loaded[cell], 0, chunkCount(cell));
    }

    /** Chunks of a cell that are in RAM and read as zeroes, 0 to all of them. */
    public long zero(int cell) {
        return Math.clamp(zero[cell], 0, chunkCount(cell));
    }

    /** Chunks of a cell that are newer than the image, 0 to all of them; an estimate when very much is dirty. */
    public long dirty(int cell) {
        return Math.clamp(dirty[cell], 0, chunkCount(cell));
    }
}
