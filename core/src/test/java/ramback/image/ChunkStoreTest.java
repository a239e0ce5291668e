package ramback.image;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import ramback.clock.Backoff;
import ramback.clock.Clock;
import ramback.memory.TemporarySegment;
import ramback.trace.Trace;

/** The protocol by which bytes and their states change, step by step and alone. */
class ChunkStoreTest {
    private static final int CHUNK = 4096;
    private static final int GRANULE = 2 << 20;

    private final Arena arena = Arena.ofShared();
    private final Epochs epochs = new Epochs(4, Clock.SYSTEM, () -> {});
    private final DirtyCount dirty = new DirtyCount();
    private final Worker worker = new Worker(0);
    private final Worker reader = new Worker(1);
    private final Backoff backoff = new Backoff();
    private TemporarySegment temporary;
    private ChunkStore store;

    private void open(long sizeBytes, boolean sparse) {
        temporary = new TemporarySegment(sizeBytes, CHUNK, 1, sparse);
        store = new ChunkStore(temporary.segment(), epochs, Captures.NONE, dirty, new Trace(Clock.SYSTEM));
    }

    @AfterEach
    void close() {
        temporary.close();
        arena.close();
    }

    private MemorySegment filled(int length, int value) {
        return arena.allocate(length).fill((byte) value);
    }

    private long write(long offset, int length, int value) {
        dirty.reserve(store.chunkCountOf(offset, length), Long.MAX_VALUE, Long.MAX_VALUE);
        return store.store(worker, offset, length, filled(length, value), 0);
    }

    private byte read(long offset) {
        MemorySegment into = filled(1, 0x77);
        store.copy(reader, offset, 1, into, 0);
        return into.get(ValueLayout.JAVA_BYTE, 0);
    }

    private long seal() {
        long sealed = epochs.cut();
        epochs.awaitGrace(backoff);
        return sealed;
    }

    private long captureAll(long sealed) {
        int parity = (int) (sealed & 1);
        long count = 0;
        for (long word = store.table().nextDirtyWord(parity, 0);
                word >= 0;
                word = store.table().nextDirtyWord(parity, word + 1)) {
            count += store.captureWord(sealed, word, backoff);
        }
        return count;
    }

    private void cleanAll() {
        for (long word = store.table().nextStaleWord(0);
                word >= 0;
                word = store.table().nextStaleWord(word + 1)) {
            store.cleanWord(word, store.table().stale(word), false, backoff);
        }
    }

    @Test
    void aRunMayTouchTwoWordsAndLeavesNoLock() {
        open(128 * CHUNK, false);
        assertThat(write(60 * CHUNK, 8 * CHUNK, 3)).isZero();
        assertThat(store.table().dirty(0, 0)).isEqualTo(0xfL << 60);
        assertThat(store.table().dirty(0, 1)).isEqualTo(0xfL);
        assertThat(store.table().loaded(1)).isEqualTo(0xfL);
        assertThat(store.table().tryLock(0, -1L)).isTrue();
        assertThat(store.table().tryLock(1, -1L)).isTrue();
        assertThat(read(67 * CHUNK + 4095)).isEqualTo((byte) 3);
        assertThat(dirty.chunkCount()).isEqualTo(8);
        assertThat(dirty.dataChunkCount()).isEqualTo(8);
    }

    @Test
    void chunksThatAreDirtyAlreadyCountOnce() {
        open(64 * CHUNK, false);
        for (int i = 0; i < 5; i++) {
            write(0, 3 * CHUNK, i);
        }
        assertThat(dirty.dataChunkCount()).isEqualTo(3);
        assertThat(dirty.chunkCount()).isEqualTo(3);
        long sealed = seal();
        write(CHUNK, CHUNK, 7);
        assertThat(dirty.dataChunkCount()).isEqualTo(3);
        // The writer captured the sealed version first.
        assertThat(store.table().stale(0)).isEqualTo(0b010);
        assertThat(store.table().dirty(0, 0)).isEqualTo(0b101);
        assertThat(store.table().dirty(1, 0)).isEqualTo(0b010);
        assertThat(captureAll(sealed)).isEqualTo(2);
        assertThat(store.table().stale(0)).isEqualTo(0b111);
        assertThat(store.table().dirty(0, 0)).isZero();
        cleanAll();
        assertThat(dirty.chunkCount()).isEqualTo(1);
        assertThat(dirty.dataChunkCount()).isEqualTo(1);
        captureAll(seal());
        cleanAll();
        assertThat(dirty.chunkCount()).isZero();
        assertThat(dirty.dataChunkCount()).isZero();
        assertThat(store.table().nextDirtyWord(0, 0)).isEqualTo(-1);
        assertThat(store.table().nextDirtyWord(1, 0)).isEqualTo(-1);
        assertThat(store.table().nextStaleWord(0)).isEqualTo(-1);
    }

