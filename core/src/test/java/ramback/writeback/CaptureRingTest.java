package ramback.writeback;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import ramback.journal.VersionBatch;

class CaptureRingTest {
    private static final int CHUNK = 4096;
    private static final MemorySegment ZEROES = MemorySegment.NULL;

    @AutoClose
    private final Arena arena = Arena.ofShared();

    private final VersionBatch batch = new VersionBatch();

    private CaptureRing ring(int slotCount, int entryCount, int reservedCount) {
        MemorySegment memory = arena.allocate((long) slotCount * CHUNK, CHUNK);
        return new CaptureRing(CHUNK, memory, entryCount, reservedCount);
    }

    private MemorySegment filled(int value) {
        return arena.allocate(CHUNK).fill((byte) value);
    }

    /** What a batch holds, in words: {@code 5:7} is chunk 5 filled with sevens, {@code 9+3} three chunks of zeroes. */
    static List<String> wordsOf(VersionBatch batch, int chunkBytes) {
        List<String> words = new ArrayList<>();
        long at = 0;
        for (int extent = 0; extent < batch.extentCount(); extent++) {
            if (batch.isZero(extent)) {
                words.add(batch.firstChunk(extent) + "+" + batch.chunkCount(extent));
                continue;
            }
            for (long i = 0; i < batch.chunkCount(extent); i++) {
                byte[] bytes = batch.payload().asSlice(at, chunkBytes).toArray(ValueLayout.JAVA_BYTE);
                byte[] same = new byte[chunkBytes];
                Arrays.fill(same, bytes[0]);
                assertThat(bytes).isEqualTo(same);
                words.add(batch.firstChunk(extent) + i + ":" + bytes[0]);
                at += chunkBytes;
            }
        }
        assertThat(batch.payload().byteSize()).isEqualTo(at);
        return words;
    }

    private List<String> take(CaptureRing ring) {
        ring.take(batch, 1 << 20);
        return wordsOf(batch, CHUNK);
    }

    @Test
    void whatIsPutIsTakenInOrder() {
        CaptureRing ring = ring(8, 8, 0);
        assertThat(ring.isEmpty()).isTrue();
        assertThat(ring.take(batch, CHUNK)).isZero();
        assertThat(ring.tryPut(5, filled(1), 1, false)).isTrue();
        assertThat(ring.tryPut(3, ZEROES, 40, true)).isTrue();
        assertThat(ring.tryPut(9, filled(2), 1, false)).isTrue();
        assertThat(ring.hasMore()).isTrue();
        assertThat(ring.take(batch, 1 << 20)).isEqualTo(3);
        assertThat(wordsOf(batch, CHUNK)).containsExactly("5:1", "3+40", "9:2");
        assertThat(ring.hasMore()).isFalse();
        assertThat(ring.isEmpty()).isFalse();
        assertThat(ring.takenBytes()).isEqualTo(2 * CHUNK);
        ring.release();
        assertThat(ring.isEmpty()).isTrue();
        assertThat(ring.takenBytes()).isZero();
    }

    @Test
    void aClaimThatIsGivenUpLeavesNothingBehind() {
        CaptureRing ring = ring(8, 16, 0);
        long first = ring.claim(true);
        long second = ring.claim(true);
        ring.tryPut(7, filled(7), 1, false);
        assertThat(ring.take(batch, 1 << 20))
                .as("what was claimed first is not there yet")
                .isZero();
        ring.fill(second, filled(2), 0);
        ring.publish(second, 12);
        ring.abandon(first);
        assertThat(take(ring)).containsExactly("12:2", "7:7");
        long third = ring.claim(true);
        ring.tryPut(8, filled(8), 1, false);
        long fourth = ring.claim(true);
        ring.tryPut(9, filled(9), 1, false);
        ring.abandon(third);
        ring.abandon(fourth);
        assertThat(take(ring)).as("up to the slot that holds nothing").containsExactly("8:8");
        assertThat(take(ring)).containsExactly("9:9");
        ring.abandon(ring.claim(false));
        assertThat(ring.hasMore()).isTrue();
        assertThat(ring.take(batch, CHUNK)).isEqualTo(1);
        assertThat(batch.extentCount()).isZero();
        ring.release();
        assertThat(ring.isEmpty()).isTrue();
    }

    @Test
    void aClaimIsRefusedWhenThereIsNoRoomAndLeavesSomeToWriters() {
        CaptureRing ring = ring(3, 8, 1);
        assertThat(ring.claim(true)).isNotEqualTo(CaptureRing.FULL);
        assertThat(ring.claim(true)).isNotEqualTo(CaptureRing.FULL);
        assertThat(ring.claim(true)).isEqualTo(CaptureRing.FULL);
        assertThat(ring.tryPut(1, filled(1), 1, false)).isTrue();
        assertThat(ring.claim(false)).isEqualTo(CaptureRing.FULL);
        assertThat(ring.refusedPutCount()).isEqualTo(2);
    }

