package ramback.journal;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.UUID;
import java.util.zip.CRC32C;

/**
 * What an image held at its clean stop: a CRC-32C of each MiB, by which the next start finds what somebody else changed meanwhile. Blocks
 * of zeroes, and blocks of which nothing is known, come in runs and take no room. Immutable. It is kept in a file beside the state file:
 *
 * <pre>
 *   0        8        12      16       32           40       48        52         56    64
 *   +--------+--------+-------+--------+------------+--------+---------+----------+-----+--------------------------+
 *   | magic  | version| CRC   | device | generation | size of| size of | number   |  0  | runs: kind, count,       |
 *   |RAMBACKX|      1 | -32C  | UUID   | of state   | image  | a block | of runs  |     | one CRC a block of data  |
 *   +--------+--------+-------+--------+------------+--------+---------+----------+-----+--------------------------+
 * </pre>
 *
 * Little-endian, the UUID as it is written; the checksum is of all bytes but its own four. The file counts only for the clean state of
 * the same device and generation: any start gives the state another generation.
 */
public final class ImageChecksums {

    /** The version of the format that is written here, and the newest that is read. */
    public static final int VERSION = 1;

    /** What one checksum is of; the last block ends with the image. A multiple of any chunk. */
    public static final int BLOCK_BYTES = 1 << 20;

    private static final long MAGIC = 0x584b4341424d4152L; // "RAMBACKX"
    private static final int CHECKSUM = 12;
    private static final int HEADER_BYTES = 64;
    private static final int RUN_BYTES = 8;

    /** Kinds of runs, as in the file. */
    private static final int UNKNOWN = 0;

    private static final int ZERO = 1;
    private static final int DATA = 2;

    private final long imageBytes;
    private final long blockCount;
    private final int runCount;
    /** First block of each run, and behind the last one the number of blocks. */
    private final long[] runFirst;

    private final byte[] runKind;
    /** Where the checksums of a run of data begin. */
    private final int[] runCrc;

    private final int[] crcs;
    private final int crcCount;

    private ImageChecksums(Builder from) {
        this.imageBytes = from.imageBytes;
        this.blockCount = from.blockCount;
        this.runCount = from.runCount;
        this.runFirst = Arrays.copyOf(from.runFirst, runCount + 1);
        this.runFirst[runCount] = blockCount;
        this.runKind = Arrays.copyOf(from.runKind, runCount);
        this.runCrc = Arrays.copyOf(from.runCrc, runCount);
        this.crcs = from.crcs;
        this.crcCount = from.crcCount;
    }

    /** Nothing is known of an image of this size. */
    public static ImageChecksums unknown(long imageBytes) {
        Builder builder = new Builder(imageBytes);
        builder.addUnknown(builder.blockCount);
        return builder.build();
    }

    /** The CRC-32C of some bytes off heap, 2 GiB at most. */
    public static int crcOf(MemorySegment bytes) {
        CRC32C crc = new CRC32C();
        crc.update(bytes.asByteBuffer());
        return (int) crc.getValue();
    }

    /** The CRC-32C of as many zeroes, a block at most. */
    private static int crcOfZeroes(int lengthBytes) {
        return lengthBytes == BLOCK_BYTES ? WholeZeroBlock.CRC : zeroes(lengthBytes);
    }

    private static int zeroes(int lengthBytes) {
        try (Arena arena = Arena.ofConfined()) {
            return crcOf(arena.allocate(lengthBytes));
        }
    }

    private static final class WholeZeroBlock {
        static final int CRC = zeroes(BLOCK_BYTES);
    }

    // ----------------------------------------------------------------------------------------------------- looking

    /** The image's size. */
    public long imageBytes() {
        return imageBytes;
    }

    /** How many blocks the image has. */
    public long blockCount() {
        return blockCount;
    }

    /** How long a block is: the last one may be shorter. */
    public int lengthOf(long block) {
        return lengthOf(imageBytes, block);
    }

    private static int lengthOf(long imageBytes, long block) {
        return (int) Math.min(BLOCK_BYTES, imageBytes - block * BLOCK_BYTES);
    }

    /** Whether anything is known of a block. */
    public boolean isKnown(long block) {
        return runKind[runOf(block)] != UNKNOWN;
    }

    /** Whether a block that is known held zeroes. */
    public boolean isZero(long block) {
        return runKind[runOf(block)] == ZERO;
    }

