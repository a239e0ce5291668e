package ramback.writeback;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import ramback.clock.Backoff;
import ramback.clock.Clock;
import ramback.image.ChunkStore;
import ramback.image.ChunkTable;
import ramback.image.SnapshotHook;
import ramback.journal.VersionBatch;
import ramback.memory.SegmentLayout;

/**
 * One taking of a snapshot. From its beginning on, a plane S has a bit a chunk: set once the chunk's content of that moment is
 * safe. A walker copies the chunks without it, in ascending order; whoever wants to change one of them first puts its
 * content into a ring, from which the walker writes it out:
 *
 * <pre>
 *   walker  copy ─ lock ─ still without S? S ─ unlock ▶ FILE.partial ─ sync ─ FILE
 *   writer  lock ─ copy, S ─ change ─ unlock              ▲
 *                   └──▶ ring ── walker ──────────────────┘
 * </pre>
 *
 * <p>S is changed under the chunk's lock. A chunk of zeroes needs no copy, because the file is one hole at first. The
 * walker prefers to walk, which makes copies by writers unnecessary and writes in the order of addresses, until the ring is
 * half full.
 */
final class SnapshotRun implements SnapshotHook {

    /** The longest write. */
    private static final int WRITE_BYTES_MAX = 1 << 20;

    /** One step goes over no more words than this, so that it ends soon where there is nothing but zeroes. */
    private static final int STEP_WORDS_MAX = 4096;

    private static final int MEMORY_ALIGNMENT = 4096;

    /** Writers look for room as often; nobody tells them, because it would take telling all of them each time. */
    private static final long ROOM_POLL_NANOS = 500_000L;

    /** With writers waiting, a file that takes nothing for as long is given up: clients come before a snapshot. */
    private static final long STALL_NANOS_MAX = 30_000_000_000L;

    private static final VarHandle WORD = ValueLayout.JAVA_LONG.varHandle();

    private final ChunkStore store;
    private final ChunkTable table;
    private final SegmentLayout layout;
    private final Clock clock;
    private final SnapshotFile file;
    private final Snapshot snapshot;
    private final Arena arena = Arena.ofShared();
    private final Backoff backoff = new Backoff();

    private final MemorySegment copied;
    private final CaptureRing ring;
    private final MemorySegment buffer;
    private final VersionBatch walked = new VersionBatch();
    private final VersionBatch drained = new VersionBatch();
    private long bufferedBytes;
    private long cursor;
    private boolean draining;
    private long writtenBytes;

    /** Why it has to be given up although nothing failed. */
    private final AtomicReference<@Nullable String> stopReason = new AtomicReference<>();

    private volatile boolean cancelled;
    private volatile long progressNanos;
    private volatile long waitNanos;

    /**
     * A snapshot that has not begun. Its memory is taken here.
     *
     * @param bufferBytes how much writers may copy that has not been written out; at least one chunk
     */
    SnapshotRun(ChunkStore store, Clock clock, SnapshotFile file, Snapshot snapshot, long bufferBytes) {
        this.store = store;
        this.table = store.table();
        this.layout = store.layout();
        this.clock = clock;
        this.file = file;
        this.snapshot = snapshot;
        int chunkBytes = layout.chunkBytes();
        // No more than all of the device: each chunk is put once at most.
        long slotCount =
                Math.min(Math.clamp(bufferBytes / chunkBytes, 1, CaptureRing.SLOT_COUNT_MAX), layout.chunkCount());
        try {
            copied = arena.allocate(layout.wordCount() * Long.BYTES, Long.BYTES);
            buffer = arena.allocate(Math.max(WRITE_BYTES_MAX, chunkBytes), MEMORY_ALIGNMENT);
            MemorySegment slots = arena.allocate(slotCount * chunkBytes, MEMORY_ALIGNMENT);
            ring = new CaptureRing(chunkBytes, slots, (int) slotCount, 0);
        } catch (OutOfMemoryError e) {
            arena.close();
            throw e;
        }
    }

