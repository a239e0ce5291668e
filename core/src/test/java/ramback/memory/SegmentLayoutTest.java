package ramback.memory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.stream.LongStream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.LongRange;
import org.junit.jupiter.api.Test;

class SegmentLayoutTest {

    @Property(tries = 200)
    void partsFollowEachOtherAndHoldWhatTheyMust(
            @ForAll @LongRange(min = 1, max = SegmentLayout.SIZE_BYTES_MAX) long sizeBytes,
            @ForAll @IntRange(min = 12, max = 20) int chunkShift,
            @ForAll @IntRange(min = 1, max = 4096) int sessions) {
        SegmentLayout layout = new SegmentLayout(sizeBytes, 1 << chunkShift, sessions);
        assertThat(layout.chunkShift()).isEqualTo(chunkShift);
        assertThat(layout.dataBytes() - sizeBytes).isBetween(0L, (1L << chunkShift) - 1);
        assertThat(layout.wordCount() * 64 - layout.chunkCount()).isBetween(0L, 63L);
        assertThat(layout.planeBytes()).isGreaterThanOrEqualTo(layout.wordCount() * 8);
        long end = 4096;
        for (int plane = 0; plane < SegmentLayout.PLANE_COUNT; plane++) {
            assertThat(layout.planeOffset(plane)).isEqualTo(end);
            end += layout.planeBytes(plane);
        }
        for (int summary = 0; summary < SegmentLayout.SUMMARY_COUNT; summary++) {
            assertThat(layout.summaryOffset(summary)).isEqualTo(end);
            assertThat(layout.summaryBytes() * 8).isGreaterThanOrEqualTo(layout.wordCount());
            end += layout.summaryBytes();
        }
        assertThat(layout.granulesOffset()).isEqualTo(end);
        assertThat(layout.granulesBytes() * 8).isGreaterThanOrEqualTo(layout.granuleCount());
        assertThat(layout.redoOffset()).isEqualTo(end + layout.granulesBytes());
        assertThat(layout.redoBytes()).isGreaterThanOrEqualTo((2L * sessions + 1) * SegmentLayout.REDO_SLOT_BYTES);
        assertThat(layout.stagingOffset()).isEqualTo(layout.redoOffset() + layout.redoBytes());
        assertThat(layout.stagingOffset() % 4096).isZero();
        assertThat(layout.stagingBytes()).isGreaterThanOrEqualTo((1 << chunkShift) + SegmentLayout.RUN_BYTES);
        assertThat(layout.stagingBytes() % 4096).isZero();
        assertThat(layout.dataOffset())
                .isGreaterThanOrEqualTo(layout.stagingOffset() + (sessions + 1L) * layout.sessionBytes());
        assertThat(layout.sessionBytes()).isEqualTo(layout.stagingBytes() + layout.runBytesMax());
        assertThat(layout.runBytesMax()).isGreaterThanOrEqualTo(1 << chunkShift);
        assertThat(layout.dataOffset() % SegmentLayout.GRANULE_BYTES).isZero();
        assertThat(layout.segmentBytes()).isEqualTo(layout.dataOffset() + layout.dataBytes());
    }

    @Test
    void aTerabyteNeedsThreeQuartersOfAByteAChunk() {
        SegmentLayout layout = new SegmentLayout(1L << 40, 4096, 256);
        assertThat(layout.stagingOffset()).isBetween(192L << 20, 195L << 20);
        // 0.02 % of the device, the promise.
        assertThat(layout.stagingOffset()).isLessThan(layout.sizeBytes() / 5000);
    }

    @Test
    void locksAreSharedOnlyByChunksFarFromEachOther() {
        SegmentLayout small = new SegmentLayout(SegmentLayout.LOCK_WORD_COUNT_MAX * 64 * 4096, 4096, 1);
        assertThat(small.lockWordCount()).isEqualTo(small.wordCount());
        assertThat(small.planeBytes(0)).isEqualTo(small.planeBytes());
        SegmentLayout large = new SegmentLayout(SegmentLayout.SIZE_BYTES_MAX, 4096, 1);
        assertThat(large.planeBytes(0)).isEqualTo(small.planeBytes(0));
        long granuleWords = SegmentLayout.GRANULE_BYTES / 4096 / 64;
        long last = large.wordCount() - granuleWords;
        assertThat(LongStream.range(last, large.wordCount()).map(SegmentLayout::lockWord))
                .doesNotHaveDuplicates()
                .allMatch(word -> word < large.lockWordCount());
    }

    @Test
    void whatIsOutOfRangeIsRefused() {
        assertThatThrownBy(() -> new SegmentLayout(0, 4096, 1)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> new SegmentLayout(SegmentLayout.SIZE_BYTES_MAX + 1, 4096, 1))
                .isInstanceOf(IllegalArgumentException.class);
        for (int chunkBytes : new int[] {0, 1, 2048, 4097, 12288, 2 << 20, Integer.MIN_VALUE}) {
            assertThatThrownBy(() -> new SegmentLayout(1, chunkBytes, 1)).isInstanceOf(IllegalArgumentException.class);
        }
        assertThatThrownBy(() -> new SegmentLayout(1, 4096, 0)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> new SegmentLayout(1, 4096, 4097)).isInstanceOf(IllegalArgumentException.class);
    }
}
