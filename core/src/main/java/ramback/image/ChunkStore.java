package ramback.image;

import static ramback.image.ChunkTable.maskOf;
import static ramback.image.ChunkTable.wordOf;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.VarHandle;
import java.util.concurrent.atomic.LongAdder;
import org.jspecify.annotations.Nullable;
import ramback.clock.Backoff;
import ramback.device.Extent;
import ramback.memory.Granules;
import ramback.memory.RedoSlot;
import ramback.memory.SegmentLayout;
import ramback.memory.SharedSegment;
import ramback.mutant.KillPoint;
import ramback.mutant.Mutant;
import ramback.posix.Posix;
import ramback.posix.PosixException;
import ramback.trace.Trace;
import ramback.trace.TraceEvent;

/**
 * The device's bytes and the protocol by which they change. A run is stored in these steps, and in no other order:
 *
 * <ol>
 *   <li>enter the epochs; lock the run's chunks, in ascending order;
 *   <li>let a snapshot that is being taken keep what it has not copied yet;
 *   <li>read the open epoch; capture what the sealed epoch still has of them (stale mark, then its dirty mark goes);
 *   <li>note the store where the next process finds it, should this one be killed in the middle;
 *   <li>mark them dirty in the open epoch, then change bytes, then publish V and Z;
 *   <li>take the note back; unlock; leave.
 * </ol>
 *
 * <p>Nobody waits for a disk, for room or for a socket while holding a lock or being inside. Reads take no lock. Safe
 * for use by many threads; the order of locks is ascending chunk numbers.
 */
public final class ChunkStore {

    /** {@link #store} and {@link #zeroRun}: memory ran out, nothing was changed. */
    public static final long NO_MEMORY = -1;

    /** The longest time a lock is held for copying is that of this many bytes, or of one chunk. */
    private static final int COPY_BYTES_MAX = SegmentLayout.RUN_BYTES;

    private final SegmentLayout layout;
    private final int shift;
    private final int chunkBytes;
    private final ChunkTable table;
    private final MemorySegment data;
    private final @Nullable Granules granules;
    private final Epochs epochs;
    private final Captures captures;
    private final DirtyCount dirty;
    private final Trace trace;
    private final LongAdder loadedChunks = new LongAdder();
    private final @Nullable GiveBack giveBack;
    private final WaitTimes waits = new WaitTimes();
    private final SnapshotCut snapshotCut;
    /** As many as a chunk has, to be copied and compared with. */
    private final MemorySegment zeroes;

    /** The sealer's, while it captures. */
    private final long[] sealersClaims;

    /** The store in this segment. */
    public ChunkStore(SharedSegment segment, Epochs epochs, Captures captures, DirtyCount dirty, Trace trace) {
        this.layout = segment.layout();
        this.shift = layout.chunkShift();
        this.chunkBytes = layout.chunkBytes();
        this.table = new ChunkTable(segment);
        this.data = segment.data();
        this.granules = segment.granules();
        this.epochs = epochs;
        this.captures = captures;
        this.dirty = dirty;
        this.trace = trace;
        this.snapshotCut = new SnapshotCut(epochs);
        this.zeroes = Arena.ofAuto().allocate(chunkBytes).asReadOnly();
        this.sealersClaims = new long[copyRunChunkCountMax()];
        this.giveBack = granules == null ? null : new GiveBack(layout.granuleCount());
    }

    /** The states of the chunks. */
    public ChunkTable table() {
        return table;
    }

    /** Where a snapshot begins and ends. */
    public SnapshotCut snapshotCut() {
        return snapshotCut;
    }

    /** How long writers waited, for locks and for room. */
    public WaitTimes waits() {
        return waits;
    }

    /** How the segment is laid out. */
    public SegmentLayout layout() {
        return layout;
    }

    /** The device's bytes. */
    public MemorySegment data() {
        return data;
    }

    /** Whether memory of chunks of zeroes is given back, so that without a lock it may not be touched. */
    public boolean givesMemoryBack() {
        return granules != null;
    }

    /** Chunks that are in RAM. */
    public long loadedChunkCount() {
        return loadedChunks.sum();
    }

    /** Counts chunks that were found in RAM. */
    void noteLoaded(long chunkCount) {
        loadedChunks.add(chunkCount);
    }

    // ------------------------------------------------------------------------------------------------------ reads

    /** Returns whether every chunk of a range is in RAM. */
    public boolean isLoaded(long offsetBytes, long lengthBytes) {
        return firstUnloaded(offsetBytes >>> shift, (offsetBytes + lengthBytes - 1) >>> shift) < 0;
    }

    /** The first chunk from {@code first} to {@code last} that is not in RAM, or -1. */
    public long firstUnloaded(long first, long last) {
        for (long word = wordOf(first); word <= wordOf(last); word++) {
            long missing = maskOf(word, first, last) & ~table.loaded(word);
            if (missing != 0) {
                return (word << 6) + Long.numberOfTrailingZeros(missing);
            }
        }
        return -1;
    }

    /** Returns whether a loaded range holds data throughout and its memory is never given back. */
    public boolean isDirect(long offsetBytes, long lengthBytes) {
        return granules == null && !hasZero(offsetBytes >>> shift, (offsetBytes + lengthBytes - 1) >>> shift);
    }

