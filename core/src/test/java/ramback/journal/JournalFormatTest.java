package ramback.journal;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.UUID;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

/** Each record is read as it was written, and none that was damaged. */
class JournalFormatTest {

    private static JournalIdentity identity(Random random) {
        return new JournalIdentity(
                new UUID(random.nextLong(), random.nextLong()),
                4096 << random.nextInt(9),
                1 + random.nextLong(1L << 44),
                random.nextLong(),
                random.nextLong());
    }

    private static Superblock superblock(Random random) {
        long ringBytes = (256 + random.nextLong(1 << 20)) * 4096;
        long tail = random.nextLong(1L << 40) * 4096;
        long live = random.nextBoolean() ? 0 : (1 + random.nextLong(ringBytes / 4096)) * 4096;
        long tailEpoch = random.nextLong(1L << 60);
        long headEpoch = tailEpoch + (live == 0 ? 0 : 1 + random.nextLong(1000));
        List<Superblock.Salt> salts = new ArrayList<>();
        int saltCount = random.nextInt(Superblock.SALT_COUNT_MAX + 1);
        for (int i = 0; i < saltCount && (i == 0 || live >= i * 4096L); i++) {
            salts.add(new Superblock.Salt(
                    i == 0 ? tail : tail + i * 4096L, random.nextLong(Long.MAX_VALUE), random.nextLong()));
        }
        return new Superblock(
                1 + random.nextLong(1L << 60),
                identity(random),
                random.nextLong(),
                ringBytes,
                random.nextBoolean(),
                random.nextBoolean(),
                tail,
                tailEpoch,
                tail + live,
                headEpoch,
                Instant.ofEpochSecond(random.nextLong(1L << 34), random.nextInt(1_000_000_000)),
                tailEpoch + random.nextLong(1000),
                salts);
    }

    private static Commit commit(Random random) {
        return new Commit(
                new UUID(random.nextLong(), random.nextLong()),
                random.nextLong(),
                random.nextLong(),
                random.nextLong(),
                random.nextLong(),
                random.nextLong(),
                random.nextLong(),
                random.nextLong(),
                random.nextLong(),
                random.nextLong(),
                random.nextBoolean(),
                Instant.ofEpochSecond(random.nextLong(1L << 34), random.nextInt(1_000_000_000)));
    }

    private static void flip(MemorySegment segment, long bit) {
        long at = bit / 8;
        segment.set(ValueLayout.JAVA_BYTE, at, (byte) (segment.get(ValueLayout.JAVA_BYTE, at) ^ 1 << (bit % 8)));
    }

