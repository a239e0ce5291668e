package ramback.journal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;
import ramback.backing.BackingIoException.Operation;
import ramback.backing.MemoryBacking;
import ramback.journal.JournalScan.Verdict;

/** What recovery does to an image. */
class RecoveryTest {
    private static final Instant TIME = Instant.ofEpochSecond(1_700_000_000);

    private static CacheDisk journalOf(Stamps empty, List<Map<Integer, Long>> epochs) throws IOException {
        CacheDisk disk = new CacheDisk((int) LocalJournal.sizeBytes(4 << 20), Power.forEver());
        LocalJournal.format(disk, JournalRun.identity(empty), 0);
        try (LocalJournal journal = LocalJournal.open(disk, JournalScan.of(disk), 1, new Random(4)::nextLong)) {
            journal.fence();
            journal.applying(1);
            long epoch = 0;
            for (Map<Integer, Long> changes : epochs) {
                empty.append(journal, ++epoch, new TreeMap<>(changes), 5);
                journal.commit(epoch, TIME.plusSeconds(epoch));
            }
        }
        return disk;
    }

    @Property(tries = 150)
    void theNewestVersionOfEachChunkUpToTheEpochWins(@ForAll Random random) throws IOException {
        int chunkBytes = 4096 << random.nextInt(3);
        int chunkCount = 1 + random.nextInt(40);
        Stamps empty = new Stamps(chunkBytes, chunkCount * chunkBytes - random.nextInt(chunkBytes));
        List<Map<Integer, Long>> epochs = new ArrayList<>();
        List<Stamps> states = new ArrayList<>(List.of(empty));
        long stamp = 0;
        long budget = 3 << 20;
        for (int i = 0; i < 1 + random.nextInt(12); i++) {
            Map<Integer, Long> changes = new TreeMap<>();
            int count = random.nextInt(1 + chunkCount);
            int first = random.nextInt(chunkCount);
            boolean zero = random.nextInt(3) == 0;
            for (int k = 0; k < count; k++) {
                int chunk = random.nextInt(4) == 0 ? random.nextInt(chunkCount) : (first + k) % chunkCount;
                changes.put(chunk, zero ? 0 : ++stamp);
            }
            budget -= (long) changes.size() * (chunkBytes + 4096) + 3 * 4096;
            if (budget < 0) {
                break;
            }
            epochs.add(changes);
            states.add(states.getLast().with(changes));
        }
        CacheDisk disk = journalOf(empty, epochs);
        JournalScan scan = JournalScan.of(disk);
        assertThat(scan.lastEpoch()).isEqualTo(epochs.size());
        long to = epochs.isEmpty() ? 0 : 1 + random.nextInt(epochs.size());
        CacheDisk image = new CacheDisk(empty.imageBytes, Power.forEver());
        List<Long> progress = new ArrayList<>();
        Recovery.Outcome outcome = Recovery.run(disk, scan, image, to, true, (done, total) -> {
            progress.add(done);
            assertThat(done).isLessThanOrEqualTo(total);
        });
        assertThat(outcome.epoch()).isEqualTo(to);
        assertThat(image.content()).isEqualTo(states.get((int) to).bytes());
        assertThat(progress).isSorted();
        if (!progress.isEmpty()) {
            assertThat(progress.getLast()).isEqualTo(outcome.writtenBytes() + outcome.zeroedBytes());
        }
        JournalScan after = JournalScan.of(disk);
        assertThat(after.verdict()).isEqualTo(Verdict.CLEAN);
        assertThat(after.lastEpoch()).isEqualTo(to);
        assertThat(after.committedAt()).isEqualTo(outcome.committedAt());
    }

    @Test
    void theImageIsWrittenInAscendingOrderInLargeWrites() throws IOException {
        Stamps empty = new Stamps(4096, 256 * 4096);
        List<Map<Integer, Long>> epochs = new ArrayList<>();
        Random random = new Random(2);
        for (int epoch = 0; epoch < 8; epoch++) {
            Map<Integer, Long> changes = new TreeMap<>();
            for (int chunk = 0; chunk < 256; chunk++) {
                if (epoch == 0 || random.nextInt(6) == 0) {
                    changes.put(chunk, 1 + random.nextLong(1000));
                }
            }
            epochs.add(changes);
        }
        CacheDisk disk = journalOf(empty, epochs);
        MemoryBacking image = new MemoryBacking(empty.imageBytes);
        Recovery.run(disk, JournalScan.of(disk), image, 8, true, (done, total) -> {});
        // Every chunk was changed: one write carries them all, then one sync.
        assertThat(image.calls().stream().map(MemoryBacking.Call::operation))
                .containsExactly(Operation.WRITE, Operation.SYNC);
        assertThat(image.calls().getFirst().lengthBytes()).isEqualTo(empty.imageBytes);
    }

    @Test
    void aFailingImageLeavesTheJournalAsItWas() throws IOException {
        Stamps empty = new Stamps(4096, 8 * 4096);
        CacheDisk disk = journalOf(empty, List.of(Map.of(1, 1L, 2, 2L), Map.of(2, 3L)));
        CacheDisk image = new CacheDisk(empty.imageBytes, Power.forEver());
        image.failSync(1, true);
        assertThatThrownBy(() -> Recovery.run(disk, JournalScan.of(disk), image, 2, false, (done, total) -> {}))
                .isInstanceOf(IOException.class);
        assertThat(JournalScan.of(disk).verdict()).isEqualTo(Verdict.EPOCHS);
        Recovery.run(disk, JournalScan.of(disk), image, 2, false, (done, total) -> {});
        assertThat(image.survivors(CacheDisk.Survival.NONE, new Random(1)))
                .isEqualTo(empty.with(Map.of(1, 1L, 2, 3L)).bytes());
    }

    @Test
    void anImageOfAnotherSizeIsRefused() throws IOException {
        Stamps empty = new Stamps(4096, 8 * 4096);
        CacheDisk disk = journalOf(empty, List.of(Map.of(1, 1L)));
        byte[] before = disk.content();
        CacheDisk image = new CacheDisk(empty.imageBytes + 1, Power.forEver());
        assertThatThrownBy(() -> Recovery.run(disk, JournalScan.of(disk), image, 1, false, (done, total) -> {}))
                .isInstanceOf(IllegalArgumentException.class);
        assertThat(Arrays.equals(before, disk.content())).isTrue();
    }

    @Test
    void whatCannotBeRecoveredIsRefused() throws IOException {
        CacheDisk nothing = new CacheDisk(1 << 20, Power.forEver());
        CacheDisk image = new CacheDisk(4096, Power.forEver());
        assertThatThrownBy(() -> Recovery.run(nothing, JournalScan.of(nothing), image, 0, true, (done, total) -> {}))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> Recovery.discard(nothing, JournalScan.of(nothing)))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> LocalJournal.open(nothing, JournalScan.of(nothing), 1, () -> 1))
                .isInstanceOf(IllegalArgumentException.class);
    }
}