    // ----------------------------------------------------------------------------------------------------- writers

    @Override
    public boolean preserve(long word, long mask) {
        long missing = mask & ~copiedOf(word);
        if (missing == 0) {
            return true;
        }
        long safe = missing & table.zero(word);
        boolean hasRoom = true;
        for (long rest = missing & ~safe; rest != 0 && hasRoom; rest &= rest - 1) {
            long chunk = (word << 6) + Long.numberOfTrailingZeros(rest);
            hasRoom = ring.tryPutData(chunk, store.data(), chunk << layout.chunkShift(), false);
            safe |= hasRoom ? Long.lowestOneBit(rest) : 0;
        }
        // Also of a part: the rest goes on from there when there is room again, however little that is.
        markCopied(word, safe);
        return hasRoom;
    }

    @Override
    public void awaitRoom() {
        long now = clock.nanoTime();
        waitNanos = now;
        if (now - progressNanos > STALL_NANOS_MAX) {
            stop("snapshot " + snapshot.file() + " took no write for " + STALL_NANOS_MAX / 1_000_000_000L
                    + " s while writers waited; give a larger --snapshot-buffer or choose a faster disk");
        } else {
            clock.park(this, now + ROOM_POLL_NANOS);
        }
    }

    /** Opaque: under the locks of the chunks in question, which order it. */
    private long copiedOf(long word) {
        return (long) WORD.getOpaque(copied, word << 3);
    }

    /** Atomic, because neighbours in the word belong to other threads; their locks order the rest. */
    private void markCopied(long word, long mask) {
        if (mask != 0) {
            WORD.getAndBitwiseOr(copied, word << 3, mask);
        }
    }

    // ------------------------------------------------------------------------------------------------------ walker

    /** How far it is. */
    Snapshot snapshot() {
        return snapshot;
    }

    /** Whether all of the device is in RAM, without which it can't be copied. */
    boolean isLoaded() {
        return store.loadedChunkCount() == layout.chunkCount();
    }

    /** The moment that the snapshot shows: what is stored by those who come in from now on is not in it. */
    void begin() {
        progressNanos = clock.nanoTime();
        store.snapshotCut().begin(this, backoff);
        snapshot.enter(Snapshot.State.COPYING);
    }

    /**
     * Copies, or writes out, a piece.
     *
     * @return false when nothing is left to do
     */
    boolean copySome() throws IOException {
        boolean isWalking = cursor < layout.chunkCount();
        long used = ring.usedBytes();
        draining = !isWalking || used > ring.capacityBytes() / (draining ? 8 : 2);
        boolean hasDone = draining && drain();
        if (!hasDone && isWalking) {
            walk();
            hasDone = true;
        }
        progressNanos = clock.nanoTime();
        return hasDone;
    }

    private boolean drain() throws IOException {
        if (ring.take(drained, WRITE_BYTES_MAX) == 0) {
            return ring.hasMore();
        }
        write(drained);
        ring.release();
        return true;
    }

    private void walk() throws IOException {
        walked.clear();
        bufferedBytes = 0;
        long chunksAtOnce = store.copyRunChunkCountMax();
        long end = Math.min(layout.chunkCount(), cursor + ((long) STEP_WORDS_MAX << 6));
        while (cursor < end) {
            long last = Math.min(Math.min(cursor + chunksAtOnce, (ChunkTable.wordOf(cursor) + 1) << 6), end) - 1;
            long count = last - cursor + 1;
            if (bufferedBytes + (count << layout.chunkShift()) > buffer.byteSize()
                    || walked.extentCount() + count > VersionBatch.EXTENT_COUNT_MAX) {
                break;
            }
            copy(cursor, last);
            cursor = last + 1;
        }
        walked.payload(buffer.asSlice(0, bufferedBytes));
        write(walked);
        snapshot.noteDone(Math.min(layout.sizeBytes(), cursor << layout.chunkShift()));
    }

