package ramback.journal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Arrays;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

/** What a scan holds, and for how long. */
class JournalScanTest {

    @Test
    void aJournalFullOfTheSmallestEpochsIsCheckedAndRecoveredInASmallHeap() throws Exception {
        // 2.3 GiB of ring, 1.4 million extents; of the heap that 'recover' has, a quarter.
        Process probe = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-Xmx32m",
                        "-XX:+UseSerialGC",
                        "-XX:+ExitOnOutOfMemoryError",
                        "-cp",
                        System.getProperty("java.class.path"),
                        FullJournalProbe.class.getName(),
                        "200000",
                        "6")
                .redirectErrorStream(true)
                .start();
        String output = new String(probe.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(probe.waitFor()).as(output).isZero();
        assertThat(output).endsWith("all well\n");
    }

    @Test
    void numbersAreSortedWhateverTheirCount() {
        for (int count : new int[] {0, 1, 1000, 1 << 18, (1 << 18) + 1, 3 << 18, 1_234_567}) {
            long[] numbers = new Random(count).longs(count).toArray();
            try (SortedNumbers sorted = new SortedNumbers(count, i -> numbers[i])) {
                Arrays.sort(numbers);
                assertThat(sorted.count()).isEqualTo(count);
                for (int i = 0; i < count; i++) {
                    if (sorted.get(i) != numbers[i]) {
                        assertThat(sorted.get(i))
                                .as("number %d of %d", i, count)
                                .isEqualTo(numbers[i]);
                    }
                }
            }
        }
    }

    @Test
    void whatAScanSaysOfTheWholeStaysWhenItIsClosed() throws IOException {
        CacheDisk disk = new CacheDisk((int) LocalJournal.sizeBytes(4 << 20), Power.forEver());
        Stamps empty = new Stamps(4096, 10 * 4096);
        Instant time = Instant.ofEpochSecond(1_700_000_000);
        LocalJournal.format(disk, JournalRun.identity(empty), 0);
        try (LocalJournal journal = LocalJournal.open(disk, JournalScan.of(disk), 1, new Random(4)::nextLong)) {
            journal.fence();
            for (long epoch = 1; epoch <= 3; epoch++) {
                empty.append(journal, epoch, new TreeMap<>(Map.of(1, 5L, 4, 0L)), 5);
                journal.commit(epoch, time.plusSeconds(epoch));
            }
        }
        JournalScan scan = JournalScan.of(disk);
        assertThat(scan.committedAt(2)).contains(time.plusSeconds(2));
        assertThat(scan.committedAt(4)).isEmpty();
        scan.close();
        scan.close();
        assertThat(scan.verdict()).isEqualTo(JournalScan.Verdict.EPOCHS);
        assertThat(scan.epochCount()).isEqualTo(3);
        assertThat(scan.firstEpoch()).isEqualTo(1);
        assertThat(scan.lastEpoch()).isEqualTo(3);
        assertThat(scan.exactFromEpoch()).isEqualTo(3);
        assertThat(scan.usedBytes()).isEqualTo(3 * 3 * 4096);
        assertThat(scan.versionCount()).isEqualTo(6);
        assertThat(scan.dataBytes()).isEqualTo(3 * 4096);
        assertThat(scan.committedAt()).contains(time.plusSeconds(3));
        assertThatThrownBy(() -> scan.committedAt(2)).isInstanceOf(IllegalStateException.class);
        CacheDisk image = new CacheDisk(empty.imageBytes, Power.forEver());
        assertThatThrownBy(() -> Recovery.run(disk, scan, image, 3, false, (done, total) -> {}))
                .isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(() -> LocalJournal.open(disk, scan, 2, () -> 1)).isInstanceOf(IllegalStateException.class);
    }
}