    /** The states of a byte and how far they reach, as {@link ramback.device.DeviceSession#extent} has them. */
    public long extent(long offsetBytes, long limitBytes, int interest) {
        long first = offsetBytes >>> shift;
        long last = (limitBytes - 1) >>> shift;
        long word = wordOf(first);
        int states = table.states(first, interest);
        // The first chunk itself may have changed since: it keeps the states it was found in.
        long others = table.unlike(states, interest, word) & maskOf(word, first, last) & ~(1L << first);
        while (others == 0 && word < wordOf(last)) {
            word++;
            others = table.unlike(states, interest, word) & maskOf(word, first, last);
        }
        long end = others == 0 ? limitBytes : ((word << 6) + Long.numberOfTrailingZeros(others)) << shift;
        return Extent.of(end, states);
    }

    private boolean hasZero(long first, long last) {
        for (long word = wordOf(first); word <= wordOf(last); word++) {
            if ((table.zero(word) & maskOf(word, first, last)) != 0) {
                return true;
            }
        }
        return false;
    }

    /** Copies a loaded range out, without a lock. */
    public void copy(Worker worker, long offsetBytes, int lengthBytes, MemorySegment into, long intoOffsetBytes) {
        if (lengthBytes == 0) {
            return;
        }
        if (granules == null) {
            copyInside(offsetBytes, lengthBytes, into, intoOffsetBytes);
            return;
        }
        // Memory may be given back in a sparse device: whoever does that waits until no reader is inside.
        epochs.enter(worker.index);
        // Dekker with whoever marks a chunk as zeroes and then looks who is inside: we are inside before we look at Z.
        VarHandle.fullFence();
        try {
            copyInside(offsetBytes, lengthBytes, into, intoOffsetBytes);
        } finally {
            epochs.leave(worker.index);
        }
    }

    private void copyInside(long offsetBytes, int lengthBytes, MemorySegment into, long intoOffsetBytes) {
        long end = offsetBytes + lengthBytes;
        if (!hasZero(offsetBytes >>> shift, (end - 1) >>> shift)) {
            MemorySegment.copy(data, offsetBytes, into, intoOffsetBytes, lengthBytes);
            return;
        }
        long at = offsetBytes;
        while (at < end) {
            long chunk = at >>> shift;
            long next = Math.min(end, (chunk + 1) << shift);
            if ((table.zero(wordOf(chunk)) >>> chunk & 1) != 0) {
                zero(into, intoOffsetBytes + at - offsetBytes, next - at);
            } else {
                MemorySegment.copy(data, at, into, intoOffsetBytes + at - offsetBytes, next - at);
            }
            at = next;
        }
    }

    // ----------------------------------------------------------------------------------------------------- writes

    /** Returns whether a range of bytes covers a chunk from its first byte to its last. */
    public boolean covers(long chunk, long offsetBytes, long lengthBytes) {
        return offsetBytes <= chunk << shift
                && offsetBytes + lengthBytes >= Math.min((chunk + 1) << shift, layout.sizeBytes());
    }

    /**
     * Stores a run, or zeroes it byte by byte. Chunks that it covers partly must be loaded; room for
     * {@link #chunkCountOf} chunks must have been reserved, and what of it was not needed is given back.
     *
     * @param lengthBytes at least 1; at most 64 KiB, or one chunk
     * @param from the bytes, or null for zeroes
     * @return the epoch the run belongs to, or {@link #NO_MEMORY}
     */
    public long store(
            Worker worker, long offsetBytes, int lengthBytes, @Nullable MemorySegment from, long fromOffsetBytes) {
        long first = offsetBytes >>> shift;
        long last = (offsetBytes + lengthBytes - 1) >>> shift;
        while (true) {
            if (granules != null && !takeMemory(first, last)) {
                dirty.cancel(last - first + 1);
                return NO_MEMORY;
            }
            long epoch = tryStore(worker, first, last, offsetBytes, lengthBytes, from, fromOffsetBytes);
            if (epoch >= 0) {
                return epoch;
            }
            if (epoch == FULL) {
                awaitRoom();
            } else if (epoch == SNAPSHOT_FULL) {
                snapshotCut.awaitRoom();
            }
        }
    }

    private void awaitRoom() {
        long begin = epochs.clock().nanoTime();
        captures.awaitRoom();
        waits.noteRoom(epochs.clock().nanoTime() - begin);
    }

    private static final long FULL = -2;
    private static final long MEMORY_GONE = -3;
    private static final long SNAPSHOT_FULL = -4;

    private boolean takeMemory(long first, long last) {
        Granules memory = granules;
        long offset = first << shift;
        long length = (last - first + 1) << shift;
        return memory == null || memory.holds(offset, length) || memory.take(offset, length);
    }

