package ramback.journal;

import static ramback.journal.JournalFormat.INT;
import static ramback.journal.JournalFormat.LONG;
import static ramback.journal.JournalFormat.SECTOR_BYTES;

import java.lang.foreign.MemorySegment;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * The record that ends an epoch: with it the epoch is committed. It is written when everything before it is durable, so one
 * whole sector of the eight is enough to believe it.
 *
 * <pre>
 *   offset  bytes                                   offset  bytes
 *        0      8  magic RAMBACKC                       64      8  the epoch committed before it
 *        8      4  version                              72      8  position of the epoch's first record
 *       12      4  CRC-32C of all other bytes           80      8  how many descriptors
 *       16      4  flags: 1 may be applied              88      8  how many chunks of data
 *       20      4  zeroes                               96      8  how many chunks of zeroes
 *       24     16  device UUID                         104      8  hash over the descriptors' checksums
 *       40      8  salt                                112      8  wall time: seconds since 1970
 *       48      8  position of this record             120      4  and nanoseconds
 *       56      8  epoch                               124    388  zeroes
 * </pre>
 *
 * @param mayBeApplied whether the image may hold parts of this epoch although it was not recovered
 */
record Commit(
        UUID device,
        long salt,
        long position,
        long epoch,
        long epochBefore,
        long firstPosition,
        long descriptorCount,
        long dataChunkCount,
        long zeroChunkCount,
        long descriptorHash,
        boolean mayBeApplied,
        Instant time) {

    /** How many sectors a block has, each of them a copy. */
    static final int COPY_COUNT = JournalFormat.BLOCK_BYTES / SECTOR_BYTES;

    private static final int FLAGS = 16;
    private static final int SALT = 40;
    private static final int POSITION = 48;
    private static final int EPOCH = 56;
    private static final int EPOCH_BEFORE = 64;
    private static final int FIRST_POSITION = 72;
    private static final int DESCRIPTOR_COUNT = 80;
    private static final int DATA_CHUNK_COUNT = 88;
    private static final int ZERO_CHUNK_COUNT = 96;
    private static final int DESCRIPTOR_HASH = 104;
    private static final int SECONDS = 112;
    private static final int NANOS = 120;

    private static final int FLAG_MAY_BE_APPLIED = 1;

    /** Fills a block. */
    void encode(MemorySegment block) {
        block.fill((byte) 0);
        block.set(INT, FLAGS, mayBeApplied ? FLAG_MAY_BE_APPLIED : 0);
        JournalFormat.putUuid(block, device);
        block.set(LONG, SALT, salt);
        block.set(LONG, POSITION, position);
        block.set(LONG, EPOCH, epoch);
        block.set(LONG, EPOCH_BEFORE, epochBefore);
        block.set(LONG, FIRST_POSITION, firstPosition);
        block.set(LONG, DESCRIPTOR_COUNT, descriptorCount);
        block.set(LONG, DATA_CHUNK_COUNT, dataChunkCount);
        block.set(LONG, ZERO_CHUNK_COUNT, zeroChunkCount);
        block.set(LONG, DESCRIPTOR_HASH, descriptorHash);
        block.set(LONG, SECONDS, time.getEpochSecond());
        block.set(INT, NANOS, time.getNano());
        JournalFormat.seal(block.asSlice(0, SECTOR_BYTES), JournalFormat.MAGIC_COMMIT);
        JournalFormat.repeatSector(block);
    }

    /** The commit in one copy of a block; null if there is none, or it is damaged. */
    static @Nullable Commit decode(MemorySegment block, int copy) {
        MemorySegment sector = block.asSlice((long) copy * SECTOR_BYTES, SECTOR_BYTES);
        if (sector.get(LONG, JournalFormat.MAGIC) != JournalFormat.MAGIC_COMMIT
                || !JournalFormat.isOurs(sector, JournalFormat.MAGIC_COMMIT)) {
            return null;
        }
        Instant time = time(sector.get(LONG, SECONDS), sector.get(INT, NANOS));
        if (time == null) {
            return null;
        }
        return new Commit(
                JournalFormat.uuid(sector),
                sector.get(LONG, SALT),
                sector.get(LONG, POSITION),
                sector.get(LONG, EPOCH),
                sector.get(LONG, EPOCH_BEFORE),
                sector.get(LONG, FIRST_POSITION),
                sector.get(LONG, DESCRIPTOR_COUNT),
                sector.get(LONG, DATA_CHUNK_COUNT),
                sector.get(LONG, ZERO_CHUNK_COUNT),
                sector.get(LONG, DESCRIPTOR_HASH),
                (sector.get(INT, FLAGS) & FLAG_MAY_BE_APPLIED) != 0,
                time);
    }

    /** A time of day; null if there is no such time. */
    static @Nullable Instant time(long seconds, int nanos) {
        try {
            return nanos < 0 || nanos >= 1_000_000_000 ? null : Instant.ofEpochSecond(seconds, nanos);
        } catch (DateTimeException | ArithmeticException e) {
            return null;
        }
    }
}
