package ramback.image;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.util.BitSet;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import ramback.clock.Backoff;
import ramback.clock.Clock;
import ramback.device.Extent;
import ramback.memory.TemporarySegment;
import ramback.trace.Trace;

/** Which states a range is in, as the chunk table has them. */
class ExtentTest {
    private static final int CHUNK = 4096;
    private static final int CHUNK_COUNT = 300;
    private static final long SIZE = (long) CHUNK_COUNT * CHUNK - 1000;

    private final Arena arena = Arena.ofShared();
    private final Epochs epochs = new Epochs(4, Clock.SYSTEM, () -> {});
    private final DirtyCount dirty = new DirtyCount();
    private final Worker worker = new Worker(0);
    private final TemporarySegment temporary = new TemporarySegment(SIZE, CHUNK, 1, false);
    private final ChunkStore store =
            new ChunkStore(temporary.segment(), epochs, Captures.NONE, dirty, new Trace(Clock.SYSTEM));

    @AfterEach
    void close() {
        temporary.close();
        arena.close();
    }

    private void write(long first, long last) {
        for (long chunk = first; chunk <= last; chunk++) {
            int lengthBytes = (int) Math.min(CHUNK, SIZE - chunk * CHUNK);
            dirty.reserve(1, Long.MAX_VALUE, Long.MAX_VALUE);
            store.store(worker, chunk * CHUNK, lengthBytes, arena.allocate(lengthBytes), 0);
        }
    }

    private void zero(long first, long last) {
        for (long chunk = first; chunk <= last; chunk++) {
            store.zeroRun(worker, chunk, chunk);
        }
    }

    @Test
    void anExtentHoldsItsEndAndItsStates() {
        long extent = Extent.of(1L << 50, Extent.ZERO | Extent.UNLOADED);
        assertThat(Extent.endBytes(extent)).isEqualTo(1L << 50);
        assertThat(Extent.states(extent)).isEqualTo(Extent.ZERO | Extent.UNLOADED);
    }

    @Test
    void whatIsNotLoadedIsDataAndNotDirty() {
        assertThat(store.extent(17, SIZE, Extent.ZERO | Extent.DIRTY)).isEqualTo(Extent.of(SIZE, 0));
        assertThat(store.extent(17, 18, Extent.UNLOADED)).isEqualTo(Extent.of(18, Extent.UNLOADED));
    }

    @Test
    void aHoleOfTheImageIsZeroAndNotDirtyOnceItHasBeenLookedAt() {
        store.installHole(new Backoff(), 10, 200);
        int all = Extent.ZERO | Extent.DIRTY | Extent.UNLOADED;
        assertThat(store.extent(0, SIZE, all)).isEqualTo(Extent.of(10 * CHUNK, Extent.UNLOADED));
        assertThat(store.extent(10 * CHUNK, SIZE, all)).isEqualTo(Extent.of(201 * CHUNK, Extent.ZERO));
    }

    @Test
    void onlyTheStatesOfInterestEndAnExtent() {
        write(0, 299);
        zero(64, 127);
        assertThat(store.extent(0, SIZE, Extent.DIRTY)).isEqualTo(Extent.of(SIZE, Extent.DIRTY));
        assertThat(store.extent(63 * CHUNK, SIZE, Extent.ZERO)).isEqualTo(Extent.of(64 * CHUNK, 0));
        assertThat(store.extent(64 * CHUNK, SIZE, Extent.ZERO)).isEqualTo(Extent.of(128 * CHUNK, Extent.ZERO));
        assertThat(store.extent(64 * CHUNK, 64 * CHUNK + 1, Extent.ZERO))
                .isEqualTo(Extent.of(64 * CHUNK + 1, Extent.ZERO));
    }

    @Test
    void whatWasCapturedIsDirtyUntilTheImageHasIt() {
        write(5, 6);
        long sealed = epochs.cut();
        Backoff backoff = new Backoff();
        epochs.awaitGrace(backoff);
        store.captureWord(sealed, 0, backoff);
        assertThat(store.extent(5 * CHUNK, SIZE, Extent.DIRTY)).isEqualTo(Extent.of(7 * CHUNK, Extent.DIRTY));
        store.cleanWord(0, store.table().stale(0), false, backoff);
        assertThat(store.extent(5 * CHUNK, SIZE, Extent.DIRTY)).isEqualTo(Extent.of(SIZE, 0));
    }

    @Test
    void extentsTellWhatEachChunkTells() {
        Random random = new Random(6);
        BitSet zeroes = new BitSet();
        for (int i = 0; i < 200; i++) {
            int first = random.nextInt(CHUNK_COUNT);
            int last = Math.min(CHUNK_COUNT - 1, first + random.nextInt(1 + random.nextInt(100)));
            if (random.nextBoolean()) {
                write(first, last);
                zeroes.clear(first, last + 1);
            } else {
                zero(first, last);
                zeroes.set(first, last + 1);
            }
            long from = random.nextLong(SIZE);
            long limit = random.nextLong(from + 1, SIZE + 1);
            long extent = store.extent(from, limit, Extent.ZERO);
            boolean isZero = zeroes.get((int) (from / CHUNK));
            int chunk = (int) (from / CHUNK);
            long change = isZero ? zeroes.nextClearBit(chunk) : zeroes.nextSetBit(chunk);
            long end = change < 0 ? limit : Math.min(limit, change * CHUNK);
            assertThat(extent).isEqualTo(Extent.of(end, isZero ? Extent.ZERO : 0));
        }
    }
}
