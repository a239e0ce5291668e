package ramback.image;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import ramback.clock.Backoff;
import ramback.clock.Clock;
import ramback.memory.TemporarySegment;
import ramback.mutant.Mutant;
import ramback.trace.Trace;

/** The sealer and a round copy chunks that nobody has locked: what a writer changes meanwhile never counts as copied. */
class CopyWithoutLockTest {
    private static final int CHUNK = 4096;
    private static final int RUN_CHUNKS = 16;
    private static final int ROUND_COUNT = 4000;
    private static final int ROUND_COUNT_MAX = 2_000_000;

    private final Arena arena = Arena.ofShared();
    private final Epochs epochs = new Epochs(4, Clock.SYSTEM, () -> {});
    private final DirtyCount dirty = new DirtyCount();
    private final Worker worker = new Worker(0);
    private final Backoff backoff = new Backoff();
    private final Kept kept = new Kept();
    private final TemporarySegment temporary = new TemporarySegment(64L * CHUNK, CHUNK, 1, false);
    private final ChunkStore store = new ChunkStore(temporary.segment(), epochs, kept, dirty, new Trace(Clock.SYSTEM));

    @AfterEach
    void close() {
        Mutant.plant(null);
        temporary.close();
        arena.close();
    }

    /** Keeps versions in words, {@code 5:7} for chunk 5 of sevens; and lets a test do something in the middle of a copy. */
    private final class Kept implements Captures {
        private final List<String> versions = new ArrayList<>();
        private final List<MemorySegment> claims = new ArrayList<>();
        private Runnable inTheMiddle = () -> {};
        private int abandonedCount;

        @Override
        public boolean keepsVersions() {
            return true;
        }

        @Override
        public boolean capture(
                long firstChunk, long chunkCount, MemorySegment from, long fromOffsetBytes, boolean bySealer) {
            versions.add(firstChunk + ":" + valueOf(from, fromOffsetBytes));
            return true;
        }

        @Override
        public long claim() {
            claims.add(arena.allocate(CHUNK));
            return claims.size() - 1;
        }

        @Override
        public void fill(long claim, MemorySegment from, long fromOffsetBytes) {
            MemorySegment into = claims.get((int) claim);
            MemorySegment.copy(from, fromOffsetBytes, into, 0, CHUNK / 2);
            inTheMiddle.run();
            MemorySegment.copy(from, fromOffsetBytes + CHUNK / 2, into, CHUNK / 2, CHUNK / 2);
        }

        @Override
        public void publish(long claim, long chunk) {
            versions.add(chunk + ":" + valueOf(claims.get((int) claim), 0));
        }

        @Override
        public void abandon(long claim) {
            abandonedCount++;
        }

        @Override
        public void awaitRoom() {
            throw new IllegalStateException("there is room");
        }
    }

    /** The value that a chunk is filled with, or "torn". */
    private static String valueOf(MemorySegment content, long offset) {
        byte value = content.get(ValueLayout.JAVA_BYTE, offset);
        MemorySegment same = content.asSlice(offset, CHUNK);
        for (long at = 0; at < CHUNK; at++) {
            if (same.get(ValueLayout.JAVA_BYTE, at) != value) {
                return "torn";
            }
        }
        return Integer.toString(value);
    }

    private void write(long chunk, int chunkCount, int value) {
        dirty.reserve(chunkCount, Long.MAX_VALUE, Long.MAX_VALUE);
        MemorySegment bytes = arena.allocate((long) chunkCount * CHUNK).fill((byte) value);
        store.store(worker, chunk * CHUNK, chunkCount * CHUNK, bytes, 0);
    }

    private long seal() {
        long sealed = epochs.cut();
        epochs.awaitGrace(backoff);
        return sealed;
    }

    private void capture(long sealed) {
        store.captureWord(sealed, 0, backoff);
    }

    private void writeOnce(long chunk, int value) {
        AtomicBoolean isDone = new AtomicBoolean();
        kept.inTheMiddle = () -> {
            if (isDone.compareAndSet(false, true)) {
                write(chunk, 1, value);
            }
        };
    }

    @Test
    void whatAWriterCapturedWhileTheSealerCopiedItIsCapturedOnce() {
        write(5, 1, 7);
        long sealed = seal();
        writeOnce(5, 8);
        capture(sealed);
        assertThat(kept.versions).containsExactly("5:7");
        assertThat(kept.abandonedCount).isEqualTo(1);
        kept.inTheMiddle = () -> {};
        capture(seal());
        assertThat(kept.versions).containsExactly("5:7", "5:8");
        assertThat(store.table().tryLock(0, -1L)).as("nothing stays locked").isTrue();
    }

    @Test
    void aWriterOfOneChunkDoesNotSpoilTheCopiesOfItsNeighbours() {
        write(0, 20, 7);
        long sealed = seal();
        writeOnce(3, 8);
        capture(sealed);
        assertThat(kept.versions).hasSize(20).allMatch(version -> version.endsWith(":7"));
        assertThat(kept.versions.stream().distinct()).hasSize(20);
        assertThat(kept.abandonedCount).isEqualTo(1);
        assertThat(store.table().dirty((int) (sealed & 1), 0)).isZero();
    }

