package ramback.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;
import ramback.image.ChunkTable;
import ramback.memory.ImageIdentity;
import ramback.memory.SegmentLayout;
import ramback.memory.SharedSegment;

/**
 * What a chunk's bits cost, in nanoseconds a word, at random places of a loaded device of 64 GiB: the lock alone, what a write of a
 * clean chunk does to them, what a read looks at, and the search for what is dirty when that is one word in a thousand.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(
        value = 1,
        jvmArgsAppend = {"-XX:+UseSerialGC", "-Xmx128m", "--enable-native-access=ALL-UNNAMED"})
public class ChunkTableBenchmark {

    private static final int CHUNK_BYTES = 4096;
    private static final long DEVICE_BYTES = 64L << 30;
    private static final int WORD_COUNT = 1 << 12;
    private static final int DIRTY_GAP = 1000;

    private final long[] words = new long[WORD_COUNT];
    private Path directory = Path.of("");
    private SharedSegment segment;
    private ChunkTable table;

    /** A device of which nothing but the states is there. */
    @Setup(Level.Trial)
    public void open() throws IOException {
        directory = Files.createTempDirectory(Path.of("/dev/shm"), "ramback-jmh");
        SegmentLayout layout = new SegmentLayout(DEVICE_BYTES, CHUNK_BYTES, 1);
        segment = SharedSegment.create(directory.resolve("segment"), layout, true, new ImageIdentity(0, 0));
        table = new ChunkTable(segment);
        for (long word = 0; word < table.wordCount(); word++) {
            table.publishLoaded(word, table.existing(word));
        }
        Random random = new Random(42);
        for (int i = 0; i < WORD_COUNT; i++) {
            words[i] = random.nextLong(table.wordCount());
        }
        for (long word = 0; word < table.wordCount(); word += DIRTY_GAP) {
            table.markDirty(1, word, 1);
        }
    }

    /** Gives the memory back. */
    @TearDown(Level.Trial)
    public void close() throws IOException {
        segment.close();
        Files.delete(directory);
    }

    /** Locks a chunk and unlocks it. */
    @Benchmark
    @OperationsPerInvocation(WORD_COUNT)
    public long lock() {
        long locked = 0;
        for (long word : words) {
            if (table.tryLock(word, 2)) {
                locked++;
                table.unlock(word, 2);
            }
        }
        return locked;
    }

    /** Marks a clean chunk as dirty and clean again, under its lock. */
    @Benchmark
    @OperationsPerInvocation(WORD_COUNT)
    public long mark() {
        long before = 0;
        for (long word : words) {
            if (table.tryLock(word, 2)) {
                before |= table.markDirty(0, word, 2);
                table.clearDirty(0, word, 2);
                table.unlock(word, 2);
            }
        }
        return before;
    }

    /** Looks whether a chunk is loaded and whether it is zeroes, as a read does. */
    @Benchmark
    @OperationsPerInvocation(WORD_COUNT)
    public long look() {
        long seen = 0;
        for (long word : words) {
            seen += table.loaded(word) & ~table.zero(word) & 2;
        }
        return seen;
    }

    /** Goes through all that is dirty; a word of it is an operation. */
    @Benchmark
    @OperationsPerInvocation((int) ((DEVICE_BYTES / CHUNK_BYTES / 64 + DIRTY_GAP - 1) / DIRTY_GAP))
    public long search() {
        long found = 0;
        for (long word = table.nextDirtyWord(1, 0); word >= 0; word = table.nextDirtyWord(1, word + 1)) {
            found++;
        }
        return found;
    }
}