    private long tryStore(
            Worker worker,
            long first,
            long last,
            long offsetBytes,
            int lengthBytes,
            @Nullable MemorySegment from,
            long fromOffsetBytes) {
        long lowWord = wordOf(first);
        long highWord = wordOf(last);
        long lowMask = maskOf(lowWord, first, last);
        long highMask = highWord == lowWord ? 0 : maskOf(highWord, first, last);
        RedoSlot redo = worker.redo;
        epochs.enter(worker.index);
        lock(worker, lowWord, lowMask, highWord, highMask);
        try {
            if (granules != null && !granules.holds(first << shift, (last - first + 1) << shift)) {
                return MEMORY_GONE;
            }
            if (!snapshotCut.mayStore(lowWord, lowMask, highWord, highMask)) {
                return SNAPSHOT_FULL;
            }
            long epoch = epochs.open();
            if (!captureSealed(epoch, lowWord, lowMask)
                    || (highMask != 0 && !captureSealed(epoch, highWord, highMask))) {
                return FULL;
            }
            if (redo != null) {
                redo.begin(offsetBytes, lengthBytes, from, fromOffsetBytes);
                KillPoint.pass();
            }
            if (Mutant.BYTES_BEFORE_DIRTY.isOn()) {
                put(from, fromOffsetBytes, offsetBytes, lengthBytes);
            }
            markDirtyData(epoch, lowWord, lowMask);
            if (highMask != 0) {
                markDirtyData(epoch, highWord, highMask);
            }
            // The dirty mark is in memory before the first changed byte: a killed process leaves no unmarked change.
            VarHandle.storeStoreFence();
            fillPartialZeroes(first, last, offsetBytes, lengthBytes);
            put(from, fromOffsetBytes, offsetBytes, lengthBytes);
            publish(lowWord, lowMask);
            if (highMask != 0) {
                publish(highWord, highMask);
            }
            return epoch;
        } finally {
            if (redo != null) {
                // Before the unlock: done again later it would undo what somebody else stores next.
                redo.end();
                KillPoint.pass();
            }
            if (highMask != 0) {
                table.unlock(highWord, highMask);
            }
            table.unlock(lowWord, lowMask);
            epochs.leave(worker.index);
        }
    }

    /**
     * Changes bytes of the device; under L, or while nobody else uses the store.
     *
     * @param from the bytes, or null for zeroes
     */
    void put(@Nullable MemorySegment from, long fromOffsetBytes, long offsetBytes, long lengthBytes) {
        long half = 0;
        if (KillPoint.isVisited()) {
            half = lengthBytes / 2;
            putAtOnce(from, fromOffsetBytes, offsetBytes, half);
            KillPoint.pass();
        }
        putAtOnce(from, fromOffsetBytes + half, offsetBytes + half, lengthBytes - half);
        KillPoint.pass();
    }

    private void putAtOnce(@Nullable MemorySegment from, long fromOffsetBytes, long offsetBytes, long lengthBytes) {
        if (from == null) {
            zero(data, offsetBytes, lengthBytes);
        } else {
            Posix.copy(from, fromOffsetBytes, data, offsetBytes, lengthBytes);
        }
    }

    /** Copies instead of filling a slice, which is an object for each request wherever the compiler doesn't see through it. */
    private void zero(MemorySegment into, long offsetBytes, long lengthBytes) {
        for (long done = 0; done < lengthBytes; done += chunkBytes) {
            MemorySegment.copy(zeroes, 0, into, offsetBytes + done, Math.min(chunkBytes, lengthBytes - done));
        }
    }

    private void lock(Worker worker, long lowWord, long lowMask, long highWord, long highMask) {
        lock(worker, lowWord, lowMask);
        if (highMask != 0) {
            lock(worker, highWord, highMask);
        }
    }

    private void lock(Worker worker, long word, long mask) {
        if (!table.tryLock(word, mask)) {
            long begin = epochs.clock().nanoTime();
            table.lock(word, mask, worker.backoff);
            waits.noteLock(epochs.clock().nanoTime() - begin);
        }
    }

    /** Captures the chunks that the sealed epoch still has; under L. Returns false when there is no room for a copy. */
    private boolean captureSealed(long openEpoch, long word, long mask) {
        int parity = (int) (openEpoch & 1) ^ 1;
        long sealed = table.dirty(parity, word) & mask;
        if (sealed == 0 || Mutant.NO_COPY_ON_WRITE.isOn()) {
            return true;
        }
        return capture(parity, word, sealed, false) == sealed;
    }

    /**
     * Captures chunks of one word, under their locks.
     *
     * @return those that were captured; there was no room for the rest
     */
    private long capture(int parity, long word, long mask, boolean bySealer) {
        boolean keepsVersions = captures.keepsVersions();
        long done = keepsVersions ? keepVersions(word, mask, bySealer) : mask;
        if (done != 0) {
            noteCaptured(parity, word, done, keepsVersions);
        }
        return done;
    }

    /** Under L, once the versions are where they are to go. */
    private void noteCaptured(int parity, long word, long captured, boolean keepsVersions) {
        // In this order: a chunk that is neither stale nor dirty is one that the image has.
        if (keepsVersions) {
            table.markNewer(word, captured);
            KillPoint.pass();
        }
        table.markStale(word, captured);
        KillPoint.pass();
        table.clearDirty(parity, word, captured);
        KillPoint.pass();
        if (trace.isOn()) {
            trace.record(TraceEvent.CAPTURE, word << 6, captured);
        }
    }

    private long keepVersions(long word, long mask, boolean bySealer) {
        long zero = table.zero(word) & mask;
        long done = Mutant.ZEROES_NOT_CAPTURED.isOn() ? zero : 0;
        long rest = mask & ~done;
        while (rest != 0) {
            int at = Long.numberOfTrailingZeros(rest);
            long chunk = (word << 6) + at;
            int count = 1;
            MemorySegment from = data;
            if ((zero >>> at & 1) != 0) {
                count = Long.numberOfTrailingZeros(~(zero >>> at));
                from = null;
            }
            if (!captures.capture(chunk, count, from, chunk << shift, bySealer)) {
                break;
            }
            long taken = (count == 64 ? -1L : (1L << count) - 1) << at;
            done |= taken;
            rest &= ~taken;
        }
        return done;
    }

