package ramback.memory;

/**
 * Where things lie in the shared segment. All sizes in bytes.
 *
 * <pre>
 *   0        4096                                                                                      (page aligned)
 *   +--------+----+----+----+----+----+----+----+---------------+---------+-----------+----------+----------------------+
 *   | header | L  | D0 | D1 | H  | V  | Z  | N  | sD0 sD1 sH sN |    G    |   redo    | staging  | data (2 MiB aligned) |
 *   +--------+----+----+----+----+----+----+----+---------------+---------+-----------+----------+----------------------+
 *            seven planes, one bit a chunk      one bit         one bit   two slots   one area   the device, byte for
 *            (of L: one for many)               a word          a granule a session   a session  byte, in whole chunks
 * </pre>
 *
 * <p>L has {@link #LOCK_WORD_COUNT_MAX} words at most, and in a device that has more each of them locks every so many-th: so few chunks
 * are locked at any moment that a plane of their own would be empty, and 32 MiB a TiB.
 *
 * @param sizeBytes the device's size, at least 1
 * @param chunkBytes a power of two, 4 KiB to 1 MiB
 * @param sessionCountMax how many sessions have a staging area, 1 to 4,096
 */
public record SegmentLayout(long sizeBytes, int chunkBytes, int sessionCountMax) {

    /** The version of the layout; memory of another one is not taken over. */
    public static final int VERSION = 5;
    /** The smallest chunk. */
    public static final int CHUNK_BYTES_MIN = 4 << 10;
    /** The largest chunk. */
    public static final int CHUNK_BYTES_MAX = 1 << 20;
    /** Sparse memory is taken and given back in granules of this size. */
    public static final int GRANULE_BYTES = 2 << 20;
    /** The longest run that is stored at once, unless a single chunk is longer. */
    public static final int RUN_BYTES = 64 << 10;
    /** The largest device: 2^44 bytes, what x86-64 can map comfortably beside everything else. */
    public static final long SIZE_BYTES_MAX = 1L << 44;
    /** How many planes of one bit a chunk there are: L, D0, D1, H, V, Z, N. */
    public static final int PLANE_COUNT = 7;
    /** The plane L, which is shorter than the others. */
    private static final int LOCK_PLANE = 0;
    /**
     * How many words the plane L has at most; a power of two. Chunks of one run or granule never share a lock, and locks are taken in
     * ascending order but where the words begin anew: a circle of threads that wait for each other would need one at each of its words.
     */
    public static final long LOCK_WORD_COUNT_MAX = 1 << 15;
    /** How many planes have a summary of one bit a word: D0, D1, H, N. */
    public static final int SUMMARY_COUNT = 4;

    /** How many redo slots a session has: one for each thread that stores. */
    public static final int REDO_SLOTS_PER_SESSION = 2;
    /** Length of a redo slot; see {@link RedoSlot}. */
    static final int REDO_SLOT_BYTES = 64;

    private static final long PAGE_BYTES = 4096;
    private static final int STAGING_BYTES_MIN = 128 << 10;

    /** Checks the ranges; a violation is a programmer's error, the command line has its own checks. */
    public SegmentLayout {
        if (sizeBytes < 1 || sizeBytes > SIZE_BYTES_MAX) {
            throw new IllegalArgumentException("device size " + sizeBytes + " is not within 1 to " + SIZE_BYTES_MAX);
        }
        if (Integer.bitCount(chunkBytes) != 1 || chunkBytes < CHUNK_BYTES_MIN || chunkBytes > CHUNK_BYTES_MAX) {
            throw new IllegalArgumentException("chunk size " + chunkBytes + " is not a power of two of 4 KiB to 1 MiB");
        }
        if (sessionCountMax < 1 || sessionCountMax > 4096) {
            throw new IllegalArgumentException("session count " + sessionCountMax + " is not within 1 to 4096");
        }
    }

    /** log2 of the chunk size. */
    public int chunkShift() {
        return Integer.numberOfTrailingZeros(chunkBytes);
    }

