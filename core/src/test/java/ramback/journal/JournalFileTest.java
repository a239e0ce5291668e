package ramback.journal;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Arrays;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import ramback.backing.FileBacking;
import ramback.journal.JournalScan.Verdict;

/** A journal in a real file, accessed as a real one is. */
class JournalFileTest {
    private static final Stamps EMPTY = new Stamps(64 << 10, 40 * (64 << 10) - 513);

    private Path dir;
    private Path journalPath;
    private Path imagePath;

    @BeforeEach
    void makeDirectory() throws IOException {
        Path target = Path.of("target");
        dir = Files.isDirectory(target)
                ? Files.createTempDirectory(target.toAbsolutePath(), "journal-test")
                : Files.createTempDirectory("journal-test");
        journalPath = dir.resolve("disk.img.journal");
        imagePath = dir.resolve("disk.img");
    }

    @AfterEach
    void removeDirectory() throws IOException {
        Files.deleteIfExists(journalPath);
        Files.deleteIfExists(imagePath);
        Files.delete(dir);
    }

    @Test
    void epochsGoRoundAFileAndComeBackFromIt() throws IOException {
        try (FileBacking file = FileBacking.create(journalPath, LocalJournal.sizeBytes(3 << 20))) {
            LocalJournal.fill(file, done -> {});
            LocalJournal.format(file, JournalRun.identity(EMPTY), 0);
        }
        FileBacking.create(imagePath, EMPTY.imageBytes).close();
        Random random = new Random(6);
        Stamps now = EMPTY;
        Stamps inImage = EMPTY;
        for (int start = 0; start < 3; start++) {
            FileBacking file = FileBacking.open(journalPath, false);
            try (LocalJournal journal =
                            LocalJournal.open(file, JournalScan.of(file), start, new Random(start)::nextLong);
                    FileBacking image = FileBacking.open(imagePath, false)) {
                journal.fence();
                for (int i = 0; i < 6; i++) {
                    Map<Integer, Long> changes = new TreeMap<>();
                    int first = random.nextInt(40);
                    for (int k = 0; k < 12; k++) {
                        changes.put((first + k) % 40, random.nextInt(5) == 0 ? 0 : random.nextLong(1L << 40));
                    }
                    long epoch = journal.headEpoch() + 1;
                    now.append(journal, epoch, new TreeMap<>(changes), 4);
                    journal.commit(epoch, Instant.ofEpochSecond(epoch));
                    now = now.with(changes);
                    if (journal.usedBytes() > journal.capacityBytes() / 2) {
                        write(image, inImage, now);
                        inImage = now;
                        journal.truncate(epoch);
                    }
                }
            }
        }
        try (FileBacking file = FileBacking.open(journalPath, false);
                FileBacking image = FileBacking.open(imagePath, false)) {
            JournalScan scan = JournalScan.of(file);
            assertThat(scan.lastEpoch()).isEqualTo(18);
            Recovery.run(file, scan, image, 18, false, (done, total) -> {});
            assertThat(Arrays.mismatch(JournalRun.read(image), now.bytes())).isEqualTo(-1);
            assertThat(JournalScan.of(file).verdict()).isEqualTo(Verdict.CLEAN);
        }
        assertThat(Files.size(imagePath)).isEqualTo(EMPTY.imageBytes);
    }

    private static void write(FileBacking image, Stamps before, Stamps after) throws IOException {
        try (java.lang.foreign.Arena arena = java.lang.foreign.Arena.ofConfined()) {
            for (int chunk = 0; chunk < after.chunkCount(); chunk++) {
                if (before.get(chunk) != after.get(chunk)) {
                    long offset = (long) chunk * after.chunkBytes;
                    image.write(
                            offset,
                            arena.allocateFrom(java.lang.foreign.ValueLayout.JAVA_BYTE, after.chunk(after.get(chunk)))
                                    .asSlice(0, Math.min(after.chunkBytes, image.sizeBytes() - offset)));
                }
            }
        }
        image.sync();
    }

    @Test
    void aFileOpenForReadingOnlyIsJudged() throws IOException {
        try (FileBacking file = FileBacking.create(journalPath, LocalJournal.sizeBytesMin())) {
            LocalJournal.format(file, JournalRun.identity(EMPTY), 7);
        }
        try (FileBacking file = FileBacking.open(journalPath, true)) {
            assertThat(JournalScan.of(file).verdict()).isEqualTo(Verdict.CLEAN);
            assertThat(JournalScan.of(file).lastEpoch()).isEqualTo(7);
        }
    }
}
