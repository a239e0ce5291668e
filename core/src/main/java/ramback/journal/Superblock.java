package ramback.journal;

import static ramback.journal.JournalFormat.BLOCK_BYTES;
import static ramback.journal.JournalFormat.INT;
import static ramback.journal.JournalFormat.LONG;

import java.lang.foreign.MemorySegment;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * Where a journal's log begins, and what it belongs to. Written into the older of two slots each time, so that a torn
 * write leaves the one before. Whatever a superblock says has been made durable before it is written: one that reached the disk
 * although its sync failed is as good as any.
 *
 * <pre>
 *   offset  bytes                                   offset  bytes
 *        0      8  magic RAMBACKS                       88      8  tail: position of the oldest epoch
 *        8      4  version                              96      8  epoch before it: the image has it, durably
 *       12      4  CRC-32C of all other bytes          104      8  head: position behind the newest epoch known
 *       16      8  sequence: the newer one wins        112      8  that epoch
 *       24     16  device UUID                         120      8  its time: seconds since 1970
 *       40      8  generation                          128      4  and nanoseconds
 *       48      8  ring size                           132      4  how many salts
 *       56      8  image size                          136      8  the image may hold parts of epochs up to this one
 *       64      8  image: device number                144 15×24  salts: first position 8, epoch before it 8, salt 8
 *       72      8  image: inode                        504      8  zeroes
 *       80      4  chunk size                          512
 *       84      4  flags: 1 clean, 2 suspended
 * </pre>
 *
 * @param sequence greater than that of every superblock written before
 * @param generation of the attach that wrote it
 * @param ringBytes a multiple of 4 KiB
 * @param clean whether the image has everything
 * @param suspended whether the image is changed without the log, so that it may be torn
 * @param headTime when the epoch at the head was committed; the epoch of 1970 if none ever was
 * @param applyEpoch newer epochs are in the image neither whole nor in part
 * @param salts of the log's parts, oldest first; records before the first one's position, or with another salt, are nobody's
 */