    /** Whether a block that is known had this checksum. */
    public boolean fits(long block, int crc) {
        int run = runOf(block);
        return switch (runKind[run]) {
            case ZERO -> crc == crcOfZeroes(lengthOf(block));
            case DATA -> crc == crcs[runCrc[run] + (int) (block - runFirst[run])];
            default -> throw new IllegalArgumentException("nothing is known of block " + block);
        };
    }

    /** The last block that follows this one without a change from known to unknown or back, or this one. */
    public long lastAlike(long block) {
        int run = runOf(block);
        boolean isKnown = runKind[run] != UNKNOWN;
        while (run + 1 < runCount && (runKind[run + 1] != UNKNOWN) == isKnown) {
            run++;
        }
        return runFirst[run + 1] - 1;
    }

    /** How many blocks nothing is known of. */
    public long unknownCount() {
        long count = 0;
        for (int run = 0; run < runCount; run++) {
            count += runKind[run] == UNKNOWN ? runFirst[run + 1] - runFirst[run] : 0;
        }
        return count;
    }

    private int runOf(long block) {
        if (block < 0 || block >= blockCount) {
            throw new IndexOutOfBoundsException("block " + block + " of " + blockCount);
        }
        int found = Arrays.binarySearch(runFirst, 0, runCount, block);
        return found >= 0 ? found : -found - 2;
    }

    // ----------------------------------------------------------------------------------------------------- making

    /** Takes what is known of one block after the other. */
    public static final class Builder {

        private final long imageBytes;
        private final long blockCount;
        private long nextBlock;
        private int runCount;
        private long[] runFirst = new long[16];
        private byte[] runKind = new byte[16];
        private int[] runCrc = new int[16];
        private int[] crcs = new int[64];
        private int crcCount;

        /** Checksums of an image of this size; its first block comes first. */
        public Builder(long imageBytes) {
            if (imageBytes < 1) {
                throw new IllegalArgumentException("an image of " + imageBytes + " bytes");
            }
            this.imageBytes = imageBytes;
            this.blockCount = (imageBytes + BLOCK_BYTES - 1) / BLOCK_BYTES;
        }

        /** The next block; blockCount when there are all. */
        public long nextBlock() {
            return nextBlock;
        }

        /** Nothing is known of the next so many blocks. */
        public void addUnknown(long count) {
            add(UNKNOWN, count);
        }

        /** The next so many blocks hold zeroes. */
        public void addZero(long count) {
            add(ZERO, count);
        }

        /** The next block has this checksum. */
        public void addData(int crc) {
            if (crc == crcOfZeroes(lengthOf(imageBytes, nextBlock))) {
                add(ZERO, 1);
                return;
            }
            add(DATA, 1);
            if (crcCount == crcs.length) {
                crcs = Arrays.copyOf(crcs, 2 * crcs.length);
            }
            crcs[crcCount++] = crc;
        }

        /** Of the next block is known what was known before. */
        public void addAs(ImageChecksums before) {
            int run = before.runOf(nextBlock);
            switch (before.runKind[run]) {
                case ZERO -> addZero(1);
                case DATA -> addData(before.crcs[before.runCrc[run] + (int) (nextBlock - before.runFirst[run])]);
                default -> addUnknown(1);
            }
        }

        private void add(int kind, long count) {
            if (count < 0 || count > blockCount - nextBlock) {
                throw new IllegalArgumentException(count + " blocks after " + nextBlock + " of " + blockCount);
            }
            if (count > 0 && (runCount == 0 || runKind[runCount - 1] != kind)) {
                if (runCount + 1 >= runFirst.length) {
                    runFirst = Arrays.copyOf(runFirst, 2 * runFirst.length);
                    runKind = Arrays.copyOf(runKind, 2 * runKind.length);
                    runCrc = Arrays.copyOf(runCrc, 2 * runCrc.length);
                }
                runFirst[runCount] = nextBlock;
                runKind[runCount] = (byte) kind;
                runCrc[runCount] = crcCount;
                runCount++;
            }
            nextBlock += count;
        }

        /** All of them, once every block has been added. */
        public ImageChecksums build() {
            if (nextBlock != blockCount) {
                throw new IllegalStateException("only " + nextBlock + " of " + blockCount + " blocks");
            }
            return new ImageChecksums(this);
        }
    }

    // ----------------------------------------------------------------------------------------------------- the file

