package ramback.image;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import ramback.clock.Backoff;
import ramback.clock.Clock;
import ramback.memory.Granules;
import ramback.memory.RedoSlot;
import ramback.memory.SegmentLayout;
import ramback.memory.SharedSegment;
import ramback.memory.TemporarySegment;
import ramback.mutant.KillPoint;
import ramback.posix.Posix;
import ramback.trace.Trace;

/** What a killed process may have left of each chunk, and what the next one makes of it. */
class TakeOverTest {

    private static final int CHUNK_BYTES = 4096;
    private static final int CHUNK_COUNT = 200;
    private static final int L = 0;
    private static final int D0 = 1;
    private static final int D1 = 2;
    private static final int H = 3;
    private static final int V = 4;
    private static final int Z = 5;
    private static final int N = 6;

    private final TemporarySegment temporary =
            new TemporarySegment((long) CHUNK_COUNT * CHUNK_BYTES, CHUNK_BYTES, 2, false);
    private final SharedSegment segment = temporary.segment();
    private final DirtyCount dirty = new DirtyCount();

    @AfterEach
    void close() {
        temporary.close();
    }

    /** The next process, whose open epoch is this one. */
    private ChunkStore takeOver(long epoch, DirtyCount counts) {
        Epochs epochs = new Epochs(4, Clock.SYSTEM, () -> {}, epoch);
        ChunkStore store = new ChunkStore(segment, epochs, Captures.NONE, counts, new Trace(Clock.SYSTEM));
        long count = assertDoesNotThrow(() -> TakeOver.run(store, segment, epochs, counts));
        assertThat(count).isEqualTo(counts.chunkCount());
        assertThat(epochs.firstDirtyNanos(epoch) != 0).isEqualTo(count > 0);
        return store;
    }

    private void set(int plane, long chunk) {
        long at = chunk >>> 6 << 3;
        MemorySegment words = segment.plane(plane);
        words.set(ValueLayout.JAVA_LONG, at, words.get(ValueLayout.JAVA_LONG, at) | 1L << chunk);
    }

    private boolean isSet(int plane, long chunk) {
        return (segment.plane(plane).get(ValueLayout.JAVA_LONG, chunk >>> 6 << 3) >>> chunk & 1) != 0;
    }

    private void fill(long chunk, int value) {
        segment.data().asSlice(chunk * CHUNK_BYTES, CHUNK_BYTES).fill((byte) value);
    }

    private byte[] content(ChunkStore store, long offset, int length) {
        byte[] bytes = new byte[length];
        store.copy(new Worker(3), offset, length, MemorySegment.ofArray(bytes), 0);
        return bytes;
    }

    /** Every combination of the seven marks, a chunk each, in both parities: 128 chunks. */
    @ParameterizedTest
    @ValueSource(longs = {1, 2})
    void everyCombinationOfMarksIsGoneOnWith(long epoch) {
        for (int marks = 0; marks < 128; marks++) {
            for (int plane = 0; plane < SegmentLayout.PLANE_COUNT; plane++) {
                if ((marks >>> plane & 1) != 0) {
                    set(plane, marks);
                }
            }
        }
        ChunkStore store = takeOver(epoch, dirty);
        int open = (epoch & 1) == 0 ? D0 : D1;
        int other = open == D0 ? D1 : D0;
        int dirtyCount = 0;
        int dataCount = 0;
        for (int marks = 0; marks < 128; marks++) {
            boolean isLoaded = (marks >>> V & 1) != 0;
            boolean isChanged = isLoaded && (marks & (1 << L | 1 << D0 | 1 << D1 | 1 << H)) != 0;
            boolean isZero = isLoaded && (marks >>> Z & 1) != 0;
            String as = "marks " + Integer.toBinaryString(marks);
            assertThat(isSet(V, marks)).as(as).isEqualTo(isLoaded);
            assertThat(isSet(open, marks)).as(as).isEqualTo(isChanged);
            assertThat(isSet(Z, marks)).as(as).isEqualTo(isZero);
            assertThat(isSet(H, marks)).as(as).isEqualTo(isLoaded && (marks >>> H & 1) != 0);
            assertThat(isSet(other, marks) || isSet(L, marks) || isSet(N, marks))
                    .as(as)
                    .isFalse();
            dirtyCount += isChanged ? 1 : 0;
            dataCount += isChanged && !isZero ? 1 : 0;
        }
        assertThat(dirty.chunkCount()).isEqualTo(dirtyCount);
        assertThat(dirty.logChunkCount()).isEqualTo(dirtyCount);
        assertThat(dirty.dataChunkCount()).isEqualTo(dataCount);
        assertThat(dirty.logDataChunkCount()).isEqualTo(dataCount);
        assertThat(dirty.logZeroRunCount()).isBetween(1L, (long) dirtyCount - dataCount);
        assertThat(store.loadedChunkCount()).isEqualTo(64);
        assertSummariesAreRight(store.table(), epoch);
    }

