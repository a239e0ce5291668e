package ramback.image;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import org.jspecify.annotations.Nullable;

/**
 * How many chunks of each region of a large device are in RAM, and how many of those read as zeroes: the planes V and Z have no summary,
 * since nobody searches them, and a picture of a tebibyte must not read 64 MiB of them. Kept as the bits change, which each does a few
 * times in its life: what a bit costs when it does not change is one look at a field.
 *
 * <p>Not in the segment: whoever takes memory over goes through all of its words anyway. Safe for use by many threads; a count may be
 * late by what is being changed.
 */
final class RegionCounts {

    /** As many regions at most, so that all counts together take 128 KiB; a smaller device is counted word by word. */
    static final int REGION_COUNT_MAX = 1 << 14;

    private static final VarHandle CELL = MethodHandles.arrayElementVarHandle(int[].class);

    private final int wordShift;
    private final int[] loaded;
    private final int[] zero;

    private RegionCounts(int wordShift, int regionCount) {
        this.wordShift = wordShift;
        this.loaded = new int[regionCount];
        this.zero = new int[regionCount];
    }

    /** The counts of an empty table, or null if it has so few words that they can be looked at themselves. */
    static @Nullable RegionCounts of(long wordCount, int regionCountMax) {
        if (wordCount <= regionCountMax) {
            return null;
        }
        int wordShift = 64 - Long.numberOfLeadingZeros((wordCount - 1) / regionCountMax);
        return new RegionCounts(wordShift, (int) (((wordCount - 1) >>> wordShift) + 1));
    }

    /** How many regions there are. */
    int regionCount() {
        return loaded.length;
    }

    /** How many chunks a region has; the last one may have fewer. */
    long chunksPerRegion() {
        return 64L << wordShift;
    }

    /** Chunks of a region that are in RAM. Opaque: of one moment, and nothing is concluded from it. */
    long loaded(int region) {
        return (int) CELL.getOpaque(loaded, region);
    }

    /** Chunks of a region that are in RAM and read as zeroes; likewise. */
    long zero(int region) {
        return (int) CELL.getOpaque(zero, region);
    }

    void addLoaded(long word, int chunkCount) {
        add(loaded, word, chunkCount);
    }

    void addZero(long word, int chunkCount) {
        add(zero, word, chunkCount);
    }

    private void add(int[] counts, long word, int chunkCount) {
        if (chunkCount != 0) {
            CELL.getAndAdd(counts, (int) (word >>> wordShift), chunkCount);
        }
    }

    /** Forgets everything; while nobody else uses the table. */
    void clear() {
        for (int region = 0; region < loaded.length; region++) {
            CELL.setVolatile(loaded, region, 0);
            CELL.setVolatile(zero, region, 0);
        }
    }
}