    @Test
    void neighboursBecomeOneExtent() {
        CaptureRing ring = ring(8, 8, 0);
        for (int chunk = 10; chunk < 14; chunk++) {
            ring.tryPut(chunk, filled(chunk), 1, true);
        }
        ring.tryPut(14, ZEROES, 2, true);
        ring.tryPut(16, ZEROES, 1, true);
        assertThat(take(ring)).containsExactly("10:10", "11:11", "12:12", "13:13", "14+3");
        assertThat(batch.extentCount()).isEqualTo(2);
    }

    @Test
    void aFullRingRefusesUntilRelease() {
        CaptureRing ring = ring(3, 8, 0);
        for (int chunk = 0; chunk < 3; chunk++) {
            assertThat(ring.tryPut(chunk, filled(1), 1, false)).isTrue();
        }
        assertThat(ring.tryPut(3, filled(1), 1, false)).isFalse();
        assertThat(ring.usedBytes()).isEqualTo(ring.capacityBytes()).isEqualTo(3 * CHUNK);
        assertThat(ring.refusedPutCount()).isEqualTo(1);
        // Zeroes need no slot.
        assertThat(ring.tryPut(4, ZEROES, 1, false)).isTrue();
        ring.take(batch, CHUNK);
        assertThat(ring.tryPut(3, filled(1), 1, false))
                .as("taken, not released")
                .isFalse();
        ring.release();
        assertThat(ring.tryPut(3, filled(1), 1, false)).isTrue();
        assertThat(ring.tryPut(5, filled(1), 1, false)).isFalse();
    }

    @Test
    void entriesRunOutToo() {
        CaptureRing ring = ring(2, 3, 0);
        for (int i = 0; i < 4; i++) {
            assertThat(ring.tryPut(2 * i, ZEROES, 1, false)).isTrue();
        }
        assertThat(ring.tryPut(9, ZEROES, 1, false)).isFalse();
        assertThat(ring.tryPut(9, filled(1), 1, false)).isFalse();
        assertThat(ring.usedEntryCount()).isEqualTo(4);
        assertThat(ring.usedBytes()).isZero();
    }

    @Test
    void theSealerLeavesRoomForWriters() {
        CaptureRing ring = ring(4, 4, 2);
        assertThat(ring.tryPut(0, filled(1), 1, true)).isTrue();
        assertThat(ring.tryPut(1, filled(1), 1, true)).isTrue();
        assertThat(ring.tryPut(2, filled(1), 1, true)).isFalse();
        assertThat(ring.tryPut(2, ZEROES, 1, true)).isFalse();
        assertThat(ring.tryPut(2, filled(1), 1, false)).isTrue();
        assertThat(ring.tryPut(3, filled(1), 1, false)).isTrue();
        assertThat(ring.tryPut(4, filled(1), 1, false)).isFalse();
    }

