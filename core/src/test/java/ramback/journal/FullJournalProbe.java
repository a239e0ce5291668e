package ramback.journal;

import static ramback.journal.JournalFormat.BLOCK_BYTES;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.time.Instant;
import java.util.List;
import java.util.Objects;
import java.util.UUID;
import java.util.zip.CRC32C;
import ramback.backing.Backing;

/**
 * Scans a journal that is full of the smallest epochs, and recovers from it. Run by {@link JournalScanTest} in a process of its own,
 * with a small heap.
 */
final class FullJournalProbe {
    private static final UUID DEVICE = new UUID(1, 2);
    private static final long SALT = 77;

    /** Of 4 KiB; data is in the first half of the image, zeroes in the second. */
    private static final long CHUNK_COUNT = 1 << 24;

    private static final int EPOCH_BYTES = 3 * BLOCK_BYTES;

    private FullJournalProbe() {}

    private static void expect(String what, Object actual, Object expected) {
        if (!expected.equals(actual)) {
            throw new AssertionError(what + ": " + actual + " instead of " + expected);
        }
    }

    /** Takes how many epochs, each with a chunk of data, and how many extents of zeroes in each. */
    public static void main(String[] arguments) throws IOException {
        long epochCount = Long.parseLong(arguments[0]);
        int zeroCount = Integer.parseInt(arguments[1]);
        FullDisk disk = new FullDisk(epochCount, zeroCount);
        long start = System.nanoTime();
        try (JournalScan scan = JournalScan.of(disk)) {
            long scanned = System.nanoTime();
            expect("verdict", scan.verdict(), JournalScan.Verdict.EPOCHS);
            expect("epochs", (long) scan.epochCount(), epochCount);
            expect("versions", scan.versionCount(), epochCount * (1 + zeroCount));
            NoImage image = new NoImage();
            Recovery.Outcome outcome =
                    Recovery.run(disk, scan, image, scan.lastEpoch(), false, (doneBytes, totalBytes) -> {});
            expect("written", outcome.writtenBytes(), epochCount * BLOCK_BYTES);
            expect("zeroed", outcome.zeroedBytes(), epochCount * zeroCount * BLOCK_BYTES);
            System.out.printf(
                    "scanned in %d ms, recovered in %d ms%n",
                    (scanned - start) / 1_000_000, (System.nanoTime() - scanned) / 1_000_000);
        }
        System.out.println("all well");
    }

    /** A different chunk of a half of the image for each number. */
    private static long scattered(long number) {
        return number * 5_000_011 % (CHUNK_COUNT / 2);
    }

    /** A disk of which only the header is kept; the ring is made up as it is read. */
    private static class FullDisk implements Backing {
        private final long epochCount;
        private final int zeroCount;
        private final CacheDisk header = new CacheDisk(JournalFormat.HEADER_BYTES, Power.forEver());
        private final CRC32C crc = new CRC32C();

        /** The last descriptor's. */
        private long describedEpoch;

        private int descriptorChecksum;

        FullDisk(long epochCount, int zeroCount) throws IOException {
            this.epochCount = epochCount;
            this.zeroCount = zeroCount;
            Superblock superblock = new Superblock(
                    1,
                    new JournalIdentity(DEVICE, BLOCK_BYTES, CHUNK_COUNT * BLOCK_BYTES, 1, 1),
                    1,
                    epochCount * EPOCH_BYTES,
                    false,
                    false,
                    0,
                    0,
                    0,
                    0,
                    Instant.EPOCH,
                    0,
                    List.of(new Superblock.Salt(0, 0, SALT)));
            new JournalFile(header, superblock.ringBytes()).writeSlot(0, superblock);
        }

        @Override
        public void read(long offsetBytes, MemorySegment into) throws IOException {
            if (offsetBytes < header.sizeBytes()) {
                header.read(offsetBytes, into);
                return;
            }
            for (long at = 0; at < into.byteSize(); at += BLOCK_BYTES) {
                long position = offsetBytes + at - JournalFormat.HEADER_BYTES;
                long epoch = position / EPOCH_BYTES + 1;
                MemorySegment block = into.asSlice(at, BLOCK_BYTES);
                switch ((int) (position % EPOCH_BYTES / BLOCK_BYTES)) {
                    case 0 -> describe(epoch, block);
                    case 1 -> fill(epoch, block);
                    default -> end(epoch, block);
                }
            }
        }

        private static void fill(long epoch, MemorySegment block) {
            block.fill((byte) 0);
            block.set(JournalFormat.LONG, 8, epoch);
        }

        private void describe(long epoch, MemorySegment block) {
            fill(epoch, block);
            crc.reset();
            crc.update(block.asByteBuffer());
            Descriptor descriptor = new Descriptor(block);
            descriptor.clear();
            descriptor.extent(0, scattered(epoch), 1, false);
            descriptor.checksum(0, (int) crc.getValue());
            for (int i = 0; i < zeroCount; i++) {
                descriptor.extent(i + 1, CHUNK_COUNT / 2 + scattered(epoch * zeroCount + i), 1, true);
            }
            descriptor.seal(DEVICE, SALT, (epoch - 1) * EPOCH_BYTES, epoch, epoch - 1, 0, 1 + zeroCount, BLOCK_BYTES);
            describedEpoch = epoch;
            descriptorChecksum = descriptor.checksum();
        }

        private void end(long epoch, MemorySegment block) {
            if (epoch != describedEpoch) {
                describe(epoch, block);
            }
            long firstPosition = (epoch - 1) * EPOCH_BYTES;
            new Commit(
                            DEVICE,
                            SALT,
                            firstPosition + 2 * BLOCK_BYTES,
                            epoch,
                            epoch - 1,
                            firstPosition,
                            1,
                            1,
                            zeroCount,
                            JournalFormat.extendHash(0, descriptorChecksum),
                            false,
                            Instant.ofEpochSecond(epoch))
                    .encode(block);
        }

        @Override
        public String uri() {
            return "full:";
        }

        @Override
        public long sizeBytes() {
            return JournalFormat.HEADER_BYTES + epochCount * EPOCH_BYTES;
        }

        @Override
        public int alignmentBytes() {
            return 1;
        }

        @Override
        public boolean readOnly() {
            return false;
        }

        @Override
        public void write(long offsetBytes, MemorySegment from) throws IOException {
            header.write(offsetBytes, from);
        }

        @Override
        public void zero(long offsetBytes, long lengthBytes) throws IOException {
            header.zero(offsetBytes, lengthBytes);
        }

        @Override
        public void sync() throws IOException {
            header.sync();
        }

        @Override
        public long nextDataOffset(long fromBytes) {
            return fromBytes;
        }

        @Override
        public long nextHoleOffset(long fromBytes) {
            return sizeBytes();
        }

        @Override
        public void close() {
            // Nothing is open.
        }
    }

    /** An image that takes what is written and forgets it. */
    private static final class NoImage extends FullDisk {
        NoImage() throws IOException {
            super(1, 0);
        }

        @Override
        public long sizeBytes() {
            return CHUNK_COUNT * BLOCK_BYTES;
        }

        @Override
        public void write(long offsetBytes, MemorySegment from) {
            Objects.checkFromIndexSize(offsetBytes, from.byteSize(), sizeBytes());
        }

        @Override
        public void zero(long offsetBytes, long lengthBytes) {
            Objects.checkFromIndexSize(offsetBytes, lengthBytes, sizeBytes());
        }
    }
}
