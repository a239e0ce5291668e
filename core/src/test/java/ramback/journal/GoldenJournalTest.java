package ramback.journal;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.UUID;
import java.util.function.LongSupplier;
import org.junit.jupiter.api.Test;
import ramback.journal.JournalScan.Verdict;

/**
 * A journal of format version 1, kept as text: every later version of the program must read it. To print what today's program writes:
 * {@code java -cp core/target/test-classes:core/target/classes ramback.journal.GoldenJournalTest}.
 */
class GoldenJournalTest {
    private static final int CHUNK_BYTES = 4096;
    private static final int IMAGE_BYTES = 5 * CHUNK_BYTES - 1000;
    private static final int RING_BYTES = 64 << 10;
    private static final UUID DEVICE = UUID.fromString("6f1c1d0e-52a4-4b7c-9d3e-0a1b2c3d4e5f");
    private static final String RESOURCE = "journal-v1.txt";

    /** Prints the journal as today's program writes it. */
    public static void main(String[] args) throws IOException {
        HexDump.of(write()).forEach(System.out::println);
    }

    private static byte[] write() throws IOException {
        CacheDisk disk = new CacheDisk(JournalFormat.HEADER_BYTES + RING_BYTES, Power.forEver());
        JournalIdentity identity = new JournalIdentity(DEVICE, CHUNK_BYTES, IMAGE_BYTES, 0x803, 1234);
        LocalJournal.format(disk, identity, 0, RING_BYTES);
        long[] salt = {0x1111_1111_1111_1111L};
        LongSupplier salts = () -> salt[0] += 0x1111_1111_1111_1111L;
        try (LocalJournal journal = LocalJournal.open(disk, JournalScan.of(disk), 101, salts)) {
            journal.fence();
            journal.applying(1);
            append(journal, 1, 0, "AB", 3);
            journal.commit(1, Instant.ofEpochSecond(1_767_225_600, 1));
            append(journal, 2, 1, "C", -1);
            journal.barrier();
            append(journal, 2, 4, "D", -1);
            journal.commit(2, Instant.ofEpochSecond(1_767_225_601, 2));
            journal.truncate(1);
        }
        try (LocalJournal journal = LocalJournal.open(disk, JournalScan.of(disk), 102, salts)) {
            journal.fence();
            journal.applying(2);
            append(journal, 4, 0, "E", 2);
            journal.commit(4, Instant.ofEpochSecond(1_767_225_602, 500_000_000));
            append(journal, 5, 0, "F", -1);
            journal.barrier();
        }
        return disk.content();
    }

    /** Neighbours that hold one letter each, and a chunk of zeroes. */
    private static void append(LocalJournal journal, long epoch, int firstChunk, String letters, int zeroChunk)
            throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            VersionBatch batch = new VersionBatch();
            MemorySegment payload = arena.allocate((long) letters.length() * CHUNK_BYTES, CHUNK_BYTES);
            for (int i = 0; i < letters.length(); i++) {
                payload.asSlice((long) i * CHUNK_BYTES, CHUNK_BYTES).fill((byte) letters.charAt(i));
            }
            batch.add(firstChunk, letters.length(), false);
            batch.payload(payload);
            if (zeroChunk >= 0) {
                batch.add(zeroChunk, 1, true);
            }
            journal.append(epoch, batch);
        }
    }

    /** The image before: epoch 1 has been applied, and what the image held before is gone. */
    private static byte[] image(String letters) {
        byte[] image = new byte[IMAGE_BYTES];
        for (int at = 0; at < image.length; at++) {
            char letter = letters.charAt(at / CHUNK_BYTES);
            image[at] = (byte) (letter == '0' ? 0 : letter);
        }
        return image;
    }

    private static List<String> golden() throws IOException {
        try (InputStream in = GoldenJournalTest.class.getResourceAsStream(RESOURCE)) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8)
                    .lines()
                    .filter(line -> !line.startsWith("#") && !line.isBlank())
                    .toList();
        }
    }

    @Test
    void aJournalOfVersion1IsRead() throws IOException {
        CacheDisk disk = new CacheDisk(HexDump.parse(golden()), Power.forEver());
        JournalScan scan = JournalScan.of(disk);
        assertThat(scan.verdict()).isEqualTo(Verdict.EPOCHS);
        assertThat(scan.version()).isEqualTo(1);
        assertThat(scan.identity()).contains(new JournalIdentity(DEVICE, CHUNK_BYTES, IMAGE_BYTES, 0x803, 1234));
        assertThat(scan.generation()).isEqualTo(102);
        assertThat(scan.retiredEpoch()).isEqualTo(1);
        assertThat(scan.firstEpoch()).isEqualTo(2);
        assertThat(scan.lastEpoch()).isEqualTo(4);
        assertThat(scan.epochCount()).isEqualTo(2);
        assertThat(scan.versionCount()).isEqualTo(4);
        assertThat(scan.dataBytes()).isEqualTo(3 * CHUNK_BYTES);
        assertThat(scan.exactFromEpoch()).isEqualTo(2);
        assertThat(scan.committedAt()).contains(Instant.ofEpochSecond(1_767_225_602, 500_000_000));
        CacheDisk image = new CacheDisk(image("ABx0z"), Power.forEver());
        Recovery.run(disk, scan, image, 4, false, (done, total) -> {});
        assertThat(image.content()).isEqualTo(image("EC00D"));
    }

    @Test
    void anOlderEpochOfVersion1IsRead() throws IOException {
        CacheDisk disk = new CacheDisk(HexDump.parse(golden()), Power.forEver());
        CacheDisk image = new CacheDisk(image("ABx0z"), Power.forEver());
        Recovery.run(disk, JournalScan.of(disk), image, 2, false, (done, total) -> {});
        assertThat(image.content()).isEqualTo(image("ACx0D"));
    }

    @Test
    void todaysJournalIsByteForByteOfVersion1() throws IOException {
        assertThat(HexDump.of(write())).isEqualTo(golden());
    }

    @Test
    void theExamplesOfTheFormatsPageAreFromThatJournal() throws IOException {
        List<String> page = Files.readAllLines(root().resolve("docs/journal-format.md"));
        List<String> rows = new ArrayList<>();
        for (String line : page) {
            if (line.matches("[0-9a-f]{8}  [0-9a-f]{2} .*\\|.*\\|")) {
                rows.add(line);
            }
        }
        assertThat(rows).hasSizeGreaterThan(20);
        byte[] bytes = HexDump.parse(golden());
        for (String row : rows) {
            int at = Integer.parseInt(row.substring(0, 8), 16);
            byte[] expected = Arrays.copyOfRange(bytes, at, at + 16);
            assertThat(row)
                    .isEqualTo(HexDump.of(expected).getFirst().replace("00000000  ", row.substring(0, 8) + "  "));
        }
    }

    private static Path root() {
        Path directory = Path.of("").toAbsolutePath();
        while (!Files.exists(directory.resolve("docs"))) {
            directory = directory.getParent();
        }
        return directory;
    }
}