    private void markDirtyData(long epoch, long word, long mask) {
        int parity = (int) (epoch & 1);
        long inEpoch = table.dirty(parity, word);
        long before = inEpoch | table.dirty(parity ^ 1, word) | table.stale(word);
        long data = mask & ~table.zero(word);
        long newly = table.markDirty(parity, word, mask);
        // Given back: what was reserved for chunks that counted already.
        dirty.noteStored(
                parity,
                Long.bitCount(mask),
                Long.bitCount(data & before),
                Long.bitCount(data & inEpoch),
                Long.bitCount(mask & ~before),
                Long.bitCount(newly));
        noteDirty(epoch, word, newly);
        KillPoint.pass();
    }

    private void markDirtyZero(long epoch, long word, long mask) {
        int parity = (int) (epoch & 1);
        long zero = table.zero(word);
        long inEpoch = table.dirty(parity, word);
        long before = inEpoch | table.dirty(parity ^ 1, word) | table.stale(word);
        long newly = table.markDirty(parity, word, mask);
        dirty.noteZeroed(
                parity,
                Long.bitCount(mask & before & ~zero),
                Long.bitCount(mask & inEpoch & ~zero),
                Long.bitCount(mask & ~before),
                Long.bitCount(newly),
                (mask & ~(inEpoch & zero)) == 0 ? 0 : 1);
        noteDirty(epoch, word, newly);
        KillPoint.pass();
    }

    private void noteDirty(long epoch, long word, long newly) {
        if (newly != 0) {
            epochs.noteDirty(epoch);
            if (trace.isOn()) {
                trace.record(TraceEvent.DIRTY, (word << 6) + Long.numberOfTrailingZeros(newly), epoch);
            }
        }
    }

    /** The parts of the run's first and last chunk that it does not cover become real zeroes if they were marked ones. */
    void fillPartialZeroes(long first, long last, long offsetBytes, int lengthBytes) {
        fillPartialZero(first, offsetBytes, lengthBytes);
        if (last != first) {
            fillPartialZero(last, offsetBytes, lengthBytes);
        }
    }

    private void fillPartialZero(long chunk, long offsetBytes, int lengthBytes) {
        if ((table.zero(wordOf(chunk)) >>> chunk & 1) != 0 && !coversWhole(chunk, offsetBytes, lengthBytes)) {
            put(null, 0, chunk << shift, chunkBytes);
        }
    }

    private boolean coversWhole(long chunk, long offsetBytes, int lengthBytes) {
        return offsetBytes <= chunk << shift && offsetBytes + lengthBytes >= (chunk + 1) << shift;
    }

    private void publish(long word, long mask) {
        loadedChunks.add(Long.bitCount(table.publishLoaded(word, mask)));
        KillPoint.pass();
        table.publishData(word, mask);
        KillPoint.pass();
    }

    /**
     * Makes whole chunks of one word read as zeroes and hold nothing.
     *
     * @return the epoch the change belongs to
     */
    public long zeroRun(Worker worker, long first, long last) {
        long word = wordOf(first);
        long mask = maskOf(word, first, last);
        while (true) {
            long epoch = tryZero(worker, word, mask);
            if (epoch >= 0) {
                return epoch;
            }
            if (epoch == SNAPSHOT_FULL) {
                snapshotCut.awaitRoom();
            } else {
                awaitRoom();
            }
        }
    }

    private long tryZero(Worker worker, long word, long mask) {
        epochs.enter(worker.index);
        lock(worker, word, mask);
        try {
            if (!snapshotCut.mayStore(word, mask, word, 0)) {
                return SNAPSHOT_FULL;
            }
            long epoch = epochs.open();
            if (!captureSealed(epoch, word, mask)) {
                return FULL;
            }
            markDirtyZero(epoch, word, mask);
            VarHandle.storeStoreFence();
            table.markZero(word, mask);
            KillPoint.pass();
            loadedChunks.add(Long.bitCount(table.publishLoaded(word, mask)));
            KillPoint.pass();
            if (giveBack != null) {
                // Still under L, and after the mark: see giveMemoryBack.
                giveBack.note(
                        ((word << 6) + Long.numberOfTrailingZeros(mask)) << shift, (long) Long.bitCount(mask) << shift);
            }
            return epoch;
        } finally {
            table.unlock(word, mask);
            epochs.leave(worker.index);
        }
    }

    // ---------------------------------------------------------------------------------------------------- loading

    /**
     * Installs chunks read from the image, those that nobody has written meanwhile. Memory must be there.
     *
     * @param from their bytes, in whole chunks but for the device's last
     * @return false when memory ran out (in a sparse device)
     */
    public boolean install(Backoff backoff, long first, long last, MemorySegment from) {
        long step = Math.max(1, COPY_BYTES_MAX >>> shift);
        long next;
        for (long chunk = first; chunk <= last; chunk = next) {
            long word = wordOf(chunk);
            next = Math.min(Math.min(chunk + step, (word + 1) << 6), last + 1);
            if (!installWord(backoff, word, maskOf(word, chunk, next - 1), first, from)) {
                return false;
            }
        }
        if (trace.isOn()) {
            trace.record(TraceEvent.LOAD, first, last - first + 1);
        }
        return true;
    }

