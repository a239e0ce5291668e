package ramback.memory;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;

/**
 * The first page of a segment: whose it is.
 *
 * <pre>
 *   0  magic "RAMBACK\0"     8  layout version (int)   12  chunk size (int)    16  device size (long)
 *  24  sessions (int)       32  image: device number   40  image: inode        48  boot id, 36 characters
 * </pre>
 *
 * The magic is written last, so that a header with the magic is whole.
 */
final class SegmentHeader {

    static final long MAGIC = 0x004b_4341_424d_4152L; // "RAMBACK\0" read as a little-endian long
    static final int LAYOUT_VERSION = 2;
    static final int BOOT_ID_BYTES = 36;

    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;

    private SegmentHeader() {}

    static void write(MemorySegment segment, SegmentLayout layout, ImageIdentity image, String bootId) {
        segment.set(INT, 8, LAYOUT_VERSION);
        segment.set(INT, 12, layout.chunkBytes());
        segment.set(LONG, 16, layout.sizeBytes());
        segment.set(INT, 24, layout.sessionCountMax());
        segment.set(LONG, 32, image.device());
        segment.set(LONG, 40, image.inode());
        byte[] boot = bootId.getBytes(StandardCharsets.US_ASCII);
        MemorySegment.copy(boot, 0, segment, ValueLayout.JAVA_BYTE, 48, Math.min(boot.length, BOOT_ID_BYTES));
        LONG.varHandle().setRelease(segment, 0L, MAGIC);
    }

    static boolean isWhole(MemorySegment page) {
        return page.get(LONG, 0) == MAGIC && page.get(INT, 8) == LAYOUT_VERSION;
    }

    /** The layout a whole header describes; throws IllegalArgumentException when it is out of range. */
    static SegmentLayout layout(MemorySegment page) {
        return new SegmentLayout(page.get(LONG, 16), page.get(INT, 12), page.get(INT, 24));
    }
}