    private static void assertSummariesAreRight(ChunkTable table, long epoch) {
        int parity = (int) (epoch & 1);
        for (long word = 0; word < table.wordCount(); word++) {
            assertThat(table.nextDirtyWord(parity, word) == word).isEqualTo(table.dirty(parity, word) != 0);
            assertThat(table.nextStaleWord(word) == word).isEqualTo(table.stale(word) != 0);
        }
        assertThat(table.nextDirtyWord(parity ^ 1, 0)).isEqualTo(-1);
    }

    @Test
    void whoTakesOverAndIsKilledTooLosesNothing() {
        for (int chunk = 0; chunk < 4; chunk++) {
            set(V, chunk);
            set(chunk, chunk); // L, D0, D1, H
        }
        takeOver(1, dirty);
        DirtyCount again = new DirtyCount();
        takeOver(2, again);
        takeOver(2, new DirtyCount());
        assertThat(again.chunkCount()).isEqualTo(4);
        for (int chunk = 0; chunk < 4; chunk++) {
            assertThat(isSet(D0, chunk)).isTrue();
            assertThat(isSet(D1, chunk)).isFalse();
        }
    }

    @Test
    void aStoreThatWasUnderWayIsDoneAgainAsAWhole() throws Exception {
        MemorySegment staging = segment.staging(0);
        staging.asSlice(10, 3 * CHUNK_BYTES).fill((byte) 7);
        fill(5, 1);
        set(V, 5);
        // Half of it is there: chunk 5 was loaded, chunks 6 and 7 were not.
        segment.redoSlot(0).begin(5 * CHUNK_BYTES + 100, 3 * CHUNK_BYTES - 100, staging, 10);
        segment.data().asSlice(5 * CHUNK_BYTES + 100, 50).fill((byte) 7);
        ChunkStore store = takeOver(1, dirty);
        byte[] expected = new byte[3 * CHUNK_BYTES];
        Arrays.fill(expected, (byte) 7);
        Arrays.fill(expected, 0, 100, (byte) 1);
        assertThat(content(store, 5 * CHUNK_BYTES, 3 * CHUNK_BYTES)).isEqualTo(expected);
        for (int chunk = 5; chunk <= 7; chunk++) {
            assertThat(isSet(V, chunk)).isTrue();
            assertThat(isSet(D1, chunk)).isTrue();
        }
        assertThat(dirty.dataChunkCount()).isEqualTo(3);
        assertThat(segment.redoSlot(0).isBegun()).isFalse();
    }

    @Test
    void zeroesThatWereBeingWrittenAreToo() throws Exception {
        segment.staging(1);
        fill(63, 9);
        fill(64, 9);
        set(V, 63);
        set(V, 64);
        segment.redoSlot(3).begin(63 * CHUNK_BYTES + 4000, 200, null, 0);
        ChunkStore store = takeOver(2, dirty);
        byte[] expected = new byte[2 * CHUNK_BYTES];
        Arrays.fill(expected, (byte) 9);
        Arrays.fill(expected, 4000, 4200, (byte) 0);
        assertThat(content(store, 63 * CHUNK_BYTES, 2 * CHUNK_BYTES)).isEqualTo(expected);
        assertThat(dirty.chunkCount()).isEqualTo(2);
    }

