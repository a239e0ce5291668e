package ramback.writeback;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import ramback.backing.MemoryBacking;
import ramback.device.Mode;
import ramback.device.Outcome;
import ramback.journal.JournalIdentity;
import ramback.journal.JournalScan;
import ramback.journal.LocalJournal;
import ramback.journal.Recovery;

/** The real journal, small and full, under writers of every kind: nothing overflows, nothing gets stuck, all of it arrives. */
class JournalledStressTest {
    private static final int CHUNK = 4096;
    private static final int CHUNK_COUNT = 1024;

    @Test
    void aSmallJournalAndASmallRingCarryEverything() throws Exception {
        for (long seed = 1; seed <= 4; seed++) {
            run(seed, 64L * CHUNK, 2 << 20);
            run(seed, 8L * CHUNK, 2 << 20);
            run(seed, 4L << 20, 16 << 20);
        }
    }

    private static void run(long seed, long ringBytes, int journalBytes) throws Exception {
        MemoryBacking image = new MemoryBacking(CHUNK_COUNT * CHUNK);
        MemoryBacking file = new MemoryBacking(journalBytes);
        LocalJournal.format(file, new JournalIdentity(new UUID(1, seed), CHUNK, image.sizeBytes(), 1, 2), 0);
        LocalJournal journal = LocalJournal.open(file, JournalScan.of(file), 1, new Random(seed)::nextLong);
        journal.fence();
        try (DeviceRig rig = DeviceRig.over(image)
                .journal(journal, ringBytes)
                .firstEpoch(journal.headEpoch() + 1)
                .lagNanos(2_000_000)
                .start()) {
            ModeSwitch modes = new ModeSwitch(rig.device, rig.writeBehind, journal, mode -> {}, 50_000_000L);
            AtomicReference<Throwable> failure = new AtomicReference<>();
            List<Thread> writers = new ArrayList<>();
            for (int w = 0; w < 3; w++) {
                RigClient client = rig.connect();
                Random random = new Random(seed * 31 + w);
                writers.add(Thread.ofPlatform().start(() -> {
                    try {
                        write(client, random);
                    } catch (Throwable e) {
                        failure.set(e);
                    }
                }));
            }
            Random random = new Random(seed);
            while (writers.stream().anyMatch(Thread::isAlive)) {
                modes.switchTo(Mode.values()[random.nextInt(Mode.values().length)]);
            }
            for (Thread writer : writers) {
                writer.join();
            }
            assertThat(failure.get()).as("seed %d", seed).isNull();
            modes.switchTo(Mode.WRITEBACK);
            RigClient client = rig.connect();
            assertThat(client.flush()).isEqualTo(Outcome.DONE);
            byte[] content = client.read(0, CHUNK_COUNT * CHUNK);
            MemoryBacking recovered;
            MemoryBacking left;
            // Both at the same moment, as when the power fails: write-behind goes on.
            synchronized (image) {
                synchronized (file) {
                    recovered = MemoryBacking.holding(image.durableContent());
                    left = MemoryBacking.holding(file.durableContent());
                }
            }
            JournalScan scan = JournalScan.of(left);
            Recovery.run(left, scan, recovered, scan.lastEpoch(), false, (done, total) -> {});
            assertThat(Arrays.mismatch(recovered.durableContent(), content))
                    .as("first byte that recovery has otherwise, seed %d", seed)
                    .isEqualTo(-1);
        }
    }

    private static void write(RigClient client, Random random) {
        byte[] bytes = new byte[64 << 10];
        for (int i = 0; i < 1500; i++) {
            random.nextBytes(bytes);
            long offset = random.nextInt(CHUNK_COUNT * CHUNK - bytes.length);
            switch (random.nextInt(10)) {
                case 0 -> client.flush();
                case 1 -> RigClient.await(client.startZero(offset, 1 + random.nextInt(bytes.length), true, false));
                case 2 -> client.trim(offset, 1 + random.nextInt(bytes.length));
                default -> {
                    int length = 1 + random.nextInt(random.nextBoolean() ? bytes.length : 4096);
                    assertThat(client.write(offset, Arrays.copyOf(bytes, length)))
                            .isEqualTo(Outcome.DONE);
                }
            }
        }
    }
}