    @Test
    void zeroesDoNotCountAgainstTheLimitWhateverWasThereBefore() {
        open(64 * CHUNK, false);
        write(0, 4 * CHUNK, 1);
        store.zeroRun(worker, 1, 62);
        assertThat(dirty.dataChunkCount()).isEqualTo(1);
        assertThat(dirty.chunkCount()).isEqualTo(63);
        write(2 * CHUNK, CHUNK, 2);
        assertThat(dirty.dataChunkCount()).isEqualTo(2);
        captureAll(seal());
        store.zeroRun(worker, 2, 2);
        assertThat(dirty.dataChunkCount()).isEqualTo(1);
        cleanAll();
        assertThat(dirty.chunkCount()).isEqualTo(1);
        captureAll(seal());
        cleanAll();
        assertThat(dirty.chunkCount()).isZero();
        assertThat(dirty.dataChunkCount()).isZero();
    }

    @Test
    void aPartlyWrittenZeroChunkIsZeroElsewhereWhateverItsMemoryHolds() {
        open(3 * CHUNK + 100, false);
        write(0, CHUNK, 0x11);
        write(3 * CHUNK, 100, 0x11);
        store.zeroRun(worker, 0, 3);
        assertThat(read(5)).isZero();
        write(10, 5, 0x22);
        write(3 * CHUNK + 50, 10, 0x33);
        assertThat(read(9)).isZero();
        assertThat(read(10)).isEqualTo((byte) 0x22);
        assertThat(read(15)).isZero();
        assertThat(read(3 * CHUNK + 49)).isZero();
        assertThat(read(3 * CHUNK + 50)).isEqualTo((byte) 0x33);
        assertThat(read(3 * CHUNK + 99)).isZero();
    }

    @Test
    void onlyWhatHoldsDataAndStaysMayBeSentFromMemory() {
        open(64 * CHUNK, false);
        write(0, 3 * CHUNK, 1);
        assertThat(store.isDirect(0, 3 * CHUNK)).isTrue();
        store.zeroRun(worker, 1, 1);
        assertThat(store.isDirect(0, 3 * CHUNK)).isFalse();
        assertThat(store.isDirect(2 * CHUNK, CHUNK)).isTrue();
    }

    @Test
    void whatWasWrittenIsNotInstalledOverAndHolesNeither() {
        open(128 * CHUNK, false);
        write(63 * CHUNK, 2 * CHUNK, 1);
        store.install(backoff, 62, 65, filled(4 * CHUNK, 9));
        assertThat(read(62 * CHUNK)).isEqualTo((byte) 9);
        assertThat(read(63 * CHUNK)).isEqualTo((byte) 1);
        assertThat(read(64 * CHUNK)).isEqualTo((byte) 1);
        assertThat(read(65 * CHUNK)).isEqualTo((byte) 9);
        store.installHole(backoff, 0, 127);
        assertThat(read(63 * CHUNK)).isEqualTo((byte) 1);
        assertThat(read(62 * CHUNK)).isEqualTo((byte) 9);
        assertThat(read(0)).isZero();
        assertThat(store.loadedChunkCount()).isEqualTo(128);
        assertThat(dirty.chunkCount()).isEqualTo(2);
    }

