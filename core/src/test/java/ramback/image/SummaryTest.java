package ramback.image;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.MemorySegment;
import java.util.Random;
import java.util.SortedSet;
import java.util.TreeSet;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

class SummaryTest {

    /** As large as that of a tebibyte in chunks of 4 KiB. */
    private static final int WORD_COUNT = 1 << 22;

    private static Summary create(int wordCount) {
        return new Summary(MemorySegment.ofArray(new long[(wordCount + 63) >>> 6]), wordCount);
    }

    private static void assertHas(Summary summary, SortedSet<Long> raised) {
        long at = summary.next(0);
        for (long word : raised) {
            assertThat(at).isEqualTo(word);
            assertThat(summary.glance(word >>> 6) >>> word & 1).isOne();
            at = summary.next(word + 1);
        }
        assertThat(at).isEqualTo(-1);
    }

    @Property(tries = 50)
    void itFindsWhatIsRaisedAndNothingElse(@ForAll long seed) {
        Random random = new Random(seed);
        int wordCount = 1 + random.nextInt(random.nextBoolean() ? 200 : WORD_COUNT);
        Summary summary = create(wordCount);
        TreeSet<Long> raised = new TreeSet<>();
        for (int i = 0; i < 300; i++) {
            long word = random.nextInt(wordCount);
            if (random.nextInt(3) > 0) {
                summary.raise(word);
                raised.add(word);
            } else if (!raised.isEmpty()) {
                Long other = raised.ceiling(word);
                long gone = other == null ? raised.first() : other;
                summary.lower(gone);
                raised.remove(gone);
            }
        }
        assertHas(summary, raised);
    }

    @Test
    void whatIsAboveIsRebuiltFromTheBits() {
        MemorySegment bits = MemorySegment.ofArray(new long[WORD_COUNT >>> 6]);
        new Summary(bits, WORD_COUNT).raise(1_000_000);
        Summary found = new Summary(bits, WORD_COUNT);
        assertThat(found.next(0)).isEqualTo(-1);
        found.rebuildAbove(1_000_000);
        assertThat(found.next(0)).isEqualTo(1_000_000);
        assertThat(found.next(1_000_001)).isEqualTo(-1);
    }

    @Test
    void theLastWordOfTheLargestDeviceIsFound() {
        Summary summary = create(1 << 26);
        summary.raise((1 << 26) - 1);
        assertThat(summary.next(0)).isEqualTo((1 << 26) - 1);
        assertThat(summary.next(1 << 26)).isEqualTo(-1);
    }
}