    @Test
    void theRestOfAChunkOfZeroesIsZeroesWhateverItsMemoryHolds() throws Exception {
        MemorySegment staging = segment.staging(0);
        staging.asSlice(0, 10).fill((byte) 3);
        fill(8, 0x55);
        set(V, 8);
        set(Z, 8);
        segment.redoSlot(0).begin(8 * CHUNK_BYTES + 20, 10, staging, 0);
        ChunkStore store = takeOver(1, dirty);
        byte[] expected = new byte[CHUNK_BYTES];
        Arrays.fill(expected, 20, 30, (byte) 3);
        assertThat(content(store, 8 * CHUNK_BYTES, CHUNK_BYTES)).isEqualTo(expected);
        assertThat(isSet(Z, 8)).isFalse();
    }

    @Test
    void memoryOfASparseDeviceThatNobodyAnswersForIsGivenBack() throws Exception {
        try (TemporarySegment sparse = new TemporarySegment(16L << 20, CHUNK_BYTES, 1, true)) {
            SharedSegment own = sparse.segment();
            Granules granules = Objects.requireNonNull(own.granules());
            // Granules 1 and 3: taken; in 1 there is data, in 3 zeroes. Granule 5: memory that no bit answers for.
            assertThat(granules.take(2L << 20, 1)).isTrue();
            assertThat(granules.take(6L << 20, 1)).isTrue();
            own.data().set(ValueLayout.JAVA_BYTE, 2L << 20, (byte) 1);
            own.data().set(ValueLayout.JAVA_BYTE, 10L << 20, (byte) 1);
            for (int word = 0; word < 64; word++) {
                own.plane(V).setAtIndex(ValueLayout.JAVA_LONG, word, -1L);
                own.plane(Z).setAtIndex(ValueLayout.JAVA_LONG, word, word / 8 == 1 ? 0 : -1L);
            }
            long before = allocatedBytes(own);
            Epochs epochs = new Epochs(4, Clock.SYSTEM, () -> {}, 1);
            ChunkStore store = new ChunkStore(own, epochs, Captures.NONE, dirty, new Trace(Clock.SYSTEM));
            TakeOver.run(store, own, epochs, dirty);
            assertThat(own.data().get(ValueLayout.JAVA_BYTE, 2L << 20)).isEqualTo((byte) 1);
            assertThat(allocatedBytes(own)).isLessThan(before);
            assertThat(store.hasMemoryToGiveBack()).isTrue();
            store.giveMemoryBack(new Backoff());
            assertThat(granules.holds(6L << 20, 1)).isFalse();
            assertThat(granules.holds(2L << 20, 1)).isTrue();
            assertThat(allocatedBytes(own)).isLessThanOrEqualTo(before - (2L << 20) - 4096);
        }
    }

    /** Whoever was killed may have held it for any of them; what is not loaded is still nobody's. */
    @Test
    void aLockThatChunksShareMakesAllOfThemDirtyThatAreLoaded() throws Exception {
        long shared = SegmentLayout.LOCK_WORD_COUNT_MAX;
        try (TemporarySegment large = new TemporarySegment((3 * shared) * 64 * CHUNK_BYTES, CHUNK_BYTES, 1, true)) {
            SharedSegment own = large.segment();
            own.plane(L).setAtIndex(ValueLayout.JAVA_LONG, 5, 0b10);
            own.plane(V).setAtIndex(ValueLayout.JAVA_LONG, 5, 0b11);
            own.plane(Z).setAtIndex(ValueLayout.JAVA_LONG, 5, 0b11);
            own.plane(V).setAtIndex(ValueLayout.JAVA_LONG, 2 * shared + 5, 0b11);
            own.plane(Z).setAtIndex(ValueLayout.JAVA_LONG, 2 * shared + 5, 0b11);
            Epochs epochs = new Epochs(4, Clock.SYSTEM, () -> {}, 1);
            ChunkStore store = new ChunkStore(own, epochs, Captures.NONE, dirty, new Trace(Clock.SYSTEM));
            assertThat(TakeOver.run(store, own, epochs, dirty)).isEqualTo(2);
            assertThat(store.table().nextDirtyWord(1, 0)).isEqualTo(5);
            assertThat(store.table().nextDirtyWord(1, 6)).isEqualTo(2 * shared + 5);
            assertThat(store.table().dirty(1, 2 * shared + 5)).isEqualTo(0b10);
            assertThat(store.table().tryLock(5, -1L)).isTrue();
        }
    }

