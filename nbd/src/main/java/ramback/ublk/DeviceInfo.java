package ramback.ublk;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.zip.CRC32C;

/**
 * What the driver knows of a device (struct ublksrv_ctrl_dev_info).
 *
 * <pre>
 *    0 queues u16    2 queue depth u16    4 state u16    8 longest request u32    12 id u32    16 server's pid s32
 *   24 flags u64    32 server's own u64                                                                      64 end
 * </pre>
 *
 * @param queueCount how many queues it has
 * @param depth how many tags each has
 * @param state {@link #DEAD}, {@link #LIVE}, {@link #QUIESCED}
 * @param requestBytesMax the longest read or write
 * @param id its number, or {@link #ANY_ID} where the driver is to choose it
 * @param serverPid the process that serves it, or served it last
 * @param flags UBLK_F_ as agreed
 * @param mark a number of the server's own, see {@link #markOf}
 */
record DeviceInfo(
        int queueCount, int depth, int state, int requestBytesMax, int id, int serverPid, long flags, long mark) {

    static final int BYTES = 64;

    static final int ANY_ID = -1;

    /** Not started yet, or stopped. */
    static final int DEAD = 0;

    static final int LIVE = 1;

    /** Nobody serves it; requests wait for a recovery. */
    static final int QUIESCED = 2;

    static final long F_USER_RECOVERY = 1L << 3;
    static final long F_USER_RECOVERY_REISSUE = 1L << 4;
    static final long F_CMD_IOCTL_ENCODE = 1L << 6;
    static final long F_USER_COPY = 1L << 7;

    /** The upper half of the mark of every device of ours: "Ramb". */
    private static final int MARK = 0x52616d62;

    /** The mark of a block device made for this owner, by which it is known again. */
    static long markOf(String owner) {
        CRC32C checksum = new CRC32C();
        checksum.update(owner.getBytes(StandardCharsets.UTF_8));
        return (long) MARK << Integer.SIZE | checksum.getValue();
    }

    /** Whether it was made by this program, for whatever device. */
    boolean isOurs() {
        return mark >>> Integer.SIZE == MARK;
    }

    void writeTo(MemorySegment segment) {
        segment.fill((byte) 0);
        segment.set(JAVA_SHORT, 0, (short) queueCount);
        segment.set(JAVA_SHORT, 2, (short) depth);
        segment.set(JAVA_SHORT, 4, (short) state);
        segment.set(JAVA_INT, 8, requestBytesMax);
        segment.set(JAVA_INT, 12, id);
        segment.set(JAVA_INT, 16, serverPid);
        segment.set(JAVA_LONG, 24, flags);
        segment.set(JAVA_LONG, 32, mark);
    }

    static DeviceInfo of(MemorySegment segment) {
        return new DeviceInfo(
                Short.toUnsignedInt(segment.get(JAVA_SHORT, 0)),
                Short.toUnsignedInt(segment.get(JAVA_SHORT, 2)),
                Short.toUnsignedInt(segment.get(JAVA_SHORT, 4)),
                segment.get(JAVA_INT, 8),
                segment.get(JAVA_INT, 12),
                segment.get(JAVA_INT, 16),
                segment.get(JAVA_LONG, 24),
                segment.get(JAVA_LONG, 32));
    }
}