    /**
     * Copies the chunks, of one word, that nobody has copied yet. Without their locks, unless memory may be given back: a chunk
     * without S stays what it was at the beginning until a writer has copied it, so S, looked at again under the locks, tells
     * whether the copy is good.
     */
    private void copy(long first, long last) {
        long word = ChunkTable.wordOf(first);
        long mask = ChunkTable.maskOf(word, first, last);
        boolean isLockedFirst = store.givesMemoryBack();
        if (isLockedFirst) {
            table.lock(word, mask, backoff);
        }
        long wanted = mask & ~copiedOf(word) & ~table.zero(word);
        long at = bufferedBytes;
        for (long rest = wanted; rest != 0; rest &= rest - 1) {
            long chunk = (word << 6) + Long.numberOfTrailingZeros(rest);
            MemorySegment.copy(store.data(), chunk << layout.chunkShift(), buffer, at, layout.chunkBytes());
            at += layout.chunkBytes();
        }
        if (!isLockedFirst) {
            table.orderCopyBeforeMarks();
            table.lock(word, mask, backoff);
        }
        long missing = mask & ~copiedOf(word);
        markCopied(word, missing);
        table.unlock(word, mask);
        keep(word, wanted, wanted & missing);
    }

    /** Keeps those of the chunks just copied that were still to be copied. */
    private void keep(long word, long copiedChunks, long good) {
        long from = bufferedBytes;
        for (long rest = copiedChunks; rest != 0; rest &= rest - 1) {
            if ((good & Long.lowestOneBit(rest)) != 0) {
                if (from != bufferedBytes) {
                    MemorySegment.copy(buffer, from, buffer, bufferedBytes, layout.chunkBytes());
                }
                walked.add((word << 6) + Long.numberOfTrailingZeros(rest), 1, false);
                bufferedBytes += layout.chunkBytes();
            }
            from += layout.chunkBytes();
        }
    }

    private void write(VersionBatch batch) throws IOException {
        long at = 0;
        for (int extent = 0; extent < batch.extentCount(); extent++) {
            long offset = batch.firstChunk(extent) << layout.chunkShift();
            long length = batch.chunkCount(extent) << layout.chunkShift();
            long inside = Math.min(length, layout.sizeBytes() - offset);
            writtenBytes += file.write(offset, batch.payload().asSlice(at, inside));
            at += length;
        }
        snapshot.noteWritten(writtenBytes);
    }

    /** Gives it up because somebody asked for that. For any thread. */
    void cancel() {
        cancelled = true;
        stop("snapshot " + snapshot.file() + " was cancelled; its file is removed");
    }

    /** Lets writers go on at once: the walker may be in a write that does not return before one of them does. */
    private void stop(String reason) {
        stopReason.compareAndSet(null, reason);
        store.snapshotCut().end(this, new Backoff());
    }

    /** Whether {@link #cancel} was called. */
    boolean isCancelled() {
        return cancelled;
    }

    /** Why it has to be given up although nothing failed; null if it has not. */
    @Nullable
    String stopReason() {
        return stopReason.get();
    }

    /** Makes the file durable and gives it its name. */
    void finish() throws IOException {
        store.snapshotCut().end(this, backoff);
        snapshot.enter(Snapshot.State.FINISHING);
        file.finish();
    }

    /** Gives the memory back, and removes the file unless it was finished. */
    void release(boolean isFinished) {
        store.snapshotCut().end(this, backoff);
        arena.close();
        if (!isFinished) {
            file.abandon();
        }
    }

    // ------------------------------------------------------------------------------------------------------ status

    /** How much writers have copied that has not been written out. */
    long bufferedByWritersBytes() {
        return ring.usedBytes();
    }

    /** When a writer waited for room the last time, 0 if none has. */
    long waitNanos() {
        return waitNanos;
    }
}
