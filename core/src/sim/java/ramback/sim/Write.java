package ramback.sim;

import java.util.Arrays;

/**
 * A write to a simulated disk, cut at page boundaries. Pages are never changed once somebody may have seen them, so that
 * disks, recordings and crash images share them.
 */
final class Write {

    static final int PAGE_BYTES = 4096;
    static final int SECTOR_BYTES = 512;
    static final int SECTORS_PER_PAGE = PAGE_BYTES / SECTOR_BYTES;
    private static final byte[] ZEROES = new byte[PAGE_BYTES];

    final int number;
    final int disk;
    final long offsetBytes;
    final long lengthBytes;
    /** The bytes of each page from the first on, zeroes outside the write; null for zeroes. */
    private final byte[][] pages;

    /** Whether the call has returned, so that a sync that begins now covers it. */
    boolean isDone;

    Write(int number, int disk, long offsetBytes, long lengthBytes, byte[][] pages) {
        this.number = number;
        this.disk = disk;
        this.offsetBytes = offsetBytes;
        this.lengthBytes = lengthBytes;
        this.pages = pages;
    }

    /** The first page it touches. */
    int firstPage() {
        return (int) (offsetBytes / PAGE_BYTES);
    }

    /** The last page it touches. */
    int lastPage() {
        return (int) ((offsetBytes + lengthBytes - 1) / PAGE_BYTES);
    }

    /** How many sectors it touches. */
    int sectorCount() {
        return (int) ((offsetBytes + lengthBytes - 1) / SECTOR_BYTES - offsetBytes / SECTOR_BYTES) + 1;
    }

    /** Puts all of it into these pages. */
    void applyTo(byte[][] target) {
        for (int page = firstPage(); page <= lastPage(); page++) {
            applyPage(target, page, page);
        }
    }

    /** Puts it into pages further on than it was meant for. */
    void applyMisdirected(byte[][] target, int pagesFurther) {
        for (int page = firstPage(); page <= lastPage(); page++) {
            applyPage(target, page, (page + pagesFurther) % target.length);
        }
    }

    private void applyPage(byte[][] target, int page, int to) {
        int from = (int) Math.max(0, offsetBytes - (long) page * PAGE_BYTES);
        int end = (int) Math.min(PAGE_BYTES, offsetBytes + lengthBytes - (long) page * PAGE_BYTES);
        byte[] bytes = pages[page - firstPage()];
        if (from == 0 && end == PAGE_BYTES) {
            target[to] = bytes;
        } else {
            target[to] = merged(target[to], bytes, from, end);
        }
    }

    private static byte[] merged(byte[] under, byte[] over, int from, int end) {
        byte[] result = under == null ? new byte[PAGE_BYTES] : under.clone();
        System.arraycopy(over == null ? ZEROES : over, from, result, from, end - from);
        return result;
    }

    /** Puts some of its sectors into these pages: those from the first on for which the bits say so, in turn. */
    void applyTorn(byte[][] target, long bits) {
        long firstSector = offsetBytes / SECTOR_BYTES;
        for (int i = 0; i < sectorCount(); i++) {
            if ((bits >>> (i & 63) & 1) == 0) {
                continue;
            }
            long begin = Math.max(offsetBytes, (firstSector + i) * SECTOR_BYTES);
            long end = Math.min(offsetBytes + lengthBytes, (firstSector + i + 1) * SECTOR_BYTES);
            int page = (int) (begin / PAGE_BYTES);
            int from = (int) (begin % PAGE_BYTES);
            target[page] = merged(target[page], pages[page - firstPage()], from, from + (int) (end - begin));
        }
    }

    /** Puts its first sectors into these pages. */
    void applyPrefix(byte[][] target, int sectors) {
        long end = Math.min(offsetBytes + lengthBytes, (offsetBytes / SECTOR_BYTES + sectors) * SECTOR_BYTES);
        for (int page = firstPage(); page <= lastPage() && (long) page * PAGE_BYTES < end; page++) {
            int from = (int) Math.max(0, offsetBytes - (long) page * PAGE_BYTES);
            int to = (int) Math.min(PAGE_BYTES, end - (long) page * PAGE_BYTES);
            target[page] = merged(target[page], pages[page - firstPage()], from, to);
        }
    }

    @Override
    public String toString() {
        return "write " + number + " of " + lengthBytes + " at " + offsetBytes + " of disk " + disk;
    }

    /** Whether a page holds nothing but zeroes. */
    static boolean isZero(byte[] page) {
        return page == null || Arrays.equals(page, ZEROES);
    }

    /** Whether two pages hold the same. */
    @SuppressWarnings("ReferenceEquality") // most pages are shared, and need no look at their bytes
    static boolean areEqual(byte[] one, byte[] other) {
        return one == other || Arrays.equals(one == null ? ZEROES : one, other == null ? ZEROES : other);
    }
}
