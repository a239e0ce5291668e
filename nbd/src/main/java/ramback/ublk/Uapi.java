package ramback.ublk;

/**
 * The numbers of the ublk driver that more than one class needs.
 *
 * <p>Source: Linux {@code include/uapi/linux/ublk_cmd.h} and {@code include/uapi/asm-generic/ioctl.h}.
 */
final class Uapi {

    /** The unit of the block layer's sizes and positions, whatever a device's block size is. */
    static final int SECTOR_BITS = 9;

    static final int OP_READ = 0;
    static final int OP_WRITE = 1;
    static final int OP_FLUSH = 2;
    static final int OP_DISCARD = 3;
    static final int OP_WRITE_ZEROES = 5;

    /** The operation within a descriptor's first word; flags are above it. */
    static final int OP_MASK = 0xff;

    /** The write must be durable before it is done. */
    static final int IO_F_FUA = 1 << 13;

    /** Zeroes must stay allocated. */
    static final int IO_F_NOUNMAP = 1 << 15;

    private static final int DIRECTION_READ = 2;
    private static final int DIRECTION_READ_WRITE = 3;
    private static final int TYPE = 'u';

    private Uapi() {}

    /** The number of a command that has its results written into the buffer it names. */
    static int ior(int number, int argumentBytes) {
        return ioc(DIRECTION_READ, number, argumentBytes);
    }

    static int iowr(int number, int argumentBytes) {
        return ioc(DIRECTION_READ_WRITE, number, argumentBytes);
    }

    private static int ioc(int direction, int number, int argumentBytes) {
        return direction << 30 | argumentBytes << 16 | TYPE << 8 | number;
    }
}