record Superblock(
        long sequence,
        JournalIdentity identity,
        long generation,
        long ringBytes,
        boolean clean,
        boolean suspended,
        long tailPosition,
        long tailEpoch,
        long headPosition,
        long headEpoch,
        Instant headTime,
        long applyEpoch,
        List<Salt> salts) {

    /** How many attaches may have live epochs in one journal. */
    static final int SALT_COUNT_MAX = 15;

    /** Far more than any disk has; so that positions can be counted with. */
    private static final long RING_BYTES_MAX = 1L << 44;

    private static final long POSITION_MAX = 1L << 60;

    static final int SEQUENCE = 16;
    private static final int GENERATION = 40;
    private static final int RING_BYTES = 48;
    private static final int IMAGE_BYTES = 56;
    private static final int IMAGE_DEVICE = 64;
    private static final int IMAGE_INODE = 72;
    private static final int CHUNK_BYTES = 80;
    private static final int FLAGS = 84;
    private static final int TAIL_POSITION = 88;
    private static final int TAIL_EPOCH = 96;
    private static final int HEAD_POSITION = 104;
    private static final int HEAD_EPOCH = 112;
    private static final int HEAD_SECONDS = 120;
    private static final int HEAD_NANOS = 128;
    private static final int SALT_COUNT = 132;
    private static final int APPLY_EPOCH = 136;
    private static final int SALTS = 144;
    private static final int SALT_BYTES = 24;

    private static final int FLAG_CLEAN = 1;
    private static final int FLAG_SUSPENDED = 2;

    static {
        if (SALTS + SALT_COUNT_MAX * SALT_BYTES + 8 != JournalFormat.SECTOR_BYTES) {
            throw new AssertionError("a superblock is not a sector");
        }
    }

    /**
     * A random number that marks the records of one attach, so that what others left is never taken for them.
     *
     * @param position where its records begin
     * @param epochBefore the newest epoch that was committed then
     */
    record Salt(long position, long epochBefore, long value) {}

    /** The superblock of an empty journal. */
    static Superblock empty(JournalIdentity identity, long ringBytes, long lastEpoch) {
        return new Superblock(
                0,
                identity,
                0,
                ringBytes,
                true,
                false,
                0,
                lastEpoch,
                0,
                lastEpoch,
                Instant.EPOCH,
                lastEpoch,
                List.of());
    }

    Superblock withSequence(long newSequence) {
        return new Superblock(
                newSequence,
                identity,
                generation,
                ringBytes,
                clean,
                suspended,
                tailPosition,
                tailEpoch,
                headPosition,
                headEpoch,
                headTime,
                applyEpoch,
                salts);
    }

    Superblock withApplyEpoch(long newApplyEpoch) {
        return new Superblock(
                sequence,
                identity,
                generation,
                ringBytes,
                clean,
                suspended,
                tailPosition,
                tailEpoch,
                headPosition,
                headEpoch,
                headTime,
                newApplyEpoch,
                salts);
    }

    /** The salts without those of which no record is behind a position any more; the last one always stays. */
    static List<Salt> saltsFrom(List<Salt> salts, long position) {
        int first = 0;
        while (first + 1 < salts.size() && salts.get(first + 1).position() <= position) {
            first++;
        }
        return List.copyOf(salts.subList(first, salts.size()));
    }

    /** Fills a block. */
    void encode(MemorySegment block) {
        block.fill((byte) 0);
        block.set(LONG, SEQUENCE, sequence);
        JournalFormat.putUuid(block, identity.device());
        block.set(LONG, GENERATION, generation);
        block.set(LONG, RING_BYTES, ringBytes);
        block.set(LONG, IMAGE_BYTES, identity.imageBytes());
        block.set(LONG, IMAGE_DEVICE, identity.imageDevice());
        block.set(LONG, IMAGE_INODE, identity.imageInode());
        block.set(INT, CHUNK_BYTES, identity.chunkBytes());
        block.set(INT, FLAGS, (clean ? FLAG_CLEAN : 0) | (suspended ? FLAG_SUSPENDED : 0));
        block.set(LONG, TAIL_POSITION, tailPosition);
        block.set(LONG, TAIL_EPOCH, tailEpoch);
        block.set(LONG, HEAD_POSITION, headPosition);
        block.set(LONG, HEAD_EPOCH, headEpoch);
        block.set(LONG, HEAD_SECONDS, headTime.getEpochSecond());
        block.set(INT, HEAD_NANOS, headTime.getNano());
        block.set(INT, SALT_COUNT, salts.size());
        block.set(LONG, APPLY_EPOCH, applyEpoch);
        for (int i = 0; i < salts.size(); i++) {
            long at = SALTS + (long) i * SALT_BYTES;
            block.set(LONG, at, salts.get(i).position());
            block.set(LONG, at + 8, salts.get(i).epochBefore());
            block.set(LONG, at + 16, salts.get(i).value());
        }
        JournalFormat.seal(block.asSlice(0, JournalFormat.SECTOR_BYTES), JournalFormat.MAGIC_SUPERBLOCK);
        JournalFormat.repeatSector(block);
    }

    /** The superblock in a sector; null if it is none, is damaged, of another version, or says what can't be. */
    static @Nullable Superblock decode(MemorySegment sector) {
        if (!JournalFormat.isOurs(sector, JournalFormat.MAGIC_SUPERBLOCK)) {
            return null;
        }
        int flags = sector.get(INT, FLAGS);
        int saltCount = sector.get(INT, SALT_COUNT);
        int chunkBytes = sector.get(INT, CHUNK_BYTES);
        long imageBytes = sector.get(LONG, IMAGE_BYTES);
        if ((flags & ~(FLAG_CLEAN | FLAG_SUSPENDED)) != 0
                || saltCount < 0
                || saltCount > SALT_COUNT_MAX
                || !JournalIdentity.isValid(chunkBytes, imageBytes)) {
            return null;
        }
        Instant headTime = Commit.time(sector.get(LONG, HEAD_SECONDS), sector.get(INT, HEAD_NANOS));
        if (headTime == null) {
            return null;
        }
        UUID device = JournalFormat.uuid(sector);
        Superblock superblock = new Superblock(
                sector.get(LONG, SEQUENCE),
                new JournalIdentity(
                        device, chunkBytes, imageBytes, sector.get(LONG, IMAGE_DEVICE), sector.get(LONG, IMAGE_INODE)),
                sector.get(LONG, GENERATION),
                sector.get(LONG, RING_BYTES),
                (flags & FLAG_CLEAN) != 0,
                (flags & FLAG_SUSPENDED) != 0,
                sector.get(LONG, TAIL_POSITION),
                sector.get(LONG, TAIL_EPOCH),
                sector.get(LONG, HEAD_POSITION),
                sector.get(LONG, HEAD_EPOCH),
                headTime,
                sector.get(LONG, APPLY_EPOCH),
                salts(sector, saltCount));
        return superblock.isPossible() ? superblock : null;
    }

    private static List<Salt> salts(MemorySegment sector, int saltCount) {
        List<Salt> salts = new ArrayList<>(saltCount);
        for (int i = 0; i < saltCount; i++) {
            long at = SALTS + (long) i * SALT_BYTES;
            salts.add(new Salt(sector.get(LONG, at), sector.get(LONG, at + 8), sector.get(LONG, at + 16)));
        }
        return List.copyOf(salts);
    }

    /** Whether the numbers fit together, so that arithmetic with them cannot go wrong. */
    private boolean isPossible() {
        boolean possible = sequence > 0
                && ringBytes >= BLOCK_BYTES
                && ringBytes <= RING_BYTES_MAX
                && tailPosition >= 0
                && headPosition >= tailPosition
                && headPosition <= POSITION_MAX
                && headPosition - tailPosition <= ringBytes
                && tailEpoch >= 0
                && headEpoch >= tailEpoch
                && (headEpoch > tailEpoch) == (headPosition > tailPosition)
                && applyEpoch >= tailEpoch
                && (ringBytes | tailPosition | headPosition) % BLOCK_BYTES == 0;
        long before = -1;
        for (Salt salt : salts) {
            possible &= salt.position() > before && salt.position() % BLOCK_BYTES == 0 && salt.epochBefore() >= 0;
            before = salt.position();
        }
        return possible && (salts.isEmpty() || (salts.getFirst().position() <= tailPosition && before <= headPosition));
    }
}
