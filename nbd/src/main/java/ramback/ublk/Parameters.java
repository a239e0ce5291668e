package ramback.ublk;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.MemorySegment;
import ramback.device.Device;

/**
 * What the block layer is told of a device (struct ublk_params): its size and block sizes, that it has a volatile cache
 * and FUA, as far as its mode goes, and how it discards.
 *
 * <pre>
 *   0 length u32   4 which are given u32
 *   8 attributes u32   12 logical, 13 physical, 14 optimal, 15 least block size, as powers of two, u8 each
 *  16 longest request u32   24 size u64, both in sectors
 *  44 discard granularity u32, bytes   48 longest discard u32   52 longest write of zeroes u32, sectors   56 ranges u16
 * </pre>
 *
 * @param sizeBytes the block device's size: a whole number of sectors
 * @param chunkBytes what writes and discards work best in: a power of two, 4 KiB or more
 * @param readOnly whether it refuses changes
 */
record Parameters(long sizeBytes, int chunkBytes, boolean readOnly) {

    static final int BYTES = 60;

    /** The longest read or write: long enough that a call more or less does not matter, short enough that others need not wait for it. */
    static final int REQUEST_BYTES_MAX = 1 << 20;

    /** The longest discard or write of zeroes, which holds up those behind it in its queue. */
    static final int RANGE_BYTES_MAX = 1 << 30;

    private static final int TYPE_BASIC = 1;
    private static final int TYPE_DISCARD = 1 << 1;
    private static final int ATTR_READ_ONLY = 1;
    private static final int ATTR_VOLATILE_CACHE = 1 << 2;
    private static final int ATTR_FUA = 1 << 3;

    /** What the device can do nothing smaller than, and what disks have that emulate it. */
    private static final int LOGICAL_BLOCK_BITS = 9;

    private static final int PHYSICAL_BLOCK_BITS = 12;

    /** Those of a device, whose last bytes are out of reach where they make no whole sector. */
    static Parameters of(Device device) {
        long sectors = device.sizeBytes() >> Uapi.SECTOR_BITS;
        return new Parameters(sectors << Uapi.SECTOR_BITS, device.chunkBytes(), device.readOnly());
    }

    void writeTo(MemorySegment segment) {
        byte chunkBits = (byte) Integer.numberOfTrailingZeros(chunkBytes);
        segment.fill((byte) 0);
        segment.set(JAVA_INT, 0, BYTES);
        segment.set(JAVA_INT, 4, TYPE_BASIC | TYPE_DISCARD);
        segment.set(JAVA_INT, 8, ATTR_VOLATILE_CACHE | ATTR_FUA | (readOnly ? ATTR_READ_ONLY : 0));
        segment.set(JAVA_BYTE, 12, (byte) LOGICAL_BLOCK_BITS);
        segment.set(JAVA_BYTE, 13, (byte) PHYSICAL_BLOCK_BITS);
        segment.set(JAVA_BYTE, 14, chunkBits);
        segment.set(JAVA_BYTE, 15, chunkBits);
        segment.set(JAVA_INT, 16, REQUEST_BYTES_MAX >> Uapi.SECTOR_BITS);
        segment.set(JAVA_LONG, 24, sizeBytes >> Uapi.SECTOR_BITS);
        segment.set(JAVA_INT, 44, chunkBytes);
        segment.set(JAVA_INT, 48, RANGE_BYTES_MAX >> Uapi.SECTOR_BITS);
        segment.set(JAVA_INT, 52, RANGE_BYTES_MAX >> Uapi.SECTOR_BITS);
        segment.set(JAVA_SHORT, 56, (short) 1);
    }

    /** The size in what the driver was told once. */
    static long sizeBytesOf(MemorySegment segment) {
        return segment.get(JAVA_LONG, 24) << Uapi.SECTOR_BITS;
    }

    /** Says, for the driver, how much of its answer there is room for. */
    static void askIn(MemorySegment segment) {
        segment.fill((byte) 0);
        segment.set(JAVA_INT, 0, BYTES);
    }
}
