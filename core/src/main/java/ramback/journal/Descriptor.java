package ramback.journal;

import static ramback.journal.JournalFormat.BLOCK_BYTES;
import static ramback.journal.JournalFormat.INT;
import static ramback.journal.JournalFormat.LONG;
import static ramback.journal.JournalFormat.PAYLOAD_BYTES_MAX;

import java.lang.foreign.MemorySegment;
import java.util.UUID;

/**
 * The block that says which chunks the payload behind it holds. A view of a block in memory, which must stay as it is for as long as the
 * view is used.
 *
 * <pre>
 *   offset  bytes                                   offset  bytes
 *        0      8  magic RAMBACKD                       64      8  the epoch committed before it
 *        8      4  version                              72      8  length of the payload
 *       12      4  CRC-32C of all other bytes           80    176  zeroes
 *       16      4  number in the epoch, from 0         256 160×24  extents:  0  8  first chunk
 *       20      4  how many extents, 1 to 160                                8  8  how many chunks
 *       24     16  device UUID                                              16  4  CRC-32C of their bytes, or 0
 *       40      8  salt                                                     20  4  flags: 1 zeroes, no bytes
 *       48      8  position of this block              4096
 *       56      8  epoch
 * </pre>
 *
 * The payload is the bytes of the extents in their order, in whole chunks.
 */
final class Descriptor {
    private static final int SEQUENCE = 16;
    private static final int EXTENT_COUNT = 20;
    private static final int SALT = 40;
    private static final int POSITION = 48;
    private static final int EPOCH = 56;
    private static final int EPOCH_BEFORE = 64;
    private static final int PAYLOAD_BYTES = 72;
    private static final int EXTENTS = 256;
    private static final int EXTENT_BYTES = 24;
    private static final int EXTENT_CHUNK_COUNT = 8;
    private static final int EXTENT_CHECKSUM = 16;
    private static final int EXTENT_FLAGS = 20;

    private static final int FLAG_ZERO = 1;

    static {
        if (EXTENTS + VersionBatch.EXTENT_COUNT_MAX * EXTENT_BYTES != BLOCK_BYTES) {
            throw new AssertionError("a descriptor is not a block");
        }
    }

    private final MemorySegment block;

    Descriptor(MemorySegment block) {
        this.block = block;
    }

    // ---------------------------------------------------------------------------------------------- written

    /** Empties the block. */
    void clear() {
        block.fill((byte) 0);
    }

    /** Writes an extent; a checksum comes later. */
    void extent(int extent, long firstChunk, long chunkCount, boolean isZero) {
        long at = at(extent);
        block.set(LONG, at, firstChunk);
        block.set(LONG, at + EXTENT_CHUNK_COUNT, chunkCount);
        block.set(INT, at + EXTENT_FLAGS, isZero ? FLAG_ZERO : 0);
    }

    /** Makes an extent longer. */
    void extend(int extent, long moreChunks) {
        block.set(LONG, at(extent) + EXTENT_CHUNK_COUNT, chunkCount(extent) + moreChunks);
    }

    void checksum(int extent, int checksum) {
        block.set(INT, at(extent) + EXTENT_CHECKSUM, checksum);
    }

    /** Writes everything but the extents, which are there, and seals the block. */
    void seal(
            UUID device,
            long salt,
            long position,
            long epoch,
            long epochBefore,
            int sequence,
            int extentCount,
            long payloadBytes) {
        block.set(INT, SEQUENCE, sequence);
        block.set(INT, EXTENT_COUNT, extentCount);
        JournalFormat.putUuid(block, device);
        block.set(LONG, SALT, salt);
        block.set(LONG, POSITION, position);
        block.set(LONG, EPOCH, epoch);
        block.set(LONG, EPOCH_BEFORE, epochBefore);
        block.set(LONG, PAYLOAD_BYTES, payloadBytes);
        JournalFormat.seal(block, JournalFormat.MAGIC_DESCRIPTOR);
    }

    // ---------------------------------------------------------------------------------------------- read

    /** Whether the block may be a descriptor with a salt, before its checksum is looked at. */
    boolean claims(long salt) {
        return block.get(LONG, JournalFormat.MAGIC) == JournalFormat.MAGIC_DESCRIPTOR && salt() == salt;
    }

    /** Whether the block is a whole descriptor of a device, and says nothing that can't be. */
    boolean isValid(JournalIdentity identity) {
        return JournalFormat.isOurs(block, JournalFormat.MAGIC_DESCRIPTOR)
                && JournalFormat.uuid(block).equals(identity.device())
                && isPossible(identity);
    }

    private boolean isPossible(JournalIdentity identity) {
        int extentCount = extentCount();
        if (extentCount < 1
                || extentCount > VersionBatch.EXTENT_COUNT_MAX
                || position() < 0
                || epoch() <= epochBefore()) {
            return false;
        }
        long imageChunks = identity.chunkCount();
        long payloadBytes = 0;
        for (int i = 0; i < extentCount; i++) {
            long first = firstChunk(i);
            long count = chunkCount(i);
            if (first < 0
                    || count < 1
                    || first >= imageChunks
                    || count > imageChunks - first
                    || (block.get(INT, at(i) + EXTENT_FLAGS) & ~FLAG_ZERO) != 0) {
                return false;
            }
            // At most 160 x 2^44 bytes: no overflow.
            payloadBytes += isZero(i) ? 0 : count * identity.chunkBytes();
        }
        return payloadBytes == payloadBytes() && payloadBytes <= PAYLOAD_BYTES_MAX;
    }

    int checksum() {
        return block.get(INT, JournalFormat.CHECKSUM);
    }

    int sequence() {
        return block.get(INT, SEQUENCE);
    }

    int extentCount() {
        return block.get(INT, EXTENT_COUNT);
    }

    long salt() {
        return block.get(LONG, SALT);
    }

    long position() {
        return block.get(LONG, POSITION);
    }

    long epoch() {
        return block.get(LONG, EPOCH);
    }

    long epochBefore() {
        return block.get(LONG, EPOCH_BEFORE);
    }

    long payloadBytes() {
        return block.get(LONG, PAYLOAD_BYTES);
    }

    long firstChunk(int extent) {
        return block.get(LONG, at(extent));
    }

    long chunkCount(int extent) {
        return block.get(LONG, at(extent) + EXTENT_CHUNK_COUNT);
    }

    int checksum(int extent) {
        return block.get(INT, at(extent) + EXTENT_CHECKSUM);
    }

    boolean isZero(int extent) {
        return (block.get(INT, at(extent) + EXTENT_FLAGS) & FLAG_ZERO) != 0;
    }

    private static long at(int extent) {
        return EXTENTS + (long) extent * EXTENT_BYTES;
    }
}
