package ramback.journal;

import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import java.lang.foreign.MemorySegment;

/**
 * The extents of a log in its order, 24 bytes each, as many as they take in its descriptors: which chunks, and where their bytes are.
 * A ring of 16 GiB has at most 4.2 million extents of data, in 96 MiB; extents of zeroes, which take nothing but their 24 bytes of
 * the ring, can be more.
 *
 * <pre>
 *    0  8  first chunk
 *    8  8  position of the bytes in the ring; -1: zeroes
 *   16  4  how many chunks, less one
 *   20  4  CRC-32C of the bytes
 * </pre>
 */
final class VersionIndex implements AutoCloseable {
    static final int ENTRY_BYTES = 24;

    private static final long ZEROES = -1;

    private final RowTable rows = new RowTable(ENTRY_BYTES);

    /** How many extents there are. */
    int count() {
        return rows.count();
    }

    /** Forgets all extents from one on. */
    void truncate(int toCount) {
        rows.truncate(toCount);
    }

    /** Adds an extent of data. */
    void addData(long firstChunk, long chunkCount, long position, int checksum) {
        add(firstChunk, chunkCount, position, checksum);
    }

    /** Adds an extent of zeroes. */
    void addZeroes(long firstChunk, long chunkCount) {
        add(firstChunk, chunkCount, ZEROES, 0);
    }

    private void add(long firstChunk, long chunkCount, long position, int checksum) {
        int extent = rows.add();
        MemorySegment slab = rows.slab(extent);
        long at = rows.at(extent);
        slab.set(JAVA_LONG_UNALIGNED, at, firstChunk);
        slab.set(JAVA_LONG_UNALIGNED, at + 8, position);
        // At most 2^32 chunks: less one they fit.
        slab.set(JAVA_INT_UNALIGNED, at + 16, (int) (chunkCount - 1));
        slab.set(JAVA_INT_UNALIGNED, at + 20, checksum);
    }

    long firstChunk(int extent) {
        return rows.slab(extent).get(JAVA_LONG_UNALIGNED, rows.at(extent));
    }

    long chunkCount(int extent) {
        return Integer.toUnsignedLong(rows.slab(extent).get(JAVA_INT_UNALIGNED, rows.at(extent) + 16)) + 1;
    }

    boolean isZero(int extent) {
        return position(extent) == ZEROES;
    }

    long position(int extent) {
        return rows.slab(extent).get(JAVA_LONG_UNALIGNED, rows.at(extent) + 8);
    }

    int checksum(int extent) {
        return rows.slab(extent).get(JAVA_INT_UNALIGNED, rows.at(extent) + 20);
    }

    /** Gives the memory back. */
    @Override
    public void close() {
        rows.close();
    }
}
