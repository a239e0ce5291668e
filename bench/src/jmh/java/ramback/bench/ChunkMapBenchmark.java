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
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;
import ramback.image.ChunkMap;
import ramback.image.ChunkTable;
import ramback.memory.ImageIdentity;
import ramback.memory.SegmentLayout;
import ramback.memory.SharedSegment;

/**
 * What a picture of all chunks costs, for the dashboard, in milliseconds: of devices of a gibibyte and of a tebibyte, loaded, of which
 * nothing is dirty, a little at random places, and a chunk in every word, which is the worst there can be.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(
        value = 1,
        jvmArgsAppend = {"-XX:+UseSerialGC", "-Xmx128m", "--enable-native-access=ALL-UNNAMED"})
public class ChunkMapBenchmark {

    private static final int CHUNK_BYTES = 4096;
    private static final int SOME_COUNT = 65_536;

    /** The device's size in GiB. */
    @Param({"1", "1024"})
    public long sizeGib;

    /** What is dirty. */
    @Param({"nothing", "some", "everywhere"})
    public String dirty = "";

    /** How many cells the picture has. */
    @Param({"4096", "16384"})
    public int cells;

    private Path directory = Path.of("");
    private SharedSegment segment;
    private ChunkTable table;

    /** A device of which nothing but the states is there. */
    @Setup(Level.Trial)
    public void open() throws IOException {
        directory = Files.createTempDirectory(Path.of("/dev/shm"), "ramback-jmh");
        SegmentLayout layout = new SegmentLayout(sizeGib << 30, CHUNK_BYTES, 1);
        segment = SharedSegment.create(directory.resolve("segment"), layout, true, new ImageIdentity(0, 0));
        table = new ChunkTable(segment);
        for (long word = 0; word < table.wordCount(); word++) {
            table.markZero(word, table.existing(word));
            table.publishLoaded(word, table.existing(word));
        }
        Random random = new Random(42);
        switch (dirty) {
            case "some" -> {
                for (int i = 0; i < SOME_COUNT; i++) {
                    table.markDirty(i & 1, random.nextLong(table.wordCount()), 1L << random.nextInt(64));
                }
            }
            case "everywhere" -> {
                for (long word = 0; word < table.wordCount(); word++) {
                    table.markDirty(0, word, 1L << (word & 63));
                    table.markStale(word, 2);
                }
            }
            default -> {}
        }
    }

    /** Gives the memory back. */
    @TearDown(Level.Trial)
    public void close() throws IOException {
        segment.close();
        Files.delete(directory);
    }

    /** One picture. */
    @Benchmark
    public ChunkMap picture() {
        return ChunkMap.of(table, cells);
    }
}
