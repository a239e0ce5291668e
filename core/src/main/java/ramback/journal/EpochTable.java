package ramback.journal;

import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import java.lang.foreign.MemorySegment;
import java.time.Instant;

/**
 * The committed epochs of a log, oldest first, 32 bytes each. An epoch takes a block of the ring at the least, so that a table is at
 * most a 128th of it; one of 16 GiB that is full of single chunks of 4 KiB has 1.4 million, in 43 MiB.
 *
 * <pre>
 *    0  8  epoch
 *    8  8  position behind its commit record
 *   16  8  when it was committed: seconds since 1970
 *   24  4  and nanoseconds
 *   28  4  how many extents of the index belong to it and the epochs before it
 * </pre>
 */
final class EpochTable implements AutoCloseable {
    static final int ROW_BYTES = 32;

    private final RowTable rows = new RowTable(ROW_BYTES);

    /** How many epochs there are. */
    int count() {
        return rows.count();
    }

    /** Adds an epoch that is newer than all others. */
    void add(Commit commit, long endPosition, int extentCount) {
        Instant time = commit.time();
        int row = rows.add();
        MemorySegment slab = rows.slab(row);
        long at = rows.at(row);
        slab.set(JAVA_LONG_UNALIGNED, at, commit.epoch());
        slab.set(JAVA_LONG_UNALIGNED, at + 8, endPosition);
        slab.set(JAVA_LONG_UNALIGNED, at + 16, time.getEpochSecond());
        slab.set(JAVA_INT_UNALIGNED, at + 24, time.getNano());
        slab.set(JAVA_INT_UNALIGNED, at + 28, extentCount);
    }

    /** Where an epoch is; -1 if it is not among them. */
    int find(long epoch) {
        for (int row = 0; row < count(); row++) {
            if (epoch(row) == epoch) {
                return row;
            }
        }
        return -1;
    }

    /** The last one that is not newer than an epoch; -1 if there is none. */
    int lastUpTo(long epoch) {
        int row = count() - 1;
        while (row >= 0 && epoch(row) > epoch) {
            row--;
        }
        return row;
    }

    long epoch(int row) {
        return rows.slab(row).get(JAVA_LONG_UNALIGNED, rows.at(row));
    }

    long endPosition(int row) {
        return rows.slab(row).get(JAVA_LONG_UNALIGNED, rows.at(row) + 8);
    }

    Instant time(int row) {
        MemorySegment slab = rows.slab(row);
        return Instant.ofEpochSecond(
                slab.get(JAVA_LONG_UNALIGNED, rows.at(row) + 16), slab.get(JAVA_INT_UNALIGNED, rows.at(row) + 24));
    }

    int extentCount(int row) {
        return rows.slab(row).get(JAVA_INT_UNALIGNED, rows.at(row) + 28);
    }

    /** Gives the memory back. */
    @Override
    public void close() {
        rows.close();
    }
}