    private boolean installWord(Backoff backoff, long word, long mask, long first, MemorySegment from) {
        long missing = mask & ~table.loaded(word);
        while (missing != 0) {
            long firstMissing = (word << 6) + Long.numberOfTrailingZeros(missing);
            long lastMissing = (word << 6) + 63 - Long.numberOfLeadingZeros(missing);
            if (granules != null && !takeMemory(firstMissing, lastMissing)) {
                return false;
            }
            long held = table.lockSome(word, missing, backoff);
            // Looked at again under the lock: an application's write must never be overwritten (the populate race).
            long install = held & ~table.loaded(word);
            for (long rest = install; rest != 0; rest &= rest - 1) {
                long chunk = (word << 6) + Long.numberOfTrailingZeros(rest);
                if (granules == null || granules.holds(chunk << shift, chunkBytes)) {
                    long at = (chunk - first) << shift;
                    put(from, at, chunk << shift, Math.min(chunkBytes, from.byteSize() - at));
                } else {
                    install &= ~Long.lowestOneBit(rest);
                }
            }
            loadedChunks.add(Long.bitCount(table.publishLoaded(word, install)));
            KillPoint.pass();
            table.unlock(word, held);
            missing = mask & ~table.loaded(word);
        }
        return true;
    }

    /** Marks chunks of a hole of the image as loaded zeroes, those that nobody has written meanwhile. */
    public void installHole(Backoff backoff, long first, long last) {
        for (long word = wordOf(first); word <= wordOf(last); word++) {
            long mask = maskOf(word, first, last);
            long missing = mask & ~table.loaded(word);
            while (missing != 0) {
                long held = table.lockSome(word, missing, backoff);
                long install = held & ~table.loaded(word);
                if (install != 0) {
                    table.markZero(word, install);
                    KillPoint.pass();
                    loadedChunks.add(Long.bitCount(table.publishLoaded(word, install)));
                    KillPoint.pass();
                    noteHole(word, install);
                }
                table.unlock(word, held);
                missing = mask & ~table.loaded(word);
            }
        }
        if (trace.isOn()) {
            trace.record(TraceEvent.HOLE, first, last - first + 1);
        }
    }

    /** Under L: the last data of a granule may have been zeroed before the rest of it was found to be a hole. */
    private void noteHole(long word, long mask) {
        long offset = ((word << 6) + Long.numberOfTrailingZeros(mask)) << shift;
        long length = (64L - Long.numberOfLeadingZeros(mask) - Long.numberOfTrailingZeros(mask)) << shift;
        if (giveBack != null && granules != null && granules.holdsSome(offset, length)) {
            giveBack.note(offset, length);
        }
    }

    // ----------------------------------------------------------------------------------------------- write-behind

    /**
     * Captures what the sealed epoch still has of a word; by the sealer, after the grace.
     *
     * @return how many chunks that were, or {@link #NO_ROOM} when there was no room for all of them: to be called again
     */
    public int captureWord(long sealedEpoch, long word, Backoff backoff) {
        int parity = (int) (sealedEpoch & 1);
        int count = 0;
        for (long rest = table.dirty(parity, word); rest != 0; rest = table.dirty(parity, word)) {
            long data = captures.keepsVersions() ? rest & ~table.zero(word) : 0;
            int captured = data != 0
                    ? captureData(parity, word, first(data, copyRunChunkCountMax()), backoff)
                    : captureMarks(parity, word, rest, backoff);
            if (captured == NO_ROOM) {
                return NO_ROOM;
            }
            count += captured;
        }
        table.lowerDirtySummary(parity, word);
        return count;
    }

    /**
     * Captures chunks of data: copies them without their locks, and takes the locks only to say so. What is sealed stays as
     * it is until a writer has captured it, so a copy of a chunk that is sealed still is the sealed version. A writer who needs
     * one of these locks waits for a few marks, not for copies, and not for a sealer that has lost its processor while copying.
     */
    private int captureData(int parity, long word, long mask, Backoff backoff) {
        long copied = 0;
        for (long rest = mask; rest != 0; rest &= rest - 1) {
            long claim = captures.claim();
            if (claim == Captures.NO_CLAIM) {
                break;
            }
            captures.fill(claim, data, ((word << 6) + Long.numberOfTrailingZeros(rest)) << shift);
            sealersClaims[Long.bitCount(copied)] = claim;
            copied |= Long.lowestOneBit(rest);
        }
        if (copied == 0) {
            return NO_ROOM;
        }
        table.orderCopyBeforeMarks();
        int count = 0;
        backoff.reset();
        for (long rest = copied; rest != 0; ) {
            // Captured by a writer: a mark of the sealed epoch that is gone does not come back.
            long gone = rest & ~sealed(parity, word);
            long held = table.tryLockSome(word, rest & ~gone);
            if (held != 0) {
                long mine = held & sealed(parity, word);
                endClaims(word, copied, mine, true);
                endClaims(word, copied, held & ~mine, false);
                if (mine != 0) {
                    noteCaptured(parity, word, mine, true);
                }
                table.unlock(word, held);
                count += Long.bitCount(mine);
            }
            endClaims(word, copied, gone, false);
            rest &= ~(gone | held);
            if ((gone | held) == 0) {
                // Whoever holds them waits for nothing meanwhile, and not for the room that is claimed here either.
                backoff.idle();
            }
        }
        return count;
    }

    private long sealed(int parity, long word) {
        return Mutant.CAPTURE_WITHOUT_SECOND_LOOK.isOn() ? -1L : table.dirty(parity, word);
    }

    /** Ends the claims of some of the chunks that were copied. */
    private void endClaims(long word, long copied, long ended, boolean arePublished) {
        for (long rest = ended; rest != 0; rest &= rest - 1) {
            long bit = Long.lowestOneBit(rest);
            long claim = sealersClaims[Long.bitCount(copied & (bit - 1))];
            if (arePublished) {
                captures.publish(claim, (word << 6) + Long.numberOfTrailingZeros(bit));
            } else {
                captures.abandon(claim);
            }
        }
    }

