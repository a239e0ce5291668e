package ramback.journal;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.UUID;
import java.util.zip.CRC32C;

/**
 * Where things lie in a journal file, format version 1 ({@code docs/journal-format.md}). Numbers are little endian, a UUID is its
 * 16 bytes in the order in which it is printed.
 *
 * <pre>
 *   0        4 KiB      32 KiB   36 KiB      64 KiB                                                    file's end
 *   +--------+----------+--------+-----------+-----------------------------------------------------------+
 *   | slot A |  zeroes  | slot B |  zeroes   | ring: records in blocks of 4 KiB, a position is a byte    |
 *   +--------+----------+--------+-----------+ offset that only grows, at 64 KiB + position mod its size +
 *
 *   an epoch:  | descriptor | payload | descriptor | payload | ... | commit |     may wrap anywhere
 *                  4 KiB     0-1 MiB      4 KiB                      4 KiB
 *
 *   slot, commit:  the same 512 bytes eight times; any of them that is whole counts
 * </pre>
 *
 * Every superblock, descriptor and commit of every version begins with its magic, the version and its CRC-32C.
 */
final class JournalFormat {
    static final int VERSION = 1;

    /** Everything is written in blocks of this size. */
    static final int BLOCK_BYTES = 4096;

    /** What a disk writes as a whole or not at all, at the least. */
    static final int SECTOR_BYTES = 512;

    static final int HEADER_BYTES = 64 << 10;
    static final int SLOT_COUNT = 2;
    static final int SLOT_DISTANCE_BYTES = 32 << 10;
    static final int RING_BYTES_MIN = 1 << 20;

    /** The longest payload behind one descriptor. */
    static final int PAYLOAD_BYTES_MAX = 1 << 20;

    /** The longest record: a descriptor and its payload. */
    static final int RECORD_BYTES_MAX = BLOCK_BYTES + PAYLOAD_BYTES_MAX;

    /** {@code RAMBACKS}, {@code RAMBACKD}, {@code RAMBACKC}, read as a little-endian number. */
    static final long MAGIC_SUPERBLOCK = magic('S');

    static final long MAGIC_DESCRIPTOR = magic('D');
    static final long MAGIC_COMMIT = magic('C');

    // The first fields of every record.
    static final int MAGIC = 0;
    static final int VERSION_NUMBER = 8;
    static final int CHECKSUM = 12;
    static final int UUID_BYTES = 24;

    static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong BIG_LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);

    private JournalFormat() {}

    private static long magic(char kind) {
        String letters = "RAMBACK" + kind;
        long magic = 0;
        for (int i = 0; i < Long.BYTES; i++) {
            magic |= (long) letters.charAt(i) << (Byte.SIZE * i);
        }
        return magic;
    }

    /** Where a superblock slot begins in the file. */
    static long slotOffset(int slot) {
        return (long) slot * SLOT_DISTANCE_BYTES;
    }

    /** How many bytes of ring a file of some size has; less than {@link #RING_BYTES_MIN} if it is too small. */
    static long ringBytes(long fileBytes) {
        return Math.max(0, fileBytes - HEADER_BYTES) / BLOCK_BYTES * BLOCK_BYTES;
    }

    static UUID uuid(MemorySegment record) {
        return new UUID(record.get(BIG_LONG, UUID_BYTES), record.get(BIG_LONG, UUID_BYTES + Long.BYTES));
    }

    static void putUuid(MemorySegment record, UUID uuid) {
        record.set(BIG_LONG, UUID_BYTES, uuid.getMostSignificantBits());
        record.set(BIG_LONG, UUID_BYTES + Long.BYTES, uuid.getLeastSignificantBits());
    }

    /** The CRC-32C of a record without the field that holds it. */
    static int checksumOf(MemorySegment record) {
        CRC32C crc = new CRC32C();
        ByteBuffer bytes = record.asByteBuffer();
        crc.update(bytes.limit(CHECKSUM));
        crc.update(bytes.limit(bytes.capacity()).position(CHECKSUM + Integer.BYTES));
        return (int) crc.getValue();
    }

    /** Writes magic and version, and, everything else being there, the checksum. */
    static void seal(MemorySegment record, long magic) {
        record.set(LONG, MAGIC, magic);
        record.set(INT, VERSION_NUMBER, VERSION);
        record.set(INT, CHECKSUM, checksumOf(record));
    }

    /** Whether a record is of a kind, of any version, and whole. */
    static boolean isWhole(MemorySegment record, long magic) {
        return record.get(LONG, MAGIC) == magic && record.get(INT, CHECKSUM) == checksumOf(record);
    }

    /** Whether a record is of a kind, of this version, and whole. */
    static boolean isOurs(MemorySegment record, long magic) {
        return record.get(INT, VERSION_NUMBER) == VERSION && isWhole(record, magic);
    }

    /** Fills a block with eight copies of its first sector. */
    static void repeatSector(MemorySegment block) {
        for (int at = SECTOR_BYTES; at < BLOCK_BYTES; at += SECTOR_BYTES) {
            MemorySegment.copy(block, 0, block, at, SECTOR_BYTES);
        }
    }

    /** Extends the hash over an epoch's descriptors by the checksum of the next one. */
    static long extendHash(long hash, int descriptorChecksum) {
        return (Long.rotateLeft(hash, 5) ^ Integer.toUnsignedLong(descriptorChecksum)) * 0x9E37_79B9_7F4A_7C15L;
    }
}
