package ramback.writeback;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Writers at full speed while snapshots are taken. Each writes stamps to chunks of its own: its how manieth write it is, and
 * how many of the others' writes had been acknowledged before it began. A snapshot is a cut: of each writer it has exactly
 * the first so many writes, and with a write all those that this one knew of.
 */
class SnapshotConsistencyTest {
    private static final int CHUNK = 4096;
    private static final int CHUNKS_PER_WRITER = 300;
    private static final int WRITER_COUNT = 3;
    private static final int SNAPSHOT_COUNT = 12;

    private static final class Writer implements Runnable {
        private final SnapshotRig rig;
        private final int number;
        private final AtomicLong[] acknowledged;
        private final AtomicBoolean over;
        private final AtomicReference<Throwable> failure;
        /** The chunk of each write, in their order. */
        private final List<Integer> chunks = new ArrayList<>();

        Writer(
                SnapshotRig rig,
                int number,
                AtomicLong[] acknowledged,
                AtomicBoolean over,
                AtomicReference<Throwable> failure) {
            this.rig = rig;
            this.number = number;
            this.acknowledged = acknowledged;
            this.over = over;
            this.failure = failure;
        }

        @Override
        public void run() {
            Random random = new Random(number);
            try {
                while (!over.get()) {
                    int chunk = random.nextInt(CHUNKS_PER_WRITER);
                    ByteBuffer bytes = ByteBuffer.allocate(CHUNK);
                    long[] known = new long[WRITER_COUNT];
                    for (int i = 0; i < WRITER_COUNT; i++) {
                        known[i] = acknowledged[i].get();
                    }
                    while (bytes.remaining() >= (WRITER_COUNT + 1) * Long.BYTES) {
                        bytes.putLong(chunks.size() + 1);
                        for (long count : known) {
                            bytes.putLong(count);
                        }
                    }
                    rig.write(number, ((long) number * CHUNKS_PER_WRITER + chunk) * CHUNK, bytes.array());
                    chunks.add(chunk);
                    acknowledged[number].incrementAndGet();
                }
            } catch (Throwable e) {
                failure.set(e);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {3, 100, 10_000})
    void aSnapshotIsACutThroughAllWriters(int bufferChunks) throws InterruptedException {
        try (SnapshotRig rig =
                new SnapshotRig((long) WRITER_COUNT * CHUNKS_PER_WRITER * CHUNK, CHUNK, (long) bufferChunks * CHUNK)) {
            AtomicLong[] acknowledged = new AtomicLong[WRITER_COUNT];
            AtomicBoolean over = new AtomicBoolean();
            AtomicReference<Throwable> failure = new AtomicReference<>();
            List<Writer> writers = new ArrayList<>();
            for (int i = 0; i < WRITER_COUNT; i++) {
                acknowledged[i] = new AtomicLong();
                writers.add(new Writer(rig, i, acknowledged, over, failure));
            }
            List<Thread> threads = writers.stream()
                    .map(writer -> Thread.ofPlatform().start(writer))
                    .toList();
            List<byte[]> copies = new ArrayList<>();
            List<long[]> befores = new ArrayList<>();
            List<long[]> afters = new ArrayList<>();
            try {
                rig.snapshots.start();
                for (int i = 0; i < SNAPSHOT_COUNT; i++) {
                    befores.add(counts(acknowledged));
                    Snapshot snapshot = rig.begin("copy" + i);
                    DeviceRig.awaitTrue(
                            "the snapshot ends", () -> snapshot.state().isFinal());
                    assertThat(snapshot.state()).as(snapshot.failure()).isEqualTo(Snapshot.State.DONE);
                    afters.add(counts(acknowledged));
                    copies.add(rig.bytesOf("copy" + i));
                }
            } finally {
                over.set(true);
                for (Thread thread : threads) {
                    thread.join();
                }
            }
            assertThat(failure.get()).isNull();
            for (int i = 0; i < SNAPSHOT_COUNT; i++) {
                check(copies.get(i), writers, befores.get(i), afters.get(i));
            }
        }
    }

    private static long[] counts(AtomicLong[] acknowledged) {
        long[] counts = new long[acknowledged.length];
        for (int i = 0; i < counts.length; i++) {
            counts[i] = acknowledged[i].get();
        }
        return counts;
    }

    private static void check(byte[] copy, List<Writer> writers, long[] before, long[] after) {
        ByteBuffer bytes = ByteBuffer.wrap(copy);
        long[] newest = new long[WRITER_COUNT];
        long[] known = new long[WRITER_COUNT];
        for (Writer writer : writers) {
            for (int chunk = 0; chunk < CHUNKS_PER_WRITER; chunk++) {
                int at = (writer.number * CHUNKS_PER_WRITER + chunk) * CHUNK;
                newest[writer.number] = Math.max(newest[writer.number], bytes.getLong(at));
                for (int i = 0; i < WRITER_COUNT; i++) {
                    known[i] = Math.max(known[i], bytes.getLong(at + (1 + i) * Long.BYTES));
                }
            }
        }
        for (Writer writer : writers) {
            // What was acknowledged before it was asked for is in it; what began after it was done is not.
            assertThat(newest[writer.number]).isBetween(before[writer.number], after[writer.number] + 1);
            assertThat(newest[writer.number])
                    .as("writes that others knew of")
                    .isGreaterThanOrEqualTo(known[writer.number]);
            long[] expected = new long[CHUNKS_PER_WRITER];
            for (int i = 0; i < newest[writer.number]; i++) {
                expected[writer.chunks.get(i)] = i + 1;
            }
            for (int chunk = 0; chunk < CHUNKS_PER_WRITER; chunk++) {
                int at = (writer.number * CHUNKS_PER_WRITER + chunk) * CHUNK;
                for (int stamp = 0; stamp + (WRITER_COUNT + 1) * Long.BYTES <= CHUNK; ) {
                    assertThat(bytes.getLong(at + stamp))
                            .as("writer %d, chunk %d", writer.number, chunk)
                            .isEqualTo(expected[chunk]);
                    stamp += (WRITER_COUNT + 1) * Long.BYTES;
                }
            }
        }
    }
}
