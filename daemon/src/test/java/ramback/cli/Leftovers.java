package ramback.cli;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.UUID;
import java.util.stream.Stream;
import java.util.zip.CRC32C;
import ramback.backing.FileBacking;
import ramback.journal.ImageChecksums;
import ramback.journal.JournalIdentity;
import ramback.journal.JournalScan;
import ramback.journal.LocalJournal;
import ramback.journal.StateFile;
import ramback.journal.StateFileStore;
import ramback.journal.VersionBatch;
import ramback.posix.FileStatus;

/**
 * What a crash, a careless copy or a bad disk leaves of a device: image, journal and state file, made for real. Epoch n fills chunk n
 * and chunk 0 with the byte n; the image has none of them.
 */
final class Leftovers {

    static final int CHUNK_BYTES = 4096;
    static final int IMAGE_BYTES = 64 * CHUNK_BYTES;
    static final Instant TIME = Instant.parse("2026-01-02T03:04:05Z");

    final Path image;
    final Path journal;
    final Path state;
    final UUID device = new UUID(1, 2);

    Leftovers(Path image) {
        this.image = image;
        this.journal = image.resolveSibling(image.getFileName() + ".journal");
        this.state = image.resolveSibling(image.getFileName() + ".ramback");
    }

    /** An image of zeroes. */
    Leftovers image() throws IOException {
        Files.write(image, new byte[IMAGE_BYTES]);
        return this;
    }

    /** A journal of this generation with epochs 1 to n, as a crash leaves it. */
    Leftovers journal(long generation, int epochCount) throws IOException {
        return journal(generation, epochCount, false);
    }

    Leftovers journal(long generation, int epochCount, boolean isSuspended) throws IOException {
        FileStatus status;
        try (FileBacking open = FileBacking.open(image, true)) {
            status = open.status();
        }
        JournalIdentity identity =
                new JournalIdentity(device, CHUNK_BYTES, IMAGE_BYTES, status.device(), status.inode());
        try (FileBacking backing = FileBacking.create(journal, 2 << 20)) {
            LocalJournal.format(backing, identity, 0);
            LocalJournal log =
                    LocalJournal.open(backing, JournalScan.of(backing), generation, new Random(generation)::nextLong);
            log.fence();
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment payload = arena.allocate(2 * CHUNK_BYTES, CHUNK_BYTES);
                for (int epoch = 1; epoch <= epochCount; epoch++) {
                    payload.fill((byte) epoch);
                    VersionBatch batch = new VersionBatch();
                    batch.add(0, 1, false);
                    batch.add(epoch, 1, false);
                    batch.payload(payload);
                    log.applying(0);
                    log.append(epoch, batch);
                    log.commit(epoch, TIME.plusSeconds(epoch));
                }
            }
            if (isSuspended) {
                log.suspend();
            }
            log.close();
        }
        return this;
    }

    /** A state file that says the image is being served. */
    Leftovers served(String mode, boolean withJournal, long generation, long before) throws IOException {
        write(new StateFile(
                device, generation, before, mode, withJournal ? journal.toString() : null, null, "b007", null));
        return this;
    }

    /** A state file that says the image is clean, and checksums that say nothing more. */
    Leftovers clean(long generation) throws IOException {
        FileStatus status;
        try (FileBacking open = FileBacking.open(image, true)) {
            status = open.status();
        }
        write(new StateFile(
                device,
                generation,
                0,
                "writeback",
                journal.toString(),
                null,
                "b007",
                new StateFile.CleanImage(IMAGE_BYTES, status.modifiedNanos(), status.changedNanos())));
        new StateFileStore(state, null)
                .replaceChecksums(ImageChecksums.unknown(IMAGE_BYTES).encode(device, generation));
        return this;
    }

    private void write(StateFile content) throws IOException {
        new StateFileStore(state, null).replace(content.encode());
    }

    /** Served with a journal of three epochs that the image lacks, and killed. */
    static Leftovers ofACrash(Path image) throws IOException {
        return new Leftovers(image).image().journal(7, 3).served("writeback", true, 7, 0);
    }

    // ---------------------------------------------------------------------------------------------- damage

    void flipByte(Path file, long offset) throws IOException {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            ByteBuffer one = ByteBuffer.allocate(1);
            channel.read(one, offset);
            one.put(0, (byte) (one.get(0) ^ 0x40)).flip();
            channel.write(one, offset);
        }
    }

    /** Where in the journal the bytes lie that an epoch wrote to its own chunk. */
    long offsetOfPayload(int epoch) throws IOException {
        byte[] bytes = Files.readAllBytes(journal);
        for (int at = 64 << 10; at + CHUNK_BYTES <= bytes.length; at += CHUNK_BYTES) {
            if (isFilled(bytes, at, (byte) epoch)) {
                return at + 100;
            }
        }
        throw new IOException("no payload of epoch " + epoch);
    }

    private static boolean isFilled(byte[] bytes, int at, byte value) {
        for (int i = at; i < at + CHUNK_BYTES; i++) {
            if (bytes[i] != value) {
                return false;
            }
        }
        return true;
    }

    /** Gives both superblocks, in all their copies, another version with the checksum that fits it. */
    void setJournalVersion(int version) throws IOException {
        byte[] bytes = Files.readAllBytes(journal);
        MemorySegment file = MemorySegment.ofArray(bytes);
        ValueLayout.OfInt number = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
        for (int slot = 0; slot < 64 << 10; slot += 32 << 10) {
            for (int sector = slot; sector < slot + 4096; sector += 512) {
                file.set(number, sector + 8, version);
                CRC32C crc = new CRC32C();
                crc.update(bytes, sector, 12);
                crc.update(bytes, sector + 16, 512 - 16);
                file.set(number, sector + 12, (int) crc.getValue());
            }
        }
        Files.write(journal, bytes);
    }

    /** Leaves no superblock whole, in no copy. */
    void damageSuperblocks() throws IOException {
        for (int slot = 0; slot < 64 << 10; slot += 32 << 10) {
            for (int sector = slot; sector < slot + 4096; sector += 512) {
                flipByte(journal, sector + 200);
            }
        }
    }

    void truncateJournal(long sizeBytes) throws IOException {
        try (FileChannel channel = FileChannel.open(journal, StandardOpenOption.WRITE)) {
            channel.truncate(sizeBytes);
        }
    }

    // ---------------------------------------------------------------------------------------------- looks

    /** How often a start had to go on without acknowledged writes, as a state file has it. */
    static long exportGeneration(Path state) throws IOException {
        return StateFile.decode(Files.readAllBytes(state)) instanceof StateFile.Reading.Whole(StateFile whole)
                ? whole.exportGeneration()
                : -1;
    }

    /** The first byte of a chunk of the image. */
    int imageByte(int chunk) throws IOException {
        byte[] bytes = Files.readAllBytes(image);
        byte value = bytes[chunk * CHUNK_BYTES];
        if (!isFilled(bytes, chunk * CHUNK_BYTES, value)) {
            throw new IOException("chunk " + chunk + " is torn");
        }
        return value;
    }

    /** Everything in a directory: names, bytes and times, by which any change is seen. */
    static Map<String, String> contents(Path directory) throws IOException {
        Map<String, String> contents = new TreeMap<>();
        try (Stream<Path> files = Files.list(directory)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                CRC32C crc = new CRC32C();
                crc.update(Files.readAllBytes(file));
                contents.put(
                        file.getFileName().toString(),
                        Files.size(file) + " bytes, " + crc.getValue() + ", of " + Files.getLastModifiedTime(file));
            }
        }
        return contents;
    }
}