    /** How many chunks the device has; the last one may be shorter than the others. */
    public long chunkCount() {
        return (sizeBytes + chunkBytes - 1) >>> chunkShift();
    }

    /** How many words of 64 chunks a plane has. */
    public long wordCount() {
        return (chunkCount() + 63) >>> 6;
    }

    /** In which word of the plane L the chunks of a word are locked. */
    public static long lockWord(long word) {
        return word & (LOCK_WORD_COUNT_MAX - 1);
    }

    /** How many words the plane L has. */
    public long lockWordCount() {
        return Math.min(wordCount(), LOCK_WORD_COUNT_MAX);
    }

    /** Length of this plane. */
    public long planeBytes(int plane) {
        return plane == LOCK_PLANE ? pages(lockWordCount() * Long.BYTES) : planeBytes();
    }

    /** Length of a plane that has a bit for each chunk: of all but L. */
    public long planeBytes() {
        return pages(wordCount() * Long.BYTES);
    }

    /** Length of a summary. */
    public long summaryBytes() {
        return pages(((wordCount() + 63) >>> 6) * Long.BYTES);
    }

    /** How many granules the data has. */
    public long granuleCount() {
        return (dataBytes() + GRANULE_BYTES - 1) / GRANULE_BYTES;
    }

    /** Where a plane begins; planes are numbered in the order of the drawing. */
    public long planeOffset(int plane) {
        return PAGE_BYTES + (plane == LOCK_PLANE ? 0 : planeBytes(LOCK_PLANE) + (plane - 1) * planeBytes());
    }

    /** Where a summary begins; 0: of D0, 1: of D1, 2: of H, 3: of N. */
    public long summaryOffset(int summary) {
        return planeOffset(PLANE_COUNT) + summary * summaryBytes();
    }

    /** Where the plane of allocated granules begins. */
    public long granulesOffset() {
        return summaryOffset(SUMMARY_COUNT);
    }

    /** Length of the plane of allocated granules. */
    public long granulesBytes() {
        return pages(((granuleCount() + 63) >>> 6) * Long.BYTES);
    }

    /** Where the redo slots begin. */
    public long redoOffset() {
        return granulesOffset() + granulesBytes();
    }

    /** How many redo slots there are. */
    public int redoSlotCount() {
        return mendingSlot() + 1;
    }

    /** The slot of who mends chunks: behind those of the sessions. */
    public int mendingSlot() {
        return mendingArea() * REDO_SLOTS_PER_SESSION;
    }

    /** Its staging area, likewise. */
    public int mendingArea() {
        return sessionCountMax;
    }

    /** Length of all redo slots. */
    public long redoBytes() {
        return pages((long) redoSlotCount() * REDO_SLOT_BYTES);
    }

    /** Where the staging areas begin. */
    public long stagingOffset() {
        return redoOffset() + redoBytes();
    }

    /** Length of one session's receive buffer, in which a longest run always finds room. */
    public int stagingBytes() {
        return Math.max(STAGING_BYTES_MIN, chunkBytes + RUN_BYTES);
    }

    /** Length of the longest run that is stored at once. */
    public int runBytesMax() {
        return Math.max(RUN_BYTES, chunkBytes);
    }

    /** Length of one session's staging area: its receive buffer, and room for a run that is stored from elsewhere. */
    public int sessionBytes() {
        return stagingBytes() + runBytesMax();
    }

    /** Where the device's data begins. */
    public long dataOffset() {
        long end = stagingOffset() + (long) (mendingArea() + 1) * sessionBytes();
        return (end + GRANULE_BYTES - 1) / GRANULE_BYTES * GRANULE_BYTES;
    }

    /** Length of the data: the device in whole chunks. */
    public long dataBytes() {
        return chunkCount() << chunkShift();
    }

    /** Length of the whole segment. */
    public long segmentBytes() {
        return dataOffset() + dataBytes();
    }

    /** What a reserved segment takes from memory at most: everything but the staging areas of clients not there. */
    public long reservedBytes() {
        return stagingOffset() + dataBytes();
    }

    private static long pages(long bytes) {
        return (bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
    }
}
