package ramback.image;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.LongRange;
import org.junit.jupiter.api.Test;

/** The picture of the chunk table, against a count of every chunk. */
class ChunkMapTest {

    /** More words than are looked at one by one. */
    private static final long LARGE_CHUNK_COUNT = (3L * RegionCounts.REGION_COUNT_MAX + 5) * 64 - 17;

    /** Sets bits at random, in stretches, as loaders and writers do; and takes some of them back. */
    private static void scribble(ChunkTable table, long chunkCount, Random random, int stretchCount) {
        for (int i = 0; i < stretchCount; i++) {
            long first = random.nextLong(chunkCount);
            long last = Math.min(chunkCount - 1, first + random.nextInt(random.nextBoolean() ? 3 : 700));
            int what = random.nextInt(6);
            for (long word = ChunkTable.wordOf(first); word <= ChunkTable.wordOf(last); word++) {
                long mask = ChunkTable.maskOf(word, first, last);
                switch (what) {
                    case 0 -> {
                        table.markZero(word, mask);
                        table.publishLoaded(word, mask);
                    }
                    case 1 -> table.markDirty(random.nextInt(2), word, mask);
                    case 2 -> table.markStale(word, mask);
                    case 3 -> table.clearDirty(random.nextInt(2), word, mask);
                    case 4 -> table.clearStale(word, mask);
                    default -> {
                        table.publishLoaded(word, mask);
                        table.publishData(word, mask);
                    }
                }
            }
        }
    }

    private static void assertAsCounted(ChunkMap map, ChunkTable table, long chunkCount) {
        assertThat(map.chunkCount()).isEqualTo(chunkCount);
        assertThat((map.cellCount() - 1) * map.chunksPerCell()).isLessThan(chunkCount);
        assertThat(map.cellCount() * map.chunksPerCell()).isGreaterThanOrEqualTo(chunkCount);
        long[][] counted = new long[4][map.cellCount()];
        for (long chunk = 0; chunk < chunkCount; chunk++) {
            long word = ChunkTable.wordOf(chunk);
            int cell = (int) (chunk / map.chunksPerCell());
            counted[0][cell] += table.loaded(word) >>> chunk & 1;
            counted[1][cell] += table.loaded(word) >>> chunk & table.zero(word) >>> chunk & 1;
            counted[2][cell] += (table.dirty(0, word) | table.dirty(1, word) | table.stale(word)) >>> chunk & 1;
            counted[3][cell]++;
        }
        for (int cell = 0; cell < map.cellCount(); cell++) {
            assertThat(new long[] {map.loaded(cell), map.zero(cell), map.dirty(cell), map.chunkCount(cell)})
                    .as("cell %d of %d", cell, map.cellCount())
                    .containsExactly(counted[0][cell], counted[1][cell], counted[2][cell], counted[3][cell]);
        }
    }

    @Property(tries = 300)
    void everyCellHasWhatACountOfItsChunksFinds(
            @ForAll @LongRange(min = 1, max = 30_000) long chunkCount,
            @ForAll @IntRange(min = 1, max = ChunkMap.CELL_COUNT_MAX) int cellCountMax,
            @ForAll long seed) {
        ChunkTable table = HeapTable.ofChunks(chunkCount);
        scribble(table, chunkCount, new Random(seed), 60);
        ChunkMap map = ChunkMap.of(table, cellCountMax);
        assertThat(map.cellCount()).isBetween(1, cellCountMax);
        assertThat(map.chunksPerCell()).isEqualTo((chunkCount + cellCountMax - 1) / cellCountMax);
        assertAsCounted(map, table, chunkCount);
    }

    @Property(tries = 300)
    void soItHasWhereStatesAreCountedByRegionsOfAnySize(
            @ForAll @LongRange(min = 65, max = 60_000) long chunkCount,
            @ForAll @IntRange(min = 1, max = 300) int regionCountMax,
            @ForAll @IntRange(min = 1, max = 500) int cellCountMax,
            @ForAll long seed) {
        ChunkTable table = HeapTable.ofChunks(chunkCount, regionCountMax);
        RegionCounts regions = table.regions();
        assertThat(regions == null).isEqualTo(table.wordCount() <= regionCountMax);
        scribble(table, chunkCount, new Random(seed), 60);
        ChunkMap map = ChunkMap.of(table, cellCountMax);
        assertThat(map.cellCount()).isBetween(1, cellCountMax);
        long unit = regions == null ? 1 : regions.chunksPerRegion();
        assertThat(map.chunksPerCell() % unit).isZero();
        assertThat(regions == null ? 1 : regions.regionCount()).isLessThanOrEqualTo(Math.max(1, regionCountMax));
        assertAsCounted(map, table, chunkCount);
    }