    @Test
    void rewindDeliversTheSameAgain() {
        CaptureRing ring = ring(4, 8, 0);
        ring.tryPut(1, filled(1), 1, false);
        ring.take(batch, CHUNK);
        ring.release();
        for (int chunk = 2; chunk < 6; chunk++) {
            ring.tryPut(chunk, filled(chunk), 1, false);
        }
        List<String> first = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            ring.take(batch, CHUNK);
            first.addAll(wordsOf(batch, CHUNK));
        }
        assertThat(ring.takenBytes()).isEqualTo(3 * CHUNK);
        ring.rewind();
        assertThat(ring.takenBytes()).isZero();
        List<String> second = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            ring.take(batch, CHUNK);
            second.addAll(wordsOf(batch, CHUNK));
        }
        assertThat(second).isEqualTo(first).containsExactly("2:2", "3:3", "4:4");
    }

    @Test
    void payloadEndsWithTheMemory() {
        CaptureRing ring = ring(4, 16, 0);
        for (int chunk = 0; chunk < 3; chunk++) {
            ring.tryPut(chunk, filled(chunk), 1, false);
        }
        take(ring);
        ring.release();
        ring.tryPut(3, filled(3), 1, false);
        ring.tryPut(4, ZEROES, 1, false);
        ring.tryPut(5, filled(5), 1, false);
        assertThat(take(ring)).containsExactly("3:3", "4+1");
        assertThat(take(ring)).containsExactly("5:5");
    }

    @Test
    void aBatchHoldsNoMoreThanAsked() {
        CaptureRing ring = ring(8, 8, 0);
        for (int chunk = 0; chunk < 5; chunk++) {
            ring.tryPut(chunk, filled(chunk), 1, false);
        }
        assertThat(ring.take(batch, 2 * CHUNK + 1)).isEqualTo(2);
        assertThat(ring.take(batch, CHUNK)).isEqualTo(1);
        assertThat(ring.take(batch, 1 << 20)).isEqualTo(2);
    }

    @Test
    void aBatchHoldsNoMoreExtentsThanItHasRoomFor() {
        int count = VersionBatch.EXTENT_COUNT_MAX + 3;
        CaptureRing ring = ring(8, count, 0);
        for (int i = 0; i < count; i++) {
            assertThat(ring.tryPut(2L * i, ZEROES, 1, false)).isTrue();
        }
        assertThat(ring.take(batch, CHUNK)).isEqualTo(VersionBatch.EXTENT_COUNT_MAX);
        assertThat(take(ring)).containsExactly("320+1", "322+1", "324+1");
    }

    @Test
    void misuseIsRefused() {
        assertThatThrownBy(() -> ring(0, 4, 0)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> ring(4, 4, 4)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(
                        () -> new CaptureRing(1, MemorySegment.ofArray(new byte[CaptureRing.SLOT_COUNT_MAX + 1]), 4, 0))
                .isInstanceOf(IllegalArgumentException.class);
        CaptureRing ring = ring(4, 4, 0);
        assertThatThrownBy(() -> ring.tryPut(0, filled(1), 2, false)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> ring.tryPut(0, filled(1).asSlice(1), 1, false))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> ring.tryPut(0, ZEROES, 0, false)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> ring.take(batch, CHUNK - 1)).isInstanceOf(IllegalArgumentException.class);
        assertThat(ring.isEmpty()).isTrue();
    }

    /**
     * Several threads put, each in an order of its own; one takes, rewinds at times, and releases. Each thread's versions
     * come once, in its order, with the bytes it put, and what a rewind delivers again is the same as before.
     */
    @ParameterizedTest
    @ValueSource(ints = {1, 3, 64})
    void versionsOfManyThreadsComeOnceInTheirOrder(int slotCount) throws InterruptedException {
        int writerCount = 3;
        int putCount = 20_000;
        long seed = 20_240_611L + slotCount;
        int smallChunk = 256;
        try (Arena shared = Arena.ofShared()) {
            CaptureRing ring = new CaptureRing(
                    smallChunk,
                    shared.allocate((long) slotCount * smallChunk),
                    2 * slotCount,
                    Math.min(slotCount - 1, 2));
            AtomicReference<Throwable> failure = new AtomicReference<>();
            CountDownLatch started = new CountDownLatch(writerCount);
            List<Thread> writers = new ArrayList<>();
            for (int writer = 0; writer < writerCount; writer++) {
                int number = writer;
                writers.add(Thread.ofPlatform().start(() -> {
                    started.countDown();
                    try {
                        put(ring, shared, number, putCount, smallChunk);
                    } catch (Throwable e) {
                        failure.set(e);
                    }
                }));
            }
            started.await();
            long[] nexts = new long[writerCount];
            List<Long> sinceRelease = new ArrayList<>();
            Random random = new Random(seed);
            int again = 0;
            while (Arrays.stream(nexts).sum() < (long) writerCount * putCount && failure.get() == null) {
                if (ring.take(batch, (1L + random.nextInt(4)) * smallChunk) == 0) {
                    Thread.onSpinWait();
                }
                List<Long> taken = stampsOf(smallChunk);
                for (long stamp : taken) {
                    if (again < sinceRelease.size()) {
                        assertThat(stamp).as("again, seed " + seed).isEqualTo(sinceRelease.get(again));
                    } else {
                        int writer = (int) (stamp >>> 32);
                        assertThat((int) stamp)
                                .as("of writer " + writer + ", seed " + seed)
                                .isEqualTo((int) nexts[writer]);
                        nexts[writer]++;
                        sinceRelease.add(stamp);
                    }
                    again++;
                }
                switch (random.nextInt(6)) {
                    case 0 -> {
                        ring.rewind();
                        again = 0;
                    }
                    case 1, 2 -> {
                        ring.release();
                        sinceRelease.subList(0, again).clear();
                        again = 0;
                    }
                    default -> {}
                }
            }
            for (Thread writer : writers) {
                writer.join();
            }
            assertThat(failure.get()).isNull();
            assertThat(ring.hasMore() && again == sinceRelease.size()).isFalse();
        }
    }

    private static void put(CaptureRing ring, Arena arena, int writer, int putCount, int chunkBytes) {
        MemorySegment content = arena.allocate(chunkBytes, 8);
        for (int i = 0; i < putCount; i++) {
            long stamp = (long) writer << 32 | i;
            boolean isZero = i % 5 == writer;
            for (long at = 0; at < chunkBytes; at += 8) {
                content.set(ValueLayout.JAVA_LONG, at, stamp);
            }
            while (!ring.tryPut(2 * stamp, isZero ? ZEROES : content, 1, writer == 0)) {
                Thread.onSpinWait();
            }
        }
    }

    /** The stamps of a batch: half the chunk's number, and for data in all of its bytes as well. */
    private List<Long> stampsOf(int chunkBytes) {
        List<Long> stamps = new ArrayList<>();
        long at = 0;
        for (int extent = 0; extent < batch.extentCount(); extent++) {
            long stamp = batch.firstChunk(extent) / 2;
            stamps.add(stamp);
            if (!batch.isZero(extent)) {
                for (long end = at + chunkBytes; at < end; at += 8) {
                    assertThat(batch.payload().get(ValueLayout.JAVA_LONG, at)).isEqualTo(stamp);
                }
            }
        }
        return stamps;
    }
}
