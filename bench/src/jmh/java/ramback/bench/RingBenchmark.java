package ramback.bench;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
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
import ramback.journal.VersionBatch;
import ramback.writeback.CaptureRing;

/**
 * What a captured version costs on its way through the ring to the journal's thread, in nanoseconds a version: put, taken in batches of 1
 * MiB, released. Of data with the copy into the ring, which is most of it; of zeroes without. One thread does both, so that what is
 * measured is the work and not the waiting.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(
        value = 1,
        jvmArgsAppend = {"-XX:+UseSerialGC", "-Xmx128m", "--enable-native-access=ALL-UNNAMED"})
public class RingBenchmark {

    private static final int CHUNK_BYTES = 4096;
    private static final int VERSION_COUNT = 1 << 10;
    private static final int ENTRY_COUNT = 4 * VERSION_COUNT;
    private static final long BATCH_BYTES = 1 << 20;

    /** Whether versions have bytes. */
    @Param({"data", "zeroes"})
    public String kind = "";

    private final VersionBatch batch = new VersionBatch();
    private Arena arena;
    private MemorySegment content;
    private CaptureRing ring;

    /** A ring of 8 MiB, empty. */
    @Setup(Level.Trial)
    public void open() {
        arena = Arena.ofShared();
        content =
                arena.allocate((long) VERSION_COUNT * CHUNK_BYTES, CHUNK_BYTES).fill((byte) 1);
        ring = new CaptureRing(
                CHUNK_BYTES,
                arena.allocate(2L * VERSION_COUNT * CHUNK_BYTES, CHUNK_BYTES),
                ENTRY_COUNT,
                VERSION_COUNT / 2);
    }

    /** Gives the memory back. */
    @TearDown(Level.Trial)
    public void close() {
        arena.close();
    }

    /** So many versions put, each of another chunk, then all taken. */
    @Benchmark
    @OperationsPerInvocation(VERSION_COUNT)
    public long through() {
        boolean isData = kind.equals("data");
        for (int i = 0; i < VERSION_COUNT; i++) {
            // Every other chunk, as at random places: neighbours would become one extent.
            boolean isPut = isData
                    ? ring.tryPutData(2L * i, content, (long) i * CHUNK_BYTES, true)
                    : ring.tryPut(2L * i, MemorySegment.NULL, 1, true);
            if (!isPut) {
                throw new IllegalStateException("the ring is full");
            }
        }
        long taken = 0;
        for (int count = ring.take(batch, BATCH_BYTES); count > 0; count = ring.take(batch, BATCH_BYTES)) {
            taken += count;
            ring.release();
        }
        return taken;
    }
}