    /** Captures chunks of which nothing has to be copied: zeroes, or all of them when no versions are kept. */
    private int captureMarks(int parity, long word, long mask, Backoff backoff) {
        long held = table.lockSome(word, mask, backoff);
        long mine = table.dirty(parity, word) & held;
        long captured = mine == 0 ? 0 : capture(parity, word, mine, true);
        table.unlock(word, held);
        return captured == mine ? Long.bitCount(captured) : NO_ROOM;
    }

    /** The lowest set bits of a mask, so many at most. */
    private static long first(long mask, int count) {
        if (Long.bitCount(mask) <= count) {
            return mask;
        }
        long rest = mask;
        for (int i = 0; i < count; i++) {
            rest &= rest - 1;
        }
        return mask & ~rest;
    }

    /** {@link #captureWord}: there was no room for all of the word. */
    public static final int NO_ROOM = -1;

    /**
     * Puts the stale chunks of a word into the open epoch, so that its capture keeps a version of each. By the sealer,
     * while nothing is captured or applied.
     */
    public void carryWord(long openEpoch, long word, Backoff backoff) {
        int parity = (int) (openEpoch & 1);
        long rest = table.stale(word);
        while (rest != 0) {
            long held = table.lockSome(word, rest, backoff);
            long carried = held & table.stale(word) & ~table.dirty(parity, word);
            table.markDirty(parity, word, carried);
            KillPoint.pass();
            long zero = table.zero(word);
            dirty.noteCarried(parity, Long.bitCount(carried & ~zero), Long.bitCount(carried & zero));
            if (carried != 0) {
                epochs.noteDirty(openEpoch);
            }
            table.unlock(word, held);
            rest &= ~held;
        }
    }

    /**
     * Says that the image has lost what it had from a chunk on: all of it that is in RAM is stale, and is going to be written again.
     * What is dirty will be anyway. Not while a round may take what is marked here for written, nor while summaries are tidied.
     *
     * @return how many chunks are stale that were clean
     */
    public long distrustImage(long first, Backoff backoff) {
        long count = 0;
        long last = layout.chunkCount() - 1;
        for (long word = wordOf(first); first <= last && word <= wordOf(last); word++) {
            long rest = table.loaded(word) & maskOf(word, first, last);
            while (rest != 0) {
                long held = table.lockSome(word, rest, backoff);
                long clean = held & ~(table.dirty(0, word) | table.dirty(1, word) | table.stale(word));
                if (clean != 0) {
                    table.markStale(word, clean);
                    dirty.addAll(Long.bitCount(clean));
                    dirty.addData(Long.bitCount(clean & ~table.zero(word)));
                    count += Long.bitCount(clean);
                }
                table.unlock(word, held);
                rest &= ~held;
            }
        }
        return count;
    }

    /** Chunks of a word that are in RAM as data and not dirty: the image has them, or will have when the round ends. */
    public long cleanData(long word) {
        return table.loaded(word) & ~table.zero(word) & ~(table.dirty(0, word) | table.dirty(1, word));
    }

    /** How many chunks {@link #copyRun} takes at once. */
    public int copyRunChunkCountMax() {
        return Math.max(1, COPY_BYTES_MAX >>> shift);
    }

    /** What {@link #copyRun} found, as masks of the word. Used by one thread. */
    public static final class RunCopy {
        private long zero;
        private long left;

        /** Nothing yet. */
        public RunCopy() {}

        /** The chunks that are zeroes and were not copied. */
        public long zero() {
            return zero;
        }

        /** The chunks that hold a newer version than the round may write, and were not copied. */
        public long left() {
            return left;
        }
    }

    /**
     * Copies some chunks of one word for write-behind, each as it is at one moment.
     *
     * @param ofRound whether only the version that was captured up to the round's boundary may be taken, because a journal
     *     keeps the newer ones; what holds a newer one is left out
     * @param into where the chunk {@code first} goes; what is there afterwards counts only for chunks that were copied
     */
    public void copyRun(
            Backoff backoff,
            long first,
            long last,
            boolean ofRound,
            MemorySegment into,
            long intoOffsetBytes,
            RunCopy result) {
        long word = wordOf(first);
        long mask = maskOf(word, first, last);
        if (ofRound && granules == null) {
            copyOfRound(first, word, mask, into, intoOffsetBytes, result);
            return;
        }
        // Without a journal the newest version is wanted, which may be changing; and sparse memory may be given back.
        table.lock(word, mask, backoff);
        try {
            result.left = ofRound ? mask & newerThanRound(word) : 0;
            result.zero = table.zero(word) & mask & ~result.left;
            copyChunks(first, word, mask & ~result.zero & ~result.left, into, intoOffsetBytes);
        } finally {
            table.unlock(word, mask);
        }
    }

    /**
     * Without locks: whoever changes a chunk of the round marks it first, and the mark, or the one that follows it, stays as
     * long as the round lasts. So what carries none after it was copied was copied as it was at the boundary.
     */
    private void copyOfRound(
            long first, long word, long mask, MemorySegment into, long intoOffsetBytes, RunCopy result) {
        long left = mask & newerThanRound(word);
        long zero = table.zero(word) & mask;
        copyChunks(first, word, mask & ~zero & ~left, into, intoOffsetBytes);
        table.orderCopyBeforeMarks();
        if (!Mutant.APPLY_WITHOUT_SECOND_LOOK.isOn()) {
            left |= mask & newerThanRound(word);
        }
        result.left = left;
        result.zero = zero & ~left;
    }

