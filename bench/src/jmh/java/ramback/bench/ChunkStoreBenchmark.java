package ramback.bench;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
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
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;
import ramback.clock.Backoff;
import ramback.clock.Clock;
import ramback.image.Captures;
import ramback.image.ChunkStore;
import ramback.image.DirtyCount;
import ramback.image.Epochs;
import ramback.image.ImageDevice;
import ramback.image.Worker;
import ramback.memory.ImageIdentity;
import ramback.memory.SegmentLayout;
import ramback.memory.SharedSegment;
import ramback.trace.Trace;

/**
 * What a chunk costs on the hot path, in nanoseconds a request, without a disk and without a socket: all of a device is
 * gone through once in random order, in a real segment on tmpfs. The bare copies do the same without any tracking, so
 * the difference is what tracking costs.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.SingleShotTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 20)
@Measurement(iterations = 20)
@Fork(
        value = 2,
        jvmArgsAppend = {"-XX:+UseSerialGC", "-Xmx128m", "--enable-native-access=ALL-UNNAMED"})
public class ChunkStoreBenchmark {

    private static final int CHUNK_BYTES = 4096;
    private static final long DEVICE_BYTES = 256L << 20;
    /** Requests of one invocation; larger requests than a chunk go round the device several times less. */
    private static final int REQUEST_COUNT = 1 << 12;

    /** The size of a request: one chunk, and the longest run. */
    @Param({"4096", "65536"})
    public int requestBytes;

    private Path directory = Path.of("");
    private SharedSegment segment;
    private Epochs epochs;
    private DirtyCount dirty;
    private ChunkStore store;
    private MemorySegment staging;
    private final Worker worker = new Worker(0);
    private final Backoff backoff = new Backoff();
    private final long[] offsets = new long[REQUEST_COUNT];

    /** A loaded device in memory. */
    @Setup(Level.Trial)
    public void open() throws IOException {
        directory = Files.createTempDirectory(Path.of("/dev/shm"), "ramback-jmh");
        SegmentLayout layout = new SegmentLayout(DEVICE_BYTES, CHUNK_BYTES, 1);
        segment = SharedSegment.create(directory.resolve("segment"), layout, false, new ImageIdentity(0, 0));
        epochs = new Epochs(ImageDevice.workerCount(1), Clock.SYSTEM, () -> {});
        dirty = new DirtyCount();
        store = new ChunkStore(segment, epochs, Captures.NONE, dirty, new Trace(Clock.SYSTEM));
        staging = segment.staging(0);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment loaded = arena.allocate(1 << 20, CHUNK_BYTES).fill((byte) 7);
            long step = loaded.byteSize() / CHUNK_BYTES;
            for (long chunk = 0; chunk < layout.chunkCount(); chunk += step) {
                store.install(backoff, chunk, chunk + step - 1, loaded);
            }
        }
        Random random = new Random(42);
        for (int i = 0; i < REQUEST_COUNT; i++) {
            offsets[i] = random.nextLong(DEVICE_BYTES / requestBytes) * requestBytes;
        }
    }

    /** Gives the memory back. */
    @TearDown(Level.Trial)
    public void close() throws IOException {
        segment.close();
        Files.delete(directory);
    }

    /** Seals what is dirty, and captures it if asked to. */
    private void seal(boolean capture) {
        long sealed = epochs.cut();
        epochs.awaitGrace(backoff);
        if (capture) {
            for (long word = 0; word < store.table().wordCount(); word++) {
                store.captureWord(sealed, word, backoff);
            }
        }
    }

    private void clean() {
        seal(true);
        for (long word = 0; word < store.table().wordCount(); word++) {
            store.cleanWord(word, store.table().stale(word), false, backoff);
        }
    }

    private void storeAll() {
        int chunkCount = requestBytes / CHUNK_BYTES;
        for (long offset : offsets) {
            dirty.reserve(chunkCount, Long.MAX_VALUE, Long.MAX_VALUE);
            store.store(worker, offset, requestBytes, staging, 0);
        }
    }

    /** Before each invocation every chunk is clean. */
    @State(Scope.Thread)
    public static class Clean {
        /** Makes it so. */
        @Setup(Level.Invocation)
        public void prepare(ChunkStoreBenchmark benchmark) {
            benchmark.clean();
        }
    }

    /** Before each invocation every chunk that will be written is dirty in the open epoch. */
    @State(Scope.Thread)
    public static class Dirty {
        /** Makes it so. */
        @Setup(Level.Invocation)
        public void prepare(ChunkStoreBenchmark benchmark) {
            benchmark.clean();
            benchmark.storeAll();
        }
    }

    /** Before each invocation every chunk that will be written is dirty in a sealed epoch that is not captured yet. */
    @State(Scope.Thread)
    public static class Sealed {
        /** Makes it so. */
        @Setup(Level.Invocation)
        public void prepare(ChunkStoreBenchmark benchmark) {
            benchmark.clean();
            benchmark.storeAll();
            benchmark.seal(false);
        }

        /** Captures what the invocation has not. */
        @TearDown(Level.Invocation)
        public void capture(ChunkStoreBenchmark benchmark) {
            for (long word = 0; word < benchmark.store.table().wordCount(); word++) {
                benchmark.store.captureWord(benchmark.epochs.open() - 1, word, benchmark.backoff);
            }
        }
    }

    /** Writes without tracking. */
    @Benchmark
    @OperationsPerInvocation(REQUEST_COUNT)
    public void writeBare() {
        MemorySegment data = store.data();
        for (long offset : offsets) {
            MemorySegment.copy(staging, 0, data, offset, requestBytes);
        }
    }

    /** Writes chunks that are clean. */
    @Benchmark
    @OperationsPerInvocation(REQUEST_COUNT)
    public void writeClean(Clean state) {
        storeAll();
    }

    /** Writes chunks that are dirty already. */
    @Benchmark
    @OperationsPerInvocation(REQUEST_COUNT)
    public void writeDirty(Dirty state) {
        storeAll();
    }

    /** Writes chunks that a sealed epoch still has: the writer captures them first. */
    @Benchmark
    @OperationsPerInvocation(REQUEST_COUNT)
    public void writeSealed(Sealed state) {
        storeAll();
    }

    /** Reads without looking at the table. */
    @Benchmark
    @OperationsPerInvocation(REQUEST_COUNT)
    public void readBare() {
        MemorySegment data = store.data();
        for (long offset : offsets) {
            MemorySegment.copy(data, offset, staging, 0, requestBytes);
        }
    }

    /** Reads as a session does: is it loaded, does it hold data, copy. */
    @Benchmark
    @OperationsPerInvocation(REQUEST_COUNT)
    public void read() {
        for (long offset : offsets) {
            if (!store.isLoaded(offset, requestBytes)) {
                throw new IllegalStateException("the device is loaded");
            }
            store.copy(worker, offset, requestBytes, staging, 0);
        }
    }
}
