package ramback.image;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.BitSet;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.LongRange;
import org.junit.jupiter.api.Test;
import ramback.clock.Backoff;
import ramback.memory.SegmentLayout;

class ChunkTableTest {

    @Property(tries = 500)
    void aMaskHasTheBitsOfItsChunks(
            @ForAll @LongRange(min = 0, max = 1L << 44) long first, @ForAll @LongRange(min = 0, max = 300) long more) {
        long last = first + more;
        long count = 0;
        for (long word = ChunkTable.wordOf(first); word <= ChunkTable.wordOf(last); word++) {
            long mask = ChunkTable.maskOf(word, first, last);
            for (int bit = 0; bit < 64; bit++) {
                long chunk = (word << 6) + bit;
                assertThat(mask >>> bit & 1).isEqualTo(first <= chunk && chunk <= last ? 1 : 0);
            }
            count += Long.bitCount(mask);
        }
        assertThat(count).isEqualTo(more + 1);
    }

    @Property(tries = 50)
    void theSummaryFindsEveryMarkedWordAndOnlyThose(@ForAll long seed) {
        Random random = new Random(seed);
        int wordCount = 1 + random.nextInt(700);
        ChunkTable table = HeapTable.ofChunks(wordCount * 64L - random.nextInt(64));
        BitSet marked = new BitSet();
        for (int i = 0; i < random.nextInt(100); i++) {
            int word = random.nextInt(wordCount);
            table.markDirty(1, word, 1);
            table.markStale(word, 1);
            marked.set(word);
        }
        long dirtyAt = table.nextDirtyWord(1, 0);
        long staleAt = table.nextStaleWord(0);
        for (int word = marked.nextSetBit(0); word >= 0; word = marked.nextSetBit(word + 1)) {
            assertThat(dirtyAt).isEqualTo(word);
            assertThat(staleAt).isEqualTo(word);
            table.lowerDirtySummary(1, word);
            table.lowerStaleSummary(word);
            dirtyAt = table.nextDirtyWord(1, word + 1);
            staleAt = table.nextStaleWord(word + 1);
        }
        assertThat(dirtyAt).isEqualTo(-1);
        assertThat(staleAt).isEqualTo(-1);
        assertThat(table.nextDirtyWord(0, 0)).isEqualTo(-1);
        assertThat(table.nextDirtyWord(1, 0)).isEqualTo(-1);
        assertThat(table.nextStaleWord(0)).isEqualTo(-1);
    }

    @Test
    void locksAreAllOrNoneOrWhatIsFree() {
        ChunkTable table = HeapTable.ofChunks(64);
        Backoff backoff = new Backoff();
        assertThat(table.tryLock(0, 0b0110)).isTrue();
        assertThat(table.tryLock(0, 0b1100)).isFalse();
        assertThat(table.tryLockSome(0, 0b1111)).isEqualTo(0b1001);
        assertThat(table.tryLockSome(0, 0b1111)).isZero();
        table.unlock(0, 0b0010);
        assertThat(table.lockSome(0, 0b1111, backoff)).isEqualTo(0b0010);
        table.unlock(0, 0b1111);
        table.lock(0, -1L, backoff);
        table.unlock(0, -1L);
        assertThat(table.tryLock(0, -1L)).isTrue();
    }

    @Test
    void chunksFarFromEachOtherMayShareALock() {
        long shared = SegmentLayout.LOCK_WORD_COUNT_MAX;
        ChunkTable table = HeapTable.ofChunks((shared + 2) * 64);
        assertThat(table.tryLock(1, 0b011)).isTrue();
        assertThat(table.tryLock(shared, 0b011)).isTrue();
        assertThat(table.tryLock(shared + 1, 0b010)).isFalse();
        assertThat(table.tryLockSome(shared + 1, 0b110)).isEqualTo(0b100);
        table.unlock(1, 0b011);
        assertThat(table.tryLock(shared + 1, 0b010)).isTrue();
        table.unlock(shared + 1, 0b110);
        assertThat(table.tryLock(1, -1L)).isTrue();
        // Their marks are their own.
        table.markDirty(0, 1, 1);
        assertThat(table.dirty(0, shared + 1)).isZero();
    }

    @Test
    void marksSayWhatIsNew() {
        ChunkTable table = HeapTable.ofChunks(60);
        assertThat(table.existing(0)).isEqualTo(-1L >>> 4);
        assertThat(table.markDirty(0, 0, 0b11)).isEqualTo(0b11);
        assertThat(table.markDirty(0, 0, 0b11)).isZero();
        assertThat(table.markDirty(0, 0, 0b110)).isEqualTo(0b100);
        assertThat(table.markDirty(1, 0, 0b110)).isEqualTo(0b110);
        table.clearDirty(0, 0, 0b10);
        assertThat(table.dirty(0, 0)).isEqualTo(0b101);
        assertThat(table.dirty(1, 0)).isEqualTo(0b110);
        assertThat(table.publishLoaded(0, 0b11)).isEqualTo(0b11);
        assertThat(table.publishLoaded(0, 0b111)).isEqualTo(0b100);
        assertThat(table.publishLoaded(0, 0b111)).isZero();
        table.markZero(0, 0b111);
        table.publishData(0, 0b010);
        assertThat(table.zero(0)).isEqualTo(0b101);
    }
}