    /** Copies chunks to where their neighbours would be, too. */
    private void copyChunks(long first, long word, long mask, MemorySegment into, long intoOffsetBytes) {
        long rest = mask;
        while (rest != 0) {
            int from = Long.numberOfTrailingZeros(rest);
            int count = Long.numberOfTrailingZeros(~(rest >>> from));
            long chunk = (word << 6) + from;
            long at = intoOffsetBytes + ((chunk - first) << shift);
            MemorySegment.copy(data, chunk << shift, into, at, (long) count << shift);
            rest &= count == 64 ? 0 : ~(((1L << count) - 1) << from);
        }
    }

    /** Chunks of a word of which RAM holds a newer version than was captured up to the round's boundary. */
    private long newerThanRound(long word) {
        if (Mutant.APPLY_UNCOMMITTED.isOn()) {
            return 0;
        }
        // In this order: a dirty mark goes only when N is there.
        return table.dirty(0, word) | table.dirty(1, word) | table.newer(word);
    }

    /**
     * Says that the stale chunks of a word, as they were captured up to the round's boundary, are durably in the image.
     *
     * @param ofRound as for {@link #copyRun}; without a journal nothing is captured meanwhile
     * @return the chunks that stay stale, because they were left out or changed again since
     */
    public long cleanWord(long word, long mask, boolean ofRound, Backoff backoff) {
        long rest = mask;
        long left = 0;
        while (rest != 0) {
            long held = table.lockSome(word, rest, backoff);
            long open = table.dirty(0, word) | table.dirty(1, word);
            long newer = ofRound ? held & (open | table.newer(word)) : 0;
            if (Mutant.CLEAN_RECAPTURED.isOn()) {
                newer = 0;
            }
            table.clearStale(word, held & ~newer);
            KillPoint.pass();
            long cleaned = held & ~newer & ~open;
            // In this order: whoever sees that nothing is dirty sees no data that is.
            dirty.addData(-Long.bitCount(cleaned & ~table.zero(word)));
            dirty.addAll(-Long.bitCount(cleaned));
            left |= newer;
            table.unlock(word, held);
            rest &= ~held;
        }
        if (!ofRound && table.stale(word) == 0) {
            table.lowerStaleSummary(word);
        }
        if (trace.isOn()) {
            trace.record(TraceEvent.CLEAN, word << 6, mask & ~left);
        }
        return left;
    }

    // ------------------------------------------------------------------------------------------- compared with the
    // image

    /** Chunks of a word that RAM holds and the image has, durably. */
    public long clean(long word) {
        long loaded = table.loaded(word);
        // In this order: a dirty mark goes only when the stale one is there.
        long dirty = table.dirty(0, word) | table.dirty(1, word);
        return loaded & ~dirty & ~table.stale(word);
    }

    /** What {@link #compare} found, as masks of the word. Used by one thread. */
    public static final class Comparison {
        private long compared;
        private long differing;

        /** Nothing yet. */
        public Comparison() {}

        /** The chunks that were clean all the while. */
        public long compared() {
            return compared;
        }

        /** Those of them that hold something else than the image. */
        public long differing() {
            return differing;
        }
    }

    /**
     * Compares chunks of one word, as far as they are clean and stay so, with what was read from the image. As a round's copies,
     * without their locks unless memory may be given back: whoever changes a chunk marks it first, and the marks are looked at again.
     *
     * @param image what was read, or null for zeroes
     * @param firstChunk where that begins
     */
    public void compare(
            Backoff backoff, long word, long mask, @Nullable MemorySegment image, long firstChunk, Comparison result) {
        result.compared = 0;
        result.differing = 0;
        int step = copyRunChunkCountMax();
        for (long rest = mask; rest != 0; ) {
            long run = first(rest, step);
            rest &= ~run;
            if (granules != null) {
                table.lock(word, run, backoff);
            }
            long clean = run & clean(word);
            long differing = differing(word, clean, image, firstChunk);
            table.orderCopyBeforeMarks();
            clean &= clean(word);
            if (granules != null) {
                table.unlock(word, run);
            }
            result.compared |= clean;
            result.differing |= differing & clean;
        }
    }

    private long differing(long word, long mask, @Nullable MemorySegment image, long firstChunk) {
        long zero = table.zero(word);
        long differing = 0;
        for (long rest = mask; rest != 0; rest &= rest - 1) {
            int at = Long.numberOfTrailingZeros(rest);
            long chunk = (word << 6) + at;
            long begin = chunk << shift;
            long length = Math.min(chunkBytes, layout.sizeBytes() - begin);
            long from = (chunk - firstChunk) << shift;
            MemorySegment held = (zero >>> at & 1) != 0 ? zeroes : data.asSlice(begin, length);
            MemorySegment other = image == null ? zeroes : image.asSlice(from, length);
            if (MemorySegment.mismatch(held, 0, length, other, 0, length) >= 0) {
                differing |= 1L << at;
            }
        }
        return differing;
    }

    /** {@link #mend}: the chunk is not clean any more, nothing was changed. */
    public static final long NOT_CLEAN = -5;

    /**
     * Makes a clean chunk dirty, so that it is carried to the image once more: with what it holds, or with something else. Room for one
     * chunk must have been reserved.
     *
     * @param from all of what it is to hold, or null for what it holds
     * @return the epoch to which it belongs, {@link #NO_MEMORY} or {@link #NOT_CLEAN}
     */
    public long mend(Worker worker, long chunk, @Nullable MemorySegment from, long fromOffsetBytes) {
        while (true) {
            if (from != null && granules != null && !takeMemory(chunk, chunk)) {
                dirty.cancel(1);
                return NO_MEMORY;
            }
            long epoch = tryMend(worker, chunk, from, fromOffsetBytes);
            if (epoch == NOT_CLEAN) {
                dirty.cancel(1);
            }
            if (epoch >= 0 || epoch == NOT_CLEAN) {
                return epoch;
            }
            if (epoch == SNAPSHOT_FULL) {
                snapshotCut.awaitRoom();
            }
        }
    }