    @Test
    void whatIsLockedWhenItHasBeenCopiedIsCapturedWhenItIsFree() throws InterruptedException {
        write(0, 4, 7);
        long sealed = seal();
        assertThat(store.table().tryLock(0, 0b0100)).isTrue();
        Thread other = Thread.ofPlatform().start(() -> {
            // The others are captured while this one is held.
            while (store.table().dirty((int) (sealed & 1), 0) != 0b0100) {
                Thread.onSpinWait();
            }
            store.table().unlock(0, 0b0100);
        });
        capture(sealed);
        other.join();
        assertThat(kept.versions).containsExactly("0:7", "1:7", "3:7", "2:7");
        assertThat(kept.abandonedCount).isZero();
    }

    @Test
    void theSealerDoesNotWaitForTheLockOfWhatAWriterHasCaptured() {
        write(0, 2, 7);
        long sealed = seal();
        AtomicBoolean isDone = new AtomicBoolean();
        kept.inTheMiddle = () -> {
            if (isDone.compareAndSet(false, true)) {
                write(1, 1, 8);
                assertThat(store.table().tryLock(0, 0b10)).isTrue();
            }
        };
        capture(sealed);
        store.table().unlock(0, 0b10);
        assertThat(kept.versions).containsExactly("1:7", "0:7");
    }

    @Test
    void aSealerThatDoesNotLookAgainIsFound() {
        Mutant.plant(Mutant.CAPTURE_WITHOUT_SECOND_LOOK);
        write(5, 1, 7);
        long sealed = seal();
        writeOnce(5, 8);
        capture(sealed);
        assertThat(kept.versions).containsExactly("5:7", "5:torn");
    }

    /** A writer changes a run while a round copies it, again and again; returns how many copies were wrong. */
    private int race(int roundCount, boolean untilWrong) throws InterruptedException {
        AtomicInteger turn = new AtomicInteger();
        AtomicInteger done = new AtomicInteger();
        AtomicBoolean over = new AtomicBoolean();
        AtomicReference<Throwable> failure = new AtomicReference<>();
        MemorySegment newer = arena.allocate(RUN_CHUNKS * CHUNK);
        Worker other = new Worker(1);
        Thread writer = Thread.ofPlatform().start(() -> {
            try {
                for (int seen = 0; !over.get(); ) {
                    if (turn.get() == seen) {
                        Thread.onSpinWait();
                        continue;
                    }
                    seen = turn.get();
                    newer.fill((byte) (seen + 1));
                    dirty.reserve(RUN_CHUNKS, Long.MAX_VALUE, Long.MAX_VALUE);
                    store.store(other, 0, RUN_CHUNKS * CHUNK, newer, 0);
                    done.set(seen);
                }
            } catch (Throwable e) {
                failure.set(e);
                done.set(Integer.MAX_VALUE);
            }
        });
        int wrong = 0;
        MemorySegment old = arena.allocate(RUN_CHUNKS * CHUNK);
        MemorySegment into = arena.allocate(RUN_CHUNKS * CHUNK);
        ChunkStore.RunCopy result = new ChunkStore.RunCopy();
        for (int round = 1; round <= roundCount && failure.get() == null && !(untilWrong && wrong > 0); round++) {
            old.fill((byte) round);
            dirty.reserve(RUN_CHUNKS, Long.MAX_VALUE, Long.MAX_VALUE);
            store.store(worker, 0, RUN_CHUNKS * CHUNK, old, 0);
            kept.claims.clear();
            kept.versions.clear();
            store.captureWord(seal(), 0, backoff);
            store.table().clearNewer();
            turn.set(round);
            // At another moment of the writer's copy each time.
            for (int pause = round % 64; pause > 0; pause--) {
                Thread.onSpinWait();
            }
            store.copyRun(backoff, 0, RUN_CHUNKS - 1, true, into, 0, result);
            for (int chunk = 0; chunk < RUN_CHUNKS; chunk++) {
                boolean isCopied = (result.left() >>> chunk & 1) == 0;
                String expected = Integer.toString((byte) round);
                if (isCopied && !valueOf(into, (long) chunk * CHUNK).equals(expected)) {
                    wrong++;
                }
            }
            while (done.get() < round) {
                Thread.onSpinWait();
            }
        }
        over.set(true);
        writer.join();
        assertThat(failure.get()).isNull();
        return wrong;
    }

    @Test
    void aRoundNeverTakesWhatAWriterChangedWhileItCopied() throws InterruptedException {
        assertThat(race(ROUND_COUNT, false)).isZero();
    }

    @Test
    void aRoundThatDoesNotLookAgainIsFound() throws InterruptedException {
        Mutant.plant(Mutant.APPLY_WITHOUT_SECOND_LOOK);
        assertThat(race(ROUND_COUNT_MAX, true)).isPositive();
    }
}
