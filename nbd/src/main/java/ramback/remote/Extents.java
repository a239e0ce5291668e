package ramback.remote;

/**
 * What a server has told of where an export reads as zeroes ("Metadata querying"): consecutive extents, neighbours of one kind as one.
 * Bounded: what comes after {@link #COUNT_MAX} extents is left out, and asked for again when it is needed. For one thread at a time.
 */
final class Extents {

    static final int COUNT_MAX = 4096;

    private final long[] ends = new long[COUNT_MAX];
    private final boolean[] zeroes = new boolean[COUNT_MAX];
    private long beginBytes;
    private int count;
    private boolean full;

    /** Forgets all, and begins anew at an offset. */
    void begin(long offsetBytes) {
        beginBytes = offsetBytes;
        count = 0;
        full = false;
    }

    /** Adds the next extent. */
    void add(long lengthBytes, boolean zero) {
        if (full) {
            return;
        }
        long end = endBytes() + lengthBytes;
        if (count > 0 && zeroes[count - 1] == zero) {
            ends[count - 1] = end;
        } else if (count < COUNT_MAX) {
            ends[count] = end;
            zeroes[count++] = zero;
        } else {
            full = true;
        }
    }

    /** Where what is known ends; it begins where it was begun. */
    long endBytes() {
        return count == 0 ? beginBytes : ends[count - 1];
    }

    boolean covers(long offsetBytes) {
        return beginBytes <= offsetBytes && offsetBytes < endBytes();
    }

    /** The first offset from one that is covered on, of this kind; {@link #endBytes()} if none is known. */
    long next(long fromBytes, boolean zero) {
        int low = 0;
        int high = count - 1;
        while (low < high) {
            int middle = (low + high) >>> 1;
            if (ends[middle] > fromBytes) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        if (zeroes[low] == zero) {
            return fromBytes;
        }
        return ends[low]; // what follows is of the other kind, or unknown
    }
}