    /** Words of a cell that all have the same: then what some of them stand for is what is there, to the chunk. */
    @Property(tries = 100)
    void soItIsToTheCellWhereSomeWordsStandForOthersAndStatesAreCountedByRegion(
            @ForAll @IntRange(min = 65, max = 1_500) int wordCount,
            @ForAll @IntRange(min = 1, max = 64) int regionCountMax,
            @ForAll @IntRange(min = 1, max = 64) int cellCountMax,
            @ForAll @IntRange(min = 1, max = 60) int lookedAtMax,
            @ForAll @IntRange(min = 1, max = 64) int bitCount) {
        ChunkTable table = HeapTable.ofChunks(wordCount * 64L, regionCountMax);
        long bits = -1L >>> (64 - bitCount);
        for (long word = 0; word < wordCount; word++) {
            table.markDirty((int) (word & 1), word, bits);
            table.publishLoaded(word, bits);
        }
        ChunkMap map = ChunkMap.of(table, cellCountMax, lookedAtMax);
        for (int cell = 0; cell < map.cellCount(); cell++) {
            assertThat(new long[] {map.dirty(cell), map.loaded(cell)})
                    .as("cell %d of %d, %d chunks each", cell, map.cellCount(), map.chunksPerCell())
                    .containsOnly(map.chunkCount(cell) / 64 * bitCount);
        }
    }

    @Property(tries = 8)
    void soItHasOfALargeDeviceWhoseStatesAreCountedByRegion(
            @ForAll @IntRange(min = 1, max = ChunkMap.CELL_COUNT_MAX) int cellCountMax, @ForAll long seed) {
        ChunkTable table = HeapTable.ofChunks(LARGE_CHUNK_COUNT);
        assertThat(table.regions()).isNotNull();
        scribble(table, LARGE_CHUNK_COUNT, new Random(seed), 3_000);
        ChunkMap map = ChunkMap.of(table, cellCountMax);
        assertThat(map.cellCount()).isBetween(cellCountMax / 2, cellCountMax);
        assertAsCounted(map, table, LARGE_CHUNK_COUNT);
    }

    @Test
    void anEmptyDeviceIsEmptyAndAFullOneFullToItsLastChunk() {
        for (long chunkCount : new long[] {1, 63, 64, 65, 127, 128, 4096, 4097, LARGE_CHUNK_COUNT}) {
            ChunkTable table = HeapTable.ofChunks(chunkCount);
            assertAsCounted(ChunkMap.of(table, 4096), table, chunkCount);
            for (long word = 0; word < table.wordCount(); word++) {
                table.markDirty(0, word, table.existing(word));
                table.markZero(word, table.existing(word));
                table.publishLoaded(word, table.existing(word));
            }
            ChunkMap map = ChunkMap.of(table, 4096);
            long whole = 0;
            for (int cell = 0; cell < map.cellCount(); cell++) {
                assertThat(map.loaded(cell)).isEqualTo(map.chunkCount(cell));
                assertThat(map.zero(cell)).isEqualTo(map.chunkCount(cell));
                assertThat(map.dirty(cell)).isEqualTo(map.chunkCount(cell));
                whole += map.chunkCount(cell);
            }
            assertThat(whole).isEqualTo(chunkCount);
        }
    }

    @Test
    void ofVeryManyDirtyWordsSomeStandForTheOthersAndNoCellLooksCleanForIt() {
        int wordCount = 4_000;
        ChunkTable table = HeapTable.ofChunks(wordCount * 64L);
        for (long word = 0; word < wordCount; word++) {
            table.markDirty((int) (word & 1), word, 0xffL);
        }
        ChunkMap map = ChunkMap.of(table, 500, 100);
        for (int cell = 0; cell < map.cellCount(); cell++) {
            assertThat(map.dirty(cell)).isEqualTo(8 * 8);
        }
    }

    @Test
    void soItIsWhereACellHoldsWholeWordsOfTheSummary() {
        int wordCount = 4_096;
        ChunkTable table = HeapTable.ofChunks(wordCount * 64L);
        for (long word = 0; word < wordCount; word++) {
            table.markDirty((int) (word & 1), word, 0xffL);
            table.markStale(word, 0xff00L);
        }
        ChunkMap map = ChunkMap.of(table, 32, 100);
        assertThat(map.chunksPerCell()).isEqualTo(8192);
        for (int cell = 0; cell < map.cellCount(); cell++) {
            assertThat(map.dirty(cell)).isEqualTo(128 * 16);
        }
    }

    @Test
    void aSummaryThatIsUpOverACleanWordMakesNothingDirty() {
        ChunkTable table = HeapTable.ofChunks(6400);
        table.markDirty(0, 50, 1);
        table.clearDirty(0, 50, 1);
        ChunkMap map = ChunkMap.of(table, 100);
        for (int cell = 0; cell < map.cellCount(); cell++) {
            assertThat(map.dirty(cell)).isZero();
        }
    }

    @Test
    void countsByRegionAreTakenOverWithTheMemory() {
        ChunkTable table = HeapTable.ofChunks(LARGE_CHUNK_COUNT);
        Random random = new Random(7);
        scribble(table, LARGE_CHUNK_COUNT, random, 2_000);
        // A store that is done again counts before all words are gone through.
        table.clearRegions();
        for (long word = 0; word < table.wordCount(); word++) {
            table.takeOver(1, word);
        }
        assertAsCounted(ChunkMap.of(table, 4096), table, LARGE_CHUNK_COUNT);
    }

    @Test
    void asManyCellsAsThereMayBeAndNoMore() {
        ChunkTable table = HeapTable.ofChunks(100);
        assertThatThrownBy(() -> ChunkMap.of(table, 0)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> ChunkMap.of(table, ChunkMap.CELL_COUNT_MAX + 1))
                .isInstanceOf(IllegalArgumentException.class);
        assertThat(ChunkMap.of(table, ChunkMap.CELL_COUNT_MAX).cellCount()).isEqualTo(100);
    }
}