    /** The bytes of the file, for a state of this device and generation. */
    public byte[] encode(UUID device, long generation) {
        ByteBuffer file = ByteBuffer.allocate(HEADER_BYTES + runCount * RUN_BYTES + crcCount * Integer.BYTES);
        file.order(ByteOrder.LITTLE_ENDIAN).putLong(MAGIC).putInt(VERSION).putInt(0);
        file.order(ByteOrder.BIG_ENDIAN)
                .putLong(device.getMostSignificantBits())
                .putLong(device.getLeastSignificantBits())
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(generation)
                .putLong(imageBytes)
                .putInt(BLOCK_BYTES)
                .putInt(runCount)
                .putLong(0);
        for (int run = 0; run < runCount; run++) {
            int count = (int) (runFirst[run + 1] - runFirst[run]);
            file.putInt(runKind[run]).putInt(count);
            for (int i = 0; runKind[run] == DATA && i < count; i++) {
                file.putInt(crcs[runCrc[run] + i]);
            }
        }
        return file.putInt(CHECKSUM, checksumOf(file.array())).array();
    }

    private static int checksumOf(byte[] file) {
        CRC32C crc = new CRC32C();
        crc.update(file, 0, CHECKSUM);
        crc.update(file, CHECKSUM + Integer.BYTES, file.length - CHECKSUM - Integer.BYTES);
        return (int) crc.getValue();
    }

    /** What the bytes of a file of checksums turned out to be. */
    public sealed interface Reading {

        /** Checksums, and of this very state. */
        record Whole(ImageChecksums checksums) implements Reading {}

        /** Nothing that can be used; why is said in a few words. */
        record Useless(String reason) implements Reading {}
    }

    /** More than any file of checksums of an image of this size has. */
    public static long lengthBytesMax(long imageBytes) {
        return HEADER_BYTES + (imageBytes / BLOCK_BYTES + 1) * (RUN_BYTES + Integer.BYTES);
    }

    /** Reads what {@link #encode} wrote for a state of this device and generation. Any bytes have an answer. */
    public static Reading decode(byte[] bytes, UUID device, long generation, long imageBytes) {
        if (bytes.length < HEADER_BYTES) {
            return new Reading.Useless("it is too short");
        }
        ByteBuffer file = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        if (file.getLong(0) != MAGIC) {
            return new Reading.Useless("it is no file of checksums");
        }
        if (file.getInt(8) != VERSION) {
            return new Reading.Useless("it has format " + Integer.toUnsignedString(file.getInt(8))
                    + ", and this ramback reads " + VERSION);
        }
        if (file.getInt(CHECKSUM) != checksumOf(bytes)) {
            return new Reading.Useless("its own checksum does not fit");
        }
        file.position(16).order(ByteOrder.BIG_ENDIAN);
        UUID owner = new UUID(file.getLong(), file.getLong());
        file.order(ByteOrder.LITTLE_ENDIAN);
        if (!owner.equals(device) || file.getLong() != generation) {
            return new Reading.Useless("it belongs to another stop");
        }
        if (file.getLong() != imageBytes || file.getInt() != BLOCK_BYTES) {
            return new Reading.Useless("it is of an image of another size");
        }
        try {
            return new Reading.Whole(runs(file, file.getInt(), imageBytes));
        } catch (IllegalArgumentException | IllegalStateException | java.nio.BufferUnderflowException e) {
            return new Reading.Useless("its runs don't make an image");
        }
    }

    private static ImageChecksums runs(ByteBuffer file, int runCount, long imageBytes) {
        file.position(HEADER_BYTES);
        Builder builder = new Builder(imageBytes);
        for (int run = 0; run < runCount; run++) {
            int kind = file.getInt();
            int count = file.getInt();
            switch (kind) {
                case UNKNOWN -> builder.addUnknown(count);
                case ZERO -> builder.addZero(count);
                case DATA -> {
                    if (count < 0 || count > file.remaining() / Integer.BYTES) {
                        throw new IllegalArgumentException("more blocks than bytes");
                    }
                    for (int i = 0; i < count; i++) {
                        builder.addData(file.getInt());
                    }
                }
                default -> throw new IllegalArgumentException("kind " + kind);
            }
        }
        if (file.hasRemaining()) {
            throw new IllegalArgumentException("bytes behind the runs");
        }
        return builder.build();
    }
}