    @Test
    void whatIsDoneAgainIsCountedByRegionOnce() throws Exception {
        long sizeBytes = (RegionCounts.REGION_COUNT_MAX + 1L) * 64 * CHUNK_BYTES;
        try (TemporarySegment large = new TemporarySegment(sizeBytes, CHUNK_BYTES, 1, true)) {
            SharedSegment own = large.segment();
            assertThat(Objects.requireNonNull(own.granules()).take(0, 1)).isTrue();
            MemorySegment staging = own.staging(0);
            staging.asSlice(0, CHUNK_BYTES).fill((byte) 7);
            own.redoSlot(0).begin(0, CHUNK_BYTES, staging, 0);
            Epochs epochs = new Epochs(4, Clock.SYSTEM, () -> {}, 1);
            ChunkStore store = new ChunkStore(own, epochs, Captures.NONE, dirty, new Trace(Clock.SYSTEM));
            TakeOver.run(store, own, epochs, dirty);
            RegionCounts regions = Objects.requireNonNull(store.table().regions());
            assertThat(store.loadedChunkCount()).isEqualTo(1);
            assertThat(regions.loaded(0)).isEqualTo(1);
            assertThat(regions.zero(0)).isZero();
        }
    }

    private static long allocatedBytes(SharedSegment segment) throws IOException {
        int fd = Posix.open(segment.path(), Posix.O_RDONLY, 0);
        try {
            return Posix.status(fd).allocatedBytes();
        } finally {
            Posix.close(fd);
        }
    }

    /** Killed between any two changes of the memory, which are then put back to what they were at that moment. */
    @Test
    void aKillWhileAChunkIsMendedLeavesItAsItWasOrAsItShallBe() throws Exception {
        long chunk = 7;
        set(V, chunk);
        fill(chunk, 1);
        ChunkStore store = takeOver(1, dirty);
        segment.staging(segment.layout().mendingArea());
        Worker mender = new Worker(3, segment.redoSlot(segment.layout().mendingSlot()));
        byte[] right = new byte[CHUNK_BYTES];
        Arrays.fill(right, (byte) 2);
        List<byte[]> moments = new ArrayList<>();
        KillPoint.visit(() -> moments.add(assertDoesNotThrow(() -> Files.readAllBytes(segment.path()))));
        try {
            assertThat(dirty.reserve(1, 100, 100)).isTrue();
            assertThat(store.mend(mender, chunk, MemorySegment.ofArray(right), 0))
                    .isPositive();
        } finally {
            KillPoint.visit(null);
        }
        assertThat(moments).hasSizeGreaterThan(3);
        for (byte[] moment : moments) {
            Files.write(segment.path(), moment, StandardOpenOption.WRITE);
            byte[] found = content(takeOver(2, new DirtyCount()), chunk * CHUNK_BYTES, CHUNK_BYTES);
            assertThat(found).containsOnly(found[0]);
            assertThat(isSet(D0, chunk)).as("dirty").isEqualTo(found[0] == 2);
        }
    }

    @Test
    void everyStoreIsNotedWhileItIsUnderWayAndNotAfterwards() throws Exception {
        MemorySegment staging = segment.staging(0);
        RedoSlot slot = segment.redoSlot(0);
        boolean[] isNotedAtFirstChange = new boolean[1];
        Epochs epochs = new Epochs(4, Clock.SYSTEM, () -> isNotedAtFirstChange[0] = slot.isBegun(), 1);
        ChunkStore store = new ChunkStore(segment, epochs, Captures.NONE, dirty, new Trace(Clock.SYSTEM));
        assertThat(dirty.reserve(1, 100, 100)).isTrue();
        store.store(new Worker(0, slot), 0, CHUNK_BYTES, staging, 0);
        assertThat(isNotedAtFirstChange[0]).isTrue();
        assertThat(slot.isBegun()).isFalse();
    }
}
