package ramback.memory;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.UUID;

/**
 * The first page of a segment: whose it is.
 *
 * <pre>
 *   0  magic "RAMBACK\0"     8  layout version (int)   12  chunk size (int)    16  device size (long)
 *  24  sessions (int)       28  sparse (int)           32  image: device number   40  image: inode
 *  48  boot id, 36 characters                          88  device UUID (2 longs)  104  generation (long)
 * 112  newest epoch that the journal has durably (long)
 * </pre>
 *
 * The magic is written last, so that a header with the magic is whole. UUID and generation come when the device is attached, the
 * generation last: what is in the memory counts only while the state file has the same.
 */
final class SegmentHeader {

    static final long MAGIC = 0x004b_4341_424d_4152L; // "RAMBACK\0" read as a little-endian long
    static final int BOOT_ID_BYTES = 36;
    /** No shorter file has a header. */
    static final int LENGTH_BYTES = 120;

    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;

    private SegmentHeader() {}

    static void write(MemorySegment segment, SegmentLayout layout, boolean sparse, ImageIdentity image, String bootId) {
        segment.set(INT, 8, SegmentLayout.VERSION);
        segment.set(INT, 12, layout.chunkBytes());
        segment.set(LONG, 16, layout.sizeBytes());
        segment.set(INT, 24, layout.sessionCountMax());
        segment.set(INT, 28, sparse ? 1 : 0);
        segment.set(LONG, 32, image.device());
        segment.set(LONG, 40, image.inode());
        byte[] boot = bootId.getBytes(StandardCharsets.US_ASCII);
        MemorySegment.copy(boot, 0, segment, ValueLayout.JAVA_BYTE, 48, Math.min(boot.length, BOOT_ID_BYTES));
        LONG.varHandle().setRelease(segment, 0L, MAGIC);
    }

    /** Whose changes the memory holds from now on; 0 for nobody's. */
    static void bind(MemorySegment page, UUID device, long generation) {
        LONG.varHandle().setRelease(page, 104L, 0L);
        page.set(LONG, 88, device.getMostSignificantBits());
        page.set(LONG, 96, device.getLeastSignificantBits());
        page.set(LONG, 112, 0);
        LONG.varHandle().setRelease(page, 104L, generation);
    }

    static void noteCommitted(MemorySegment page, long epoch) {
        LONG.varHandle().setRelease(page, 112L, epoch);
    }

    static long committedEpoch(MemorySegment page) {
        return page.get(LONG, 112);
    }

    static boolean hasMagic(MemorySegment page) {
        return page.get(LONG, 0) == MAGIC;
    }

    static int layoutVersion(MemorySegment page) {
        return page.get(INT, 8);
    }

    /** The layout a whole header of this version describes; throws IllegalArgumentException when it is out of range. */
    static SegmentLayout layout(MemorySegment page) {
        return new SegmentLayout(page.get(LONG, 16), page.get(INT, 12), page.get(INT, 24));
    }

    static boolean isSparse(MemorySegment page) {
        return page.get(INT, 28) != 0;
    }

    static ImageIdentity image(MemorySegment page) {
        return new ImageIdentity(page.get(LONG, 32), page.get(LONG, 40));
    }

    static String bootId(MemorySegment page) {
        byte[] boot = page.asSlice(48, BOOT_ID_BYTES).toArray(ValueLayout.JAVA_BYTE);
        return new String(boot, StandardCharsets.US_ASCII);
    }

    static UUID device(MemorySegment page) {
        return new UUID(page.get(LONG, 88), page.get(LONG, 96));
    }

    static long generation(MemorySegment page) {
        return page.get(LONG, 104);
    }
}