    /** No store of a sealed epoch after its grace: what the sealer then counts is all there is. */
    @Test
    void afterTheGraceNobodyStoresIntoTheSealedEpoch() throws InterruptedException {
        open(4096 * CHUNK, false);
        AtomicReference<Throwable> failure = new AtomicReference<>();
        boolean[] over = new boolean[1];
        Thread[] writers = new Thread[2];
        MemorySegment bytes = filled(16 * CHUNK, 5);
        for (int i = 0; i < writers.length; i++) {
            Worker own = new Worker(2 + i);
            writers[i] = Thread.ofPlatform().start(() -> {
                try {
                    for (int n = 0; n < 60_000; n++) {
                        long chunk = (n * 977L + own.index * 31L) % 4080;
                        dirty.reserve(16, Long.MAX_VALUE, Long.MAX_VALUE);
                        store.store(own, chunk * CHUNK, 16 * CHUNK, bytes, 0);
                    }
                } catch (Throwable e) {
                    failure.set(e);
                }
            });
        }
        while (writers[0].isAlive() || writers[1].isAlive()) {
            long sealed = seal();
            captureAll(sealed);
            for (long word = 0; word < store.table().wordCount(); word++) {
                assertThat(store.table().dirty((int) (sealed & 1), word)).isZero();
            }
            assertThat(store.table().nextDirtyWord((int) (sealed & 1), 0)).isEqualTo(-1);
            cleanAll();
        }
        for (Thread writer : writers) {
            writer.join();
        }
        assertThat(failure.get()).isNull();
        captureAll(seal());
        captureAll(seal());
        cleanAll();
        assertThat(dirty.chunkCount()).isZero();
        assertThat(dirty.dataChunkCount()).isZero();
        assertThat(over[0]).isFalse();
    }

    @Test
    void memoryOfZeroesIsGivenBackAndTakenAnew() throws Exception {
        open(2 * GRANULE, true);
        var memory = Objects.requireNonNull(temporary.segment().granules());
        write(0, CHUNK, 1);
        write(GRANULE - CHUNK, 2 * CHUNK, 2);
        assertThat(store.hasMemoryToGiveBack()).isFalse();
        zero(0, 511);
        assertThat(store.hasMemoryToGiveBack()).isTrue();
        store.giveMemoryBack(backoff);
        assertThat(store.hasMemoryToGiveBack()).isFalse();
        assertThat(memory.holds(0, 1)).isFalse();
        assertThat(memory.holds(GRANULE, 1)).isTrue();
        assertThat(read(0)).isZero();
        // Of the other granule a chunk still holds data, and the rest is not loaded.
        assertThat(read(GRANULE)).isEqualTo((byte) 2);
        write(5, 1, 9);
        assertThat(memory.holds(0, 1)).isTrue();
        assertThat(read(4)).isZero();
        assertThat(read(5)).isEqualTo((byte) 9);
    }

    private void zero(long first, long last) {
        for (long chunk = first; chunk <= last; chunk = (chunk | 63) + 1) {
            store.zeroRun(worker, chunk, Math.min(last, chunk | 63));
        }
    }

    /**
     * A reader that came after the grace may still read what was data again meanwhile: TRIM, write, read and TRIM once
     * more while the one who gives memory back waits for a chunk.
     */
    @Test
    void memoryIsNotGivenBackUnderAReaderWhoSawDataAfterTheGrace() throws InterruptedException {
        open(GRANULE, true);
        var memory = Objects.requireNonNull(temporary.segment().granules());
        write(0, CHUNK, 1);
        zero(0, 511);
        ChunkTable table = store.table();
        assertThat(table.tryLock(1, 1L << 36)).isTrue();
        Thread giver = Thread.ofPlatform().start(() -> {
            try {
                store.giveMemoryBack(new Backoff());
            } catch (Exception e) {
                throw new AssertionError(e);
            }
        });
        // Once it holds the first word, its grace is over; now it waits for the second.
        while (table.tryLock(0, 1)) {
            table.unlock(0, 1);
            Thread.yield();
        }
        write(70 * CHUNK, CHUNK, 2);
        epochs.enter(reader.index);
        assertThat(table.zero(1) >>> 6 & 1).as("the reader sees data").isZero();
        store.zeroRun(worker, 70, 70);
        table.unlock(1, 1L << 36);
        giver.join();
        assertThat(memory.holds(70 * CHUNK, CHUNK)).as("memory under a reader").isTrue();
        epochs.leave(reader.index);
        // It is not forgotten either.
        assertThat(store.hasMemoryToGiveBack()).isTrue();
        try {
            store.giveMemoryBack(backoff);
        } catch (Exception e) {
            throw new AssertionError(e);
        }
        assertThat(memory.holds(0, 1)).isFalse();
    }
}