    /** As a store, but of a chunk of which no sealed epoch has anything: it is clean. */
    private long tryMend(Worker worker, long chunk, @Nullable MemorySegment from, long fromOffsetBytes) {
        long word = wordOf(chunk);
        long mask = 1L << chunk;
        RedoSlot redo = from == null ? null : worker.redo;
        epochs.enter(worker.index);
        lock(worker, word, mask);
        try {
            if ((clean(word) & mask) == 0) {
                return NOT_CLEAN;
            }
            boolean isZero = (table.zero(word) & mask) != 0;
            if (from != null) {
                if (granules != null && !granules.holds(chunk << shift, chunkBytes)) {
                    return MEMORY_GONE;
                }
                if (!snapshotCut.mayStore(word, mask, word, 0)) {
                    return SNAPSHOT_FULL;
                }
            }
            long epoch = epochs.open();
            if (from == null && isZero) {
                dirty.cancel(1);
                markDirtyZero(epoch, word, mask);
                return epoch;
            }
            long begin = chunk << shift;
            int length = (int) Math.min(chunkBytes, layout.sizeBytes() - begin);
            if (redo != null) {
                redo.begin(begin, length, from, fromOffsetBytes);
                KillPoint.pass();
            }
            markDirtyData(epoch, word, mask);
            if (from != null) {
                VarHandle.storeStoreFence();
                fillPartialZeroes(chunk, chunk, begin, length);
                put(from, fromOffsetBytes, begin, length);
                publish(word, mask);
            }
            return epoch;
        } finally {
            if (redo != null) {
                redo.end();
                KillPoint.pass();
            }
            table.unlock(word, mask);
            epochs.leave(worker.index);
        }
    }

    // ---------------------------------------------------------------------------------------------- sparse memory

    /**
     * Finds again what a process that is gone was about to give back, or had taken and not said so; before anybody uses the store.
     *
     * @throws PosixException when the kernel refuses
     */
    void takeOverMemory() throws PosixException {
        if (granules == null || giveBack == null) {
            return;
        }
        granules.punchUntaken();
        long chunks = Math.max(1, SegmentLayout.GRANULE_BYTES >>> shift);
        for (long granule = 0; granule < layout.granuleCount(); granule++) {
            long first = granule * chunks;
            long last = Math.min(first + chunks, layout.chunkCount()) - 1;
            if (granules.holds(first << shift, 1) && allZero(first, last)) {
                giveBack.note(first << shift, 1);
            }
        }
    }

    /** Returns whether memory may be there to be given back. */
    public boolean hasMemoryToGiveBack() {
        return giveBack != null && giveBack.hasCandidates();
    }

    /**
     * Gives back the memory of whole granules that read as zeroes; by the sealer. Bounded: at most a batch a call.
     *
     * @throws PosixException when the kernel refuses; the memory then stays taken
     */
    public void giveMemoryBack(Backoff backoff) throws PosixException {
        GiveBack candidates = giveBack;
        Granules memory = granules;
        if (candidates == null || memory == null || !candidates.take()) {
            return;
        }
        // Readers who saw a chunk before it was marked as zeroes may still be copying it. One that held data again
        // since,
        // and became zeroes once more, was noted anew; it is left to the next batch and its own grace.
        epochs.awaitGrace(backoff);
        long chunks = Math.max(1, SegmentLayout.GRANULE_BYTES >>> shift);
        for (int i = 0; i < candidates.takenCount(); i++) {
            long granule = candidates.taken(i);
            long first = granule * chunks;
            giveBack(candidates, memory, backoff, granule, first, Math.min(first + chunks, layout.chunkCount()) - 1);
        }
    }

    private void giveBack(GiveBack candidates, Granules memory, Backoff backoff, long granule, long first, long last)
            throws PosixException {
        long word = wordOf(first);
        // Before the chunks: who takes memory holds this lock and no chunk, and nobody waits while holding one.
        memory.lockTaking();
        try {
            for (; word <= wordOf(last); word++) {
                table.lock(word, maskOf(word, first, last), backoff);
            }
            if (!candidates.isNoted(granule) && allZero(first, last) && memory.holds(first << shift, 1)) {
                memory.giveBack(granule);
                if (trace.isOn()) {
                    trace.record(TraceEvent.GIVE_BACK, first << shift, SegmentLayout.GRANULE_BYTES);
                }
            }
        } finally {
            while (--word >= wordOf(first)) {
                table.unlock(word, maskOf(word, first, last));
            }
            memory.unlockTaking();
        }
    }

    private boolean allZero(long first, long last) {
        for (long word = wordOf(first); word <= wordOf(last); word++) {
            long mask = maskOf(word, first, last);
            if ((table.zero(word) & table.loaded(word) & mask) != mask) {
                return false;
            }
        }
        return true;
    }

    /** How many chunks a range of bytes touches; at least one byte. */
    public long chunkCountOf(long offsetBytes, long lengthBytes) {
        return ((offsetBytes + lengthBytes - 1) >>> shift) - (offsetBytes >>> shift) + 1;
    }
}