    @Property(tries = 300)
    void aSuperblockIsReadAsItWasWrittenAndNotWithAnyBitFlipped(@ForAll Random random) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment block = arena.allocate(4096);
            Superblock superblock = superblock(random);
            superblock.encode(block);
            for (int copy = 0; copy < 8; copy++) {
                assertThat(Superblock.decode(block.asSlice(copy * 512L, 512))).isEqualTo(superblock);
            }
            MemorySegment sector = block.asSlice(0, 512);
            for (int bit = random.nextInt(8); bit < 512 * 8; bit += 8) {
                flip(sector, bit);
                assertThat(Superblock.decode(sector)).as("bit %d", bit).isNull();
                flip(sector, bit);
            }
        }
    }

    @Property(tries = 300)
    void aCommitRecordIsReadAsItWasWrittenAndNotWithAnyBitFlipped(@ForAll Random random) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment block = arena.allocate(4096);
            Commit commit = commit(random);
            commit.encode(block);
            for (int copy = 0; copy < Commit.COPY_COUNT; copy++) {
                assertThat(Commit.decode(block, copy)).isEqualTo(commit);
            }
            for (int bit = random.nextInt(8); bit < 512 * 8; bit += 8) {
                flip(block, bit);
                assertThat(Commit.decode(block, 0)).as("bit %d", bit).isNull();
                assertThat(Commit.decode(block, 1)).isEqualTo(commit);
                flip(block, bit);
            }
        }
    }

    @Property(tries = 200)
    void aDescriptorIsReadAsItWasWrittenAndNotWithAnyBitFlipped(@ForAll Random random) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment block = arena.allocate(4096);
            JournalIdentity identity =
                    new JournalIdentity(new UUID(random.nextLong(), random.nextLong()), 4096, 1L << 40, 1, 2);
            Descriptor descriptor = new Descriptor(block);
            int extentCount = 1 + random.nextInt(VersionBatch.EXTENT_COUNT_MAX);
            long[] first = new long[extentCount];
            for (int i = 0; i < extentCount; i++) {
                first[i] = random.nextLong((1 << 28) - 1000); // so that an extent of 1000 ends within the image
                descriptor.extent(i, first[i], i % 2 == 0 ? 1 : 1000, i % 2 == 1);
                descriptor.checksum(i, i);
            }
            long payloadBytes = (extentCount + 1) / 2 * 4096L;
            long epoch = 1 + random.nextLong(1L << 60);
            descriptor.seal(identity.device(), 5, 8192, epoch, epoch - 1, 3, extentCount, payloadBytes);
            assertThat(descriptor.claims(5)).isTrue();
            assertThat(descriptor.claims(6)).isFalse();
            assertThat(descriptor.isValid(identity)).isTrue();
            assertThat(descriptor.extentCount()).isEqualTo(extentCount);
            assertThat(descriptor.payloadBytes()).isEqualTo(payloadBytes);
            assertThat(descriptor.position()).isEqualTo(8192);
            assertThat(descriptor.epoch()).isEqualTo(epoch);
            assertThat(descriptor.epochBefore()).isEqualTo(epoch - 1);
            assertThat(descriptor.sequence()).isEqualTo(3);
            for (int i = 0; i < extentCount; i++) {
                assertThat(descriptor.firstChunk(i)).isEqualTo(first[i]);
                assertThat(descriptor.chunkCount(i)).isEqualTo(i % 2 == 0 ? 1 : 1000);
                assertThat(descriptor.isZero(i)).isEqualTo(i % 2 == 1);
                assertThat(descriptor.checksum(i)).isEqualTo(i);
            }
            for (int bit = random.nextInt(64); bit < 4096 * 8; bit += 64) {
                flip(block, bit);
                assertThat(descriptor.isValid(identity)).as("bit %d", bit).isFalse();
                flip(block, bit);
            }
        }
    }

    @Test
    void anExtentBehindTheImageIsNoDescriptor() {
        try (Arena arena = Arena.ofConfined()) {
            JournalIdentity identity = new JournalIdentity(new UUID(1, 2), 4096, 10 * 4096 - 5, 1, 2);
            long[][] extents = {
                {9, 2, 0}, {10, 1, 0}, {-1, 1, 0}, {0, 0, 0}, {0, -1, 0}, {0, Long.MAX_VALUE, 1}, {5, 6, 1}
            };
            for (long[] extent : extents) {
                Descriptor descriptor = new Descriptor(arena.allocate(4096));
                descriptor.extent(0, extent[0], extent[1], extent[2] == 1);
                descriptor.seal(identity.device(), 1, 0, 1, 0, 0, 1, extent[2] == 1 ? 0 : extent[1] * 4096);
                assertThat(descriptor.isValid(identity))
                        .as("%d+%d", extent[0], extent[1])
                        .isFalse();
            }
        }
    }

    @Test
    void theRecordsBeginWithTheirNames() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment block = arena.allocate(4096);
            superblock(new Random(1)).encode(block);
            assertThat(block.asSlice(0, 8).toArray(ValueLayout.JAVA_BYTE))
                    .asString()
                    .isEqualTo("RAMBACKS");
            commit(new Random(1)).encode(block);
            assertThat(block.asSlice(0, 8).toArray(ValueLayout.JAVA_BYTE))
                    .asString()
                    .isEqualTo("RAMBACKC");
        }
    }
}
