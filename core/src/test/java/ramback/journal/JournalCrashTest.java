package ramback.journal;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.util.Optional;
import java.util.Random;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import ramback.mutant.Mutant;

/** Whenever the power is cut and whatever survives, the image comes back as it was at the end of an epoch. */
@Timeout(value = 10, unit = TimeUnit.MINUTES)
class JournalCrashTest {
    private static final int SAMPLES_A_POINT = 26;

    /** Stamps count up, so that no two versions are alike; some are zeroes. */
    private static SortedMap<Integer, Long> changes(Random random, long[] stamp) {
        SortedMap<Integer, Long> changes = new TreeMap<>();
        int first = random.nextInt(12);
        int count = 1 + random.nextInt(5);
        for (int i = 0; i < count; i++) {
            int chunk = random.nextInt(3) == 0 ? random.nextInt(12) : (first + i) % 12;
            changes.put(chunk, random.nextInt(5) == 0 ? 0 : ++stamp[0]);
        }
        return changes;
    }

    private static void everything(JournalRun run, Random random) throws IOException {
        long[] stamp = {1};
        run.attach();
        for (int round = 0; round < 4; round++) {
            run.epoch(changes(random, stamp), false, random.nextBoolean());
            run.epoch(changes(random, stamp), true, random.nextBoolean());
            run.applyAndRetireOldest();
            run.epoch(changes(random, stamp), random.nextBoolean(), random.nextBoolean());
            switch (round) {
                case 0 -> run.attach();
                case 1 -> run.suspendAndResume(changes(random, stamp), changes(random, stamp));
                case 2 -> run.restart();
                default -> run.apply();
            }
            run.epochAndApply(changes(random, stamp));
        }
    }

    /** Equal epochs, so that after a lap old records lie exactly where new ones would. */
    private static void laps(JournalRun run, Random random) throws IOException {
        long[] stamp = {1};
        run.attach();
        for (int i = 0; i < 16; i++) {
            SortedMap<Integer, Long> changes = new TreeMap<>();
            for (int chunk = 0; chunk < 7; chunk++) {
                changes.put(chunk, ++stamp[0]);
            }
            // Two descriptors, seven chunks, a commit record: 40 KiB. Four epochs fill the ring.
            if (i >= 4) {
                run.applyAndRetireOldest();
            }
            run.epoch(changes, true, false);
        }
    }

    @AfterEach
    void plantNothing() {
        Mutant.plant(null);
    }

    @Test
    void everyPowerCutLeavesACommittedEpoch() throws IOException {
        for (long seed = 1; seed <= 3; seed++) {
            boolean told = seed % 2 == 0;
            assertThat(new CrashExplorer(JournalCrashTest::everything, seed, told, SAMPLES_A_POINT).explore(1))
                    .isEmpty();
        }
    }

    @Test
    void everyPowerCutInLaterLapsLeavesACommittedEpoch() throws IOException {
        assertThat(new CrashExplorer(JournalCrashTest::laps, 1, true, SAMPLES_A_POINT).explore(1))
                .isEmpty();
    }

    @Test
    void everyFailingSyncIsSurvived() throws IOException {
        assertThat(failingSyncs(37)).isEmpty();
    }

    private static Optional<CrashExplorer.Violation> failingSyncs(int stride) throws IOException {
        int syncCount = CrashExplorer.journalSyncCount(JournalCrashTest::everything, 5, true);
        for (int sync = 3; sync <= syncCount; sync++) {
            for (boolean drops : new boolean[] {true, false}) {
                Optional<CrashExplorer.Violation> violation = new CrashExplorer(
                                JournalCrashTest::everything, 5, true, 13)
                        .failing(sync, drops, 0, sync % 4)
                        .explore(stride);
                if (violation.isPresent()) {
                    return violation;
                }
            }
        }
        return Optional.empty();
    }

    @Test
    void everyFailingWriteIsSurvived() throws IOException {
        int writeCount = CrashExplorer.journalWriteCount(JournalCrashTest::everything, 6, false);
        for (int write = 3; write <= writeCount; write++) {
            assertThat(new CrashExplorer(JournalCrashTest::everything, 6, false, 13)
                            .failing(0, false, write, 0)
                            .explore(41))
                    .isEmpty();
        }
    }

    @ParameterizedTest
    @EnumSource(
            value = Mutant.class,
            names = {
                "NO_JOURNAL_FSYNC",
                "NO_PAYLOAD_SYNC",
                "SINGLE_SUPERBLOCK",
                "REUSE_EARLY",
                "SALT_KEPT",
                "NO_EPOCH_TAG",
                "OLDEST_VERSION_WINS",
                "RECOVER_NO_IMAGE_FSYNC"
            })
    void aPowerCutFindsTheMutant(Mutant mutant) throws IOException {
        Mutant.plant(mutant);
        Optional<CrashExplorer.Violation> violation =
                new CrashExplorer(JournalCrashTest::everything, 1, true, SAMPLES_A_POINT).explore(1);
        if (violation.isEmpty()) {
            violation = new CrashExplorer(JournalCrashTest::laps, 1, true, SAMPLES_A_POINT).explore(1);
        }
        assertThat(violation).as("%s", mutant).isPresent();
    }

    @ParameterizedTest
    @EnumSource(
            value = Mutant.class,
            names = {"RETRY_FSYNC", "SWALLOWED_FSYNC_ERROR"})
    void aFailingSyncFindsTheMutant(Mutant mutant) throws IOException {
        Mutant.plant(mutant);
        Optional<CrashExplorer.Violation> violation = failingSyncs(1);
        assertThat(violation).as("%s", mutant).isPresent();
    }
}
