package ramback.image;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;
import ramback.clock.Backoff;
import ramback.device.Extent;
import ramback.memory.SegmentLayout;
import ramback.memory.SharedSegment;
import ramback.mutant.KillPoint;
import ramback.mutant.Mutant;

/**
 * One bit a chunk in each of seven planes of long words, 64 chunks a word, and a {@link Summary} for the planes that are searched:
 *
 * <pre>
 *   plane  set means                                        set by              cleared by
 *   L      somebody is changing the chunk or its bits       whoever locks       the same
 *   D0 D1  changed in an epoch of this parity, since it     writer, under L     capture, under L
 *          was last captured
 *   H      the image is stale: captured, not yet applied    capture, under L    applier, under L
 *   V      RAM holds the chunk                              writer or loader    never
 *   Z      reads as zero, its memory holds nothing          zeroes, under L     writer, under L
 *   N      newer: captured again since the boundary of      capture, under L    sealer, between two captures
 *          the apply round
 * </pre>
 *
 * <p>In a large device chunks that lie far from each other share an L bit ({@link SegmentLayout#lockWord}): for whoever waits for it that is
 * no different from somebody who is busy with his own chunk. While a chunk's L bit is held, nobody else changes its other bits; V and Z are also read without the lock. Safe for
 * use by many threads; each access mode has its reason at its method.
 */
public final class ChunkTable {

    private static final VarHandle WORD = ValueLayout.JAVA_LONG.varHandle();

    /** Index of the summary of plane H; those of D0 and D1 are 0 and 1. */
    private static final int STALE = 2;
    /** Index of the summary of plane N. */
    private static final int NEWER = 3;

    private final SegmentLayout layout;
    private final MemorySegment locks;
    private final MemorySegment[] dirty;
    private final MemorySegment stale;
    private final MemorySegment loaded;
    private final MemorySegment zero;
    private final MemorySegment newer;
    private final Summary[] summaries;
    /** Null where the words themselves can be looked at. */
    private final @Nullable RegionCounts regions;

    /** The table in this segment. */
    public ChunkTable(SharedSegment segment) {
        this(segment.layout(), segment::plane, segment::summary, RegionCounts.REGION_COUNT_MAX);
    }

    /** A table over any memory; planes and summaries are numbered as in {@link SegmentLayout}, regions are so many at most. */
    ChunkTable(
            SegmentLayout layout,
            IntFunction<MemorySegment> planes,
            IntFunction<MemorySegment> planeSummaries,
            int regionCountMax) {
        this.layout = layout;
        locks = planes.apply(0);
        dirty = new MemorySegment[] {planes.apply(1), planes.apply(2)};
        stale = planes.apply(3);
        loaded = planes.apply(4);
        zero = planes.apply(5);
        newer = planes.apply(6);
        summaries = new Summary[SegmentLayout.SUMMARY_COUNT];
        for (int i = 0; i < summaries.length; i++) {
            summaries[i] = new Summary(planeSummaries.apply(i), layout.wordCount());
        }
        regions = RegionCounts.of(layout.wordCount(), regionCountMax);
    }

    /** The word a chunk's bits are in. */
    public static long wordOf(long chunk) {
        return chunk >>> 6;
    }

    /** The bits of the chunks first to last that lie in a word; both must reach into it. */
    public static long maskOf(long word, long firstChunk, long lastChunk) {
        long from = Math.max(firstChunk, word << 6);
        long to = Math.min(lastChunk, (word << 6) + 63);
        return (-1L << from) & (-1L >>> (63 - to));
    }

    /** How many words a plane has. */
    public long wordCount() {
        return layout.wordCount();
    }

    /** The bits of a word that stand for chunks the device has. */
    public long existing(long word) {
        return maskOf(word, word << 6, layout.chunkCount() - 1);
    }

    // ------------------------------------------------------------------------------------------------------ locks

    /**
     * Locks chunks of one word, all or none. Acquire: what the last holder wrote is seen by the next one.
     *
     * @return whether all of them were free and are now held
     */
    public boolean tryLock(long word, long mask) {
        long at = lockAt(word);
        long held = (long) WORD.getOpaque(locks, at);
        while ((held & mask) == 0) {
            long witness = (long) WORD.compareAndExchangeAcquire(locks, at, held, held | mask);
            if (witness == held) {
                return true;
            }
            held = witness;
        }
        return false;
    }

    /**
     * Locks those chunks of one word that are free; for work that can be done chunk by chunk, so that it goes on beside
     * writers who keep some chunk of the word locked at any moment.
     *
     * @return the chunks that are now held, possibly none
     */
    public long tryLockSome(long word, long mask) {
        long at = lockAt(word);
        long held = (long) WORD.getOpaque(locks, at);
        while ((mask & ~held) != 0) {
            long free = mask & ~held;
            long witness = (long) WORD.compareAndExchangeAcquire(locks, at, held, held | free);
            if (witness == held) {
                return free;
            }
            held = witness;
        }
        return 0;
    }

    /** As {@link #tryLockSome}, but waits until it gets at least one of them. */
    public long lockSome(long word, long mask, Backoff backoff) {
        long held = tryLockSome(word, mask);
        if (held == 0) {
            backoff.reset();
            do {
                backoff.idle();
                held = tryLockSome(word, mask);
            } while (held == 0);
        }
        return held;
    }

    /** Locks chunks of one word; waits for whoever holds some of them, holding none meanwhile. */
    public void lock(long word, long mask, Backoff backoff) {
        if (tryLock(word, mask)) {
            return;
        }
        backoff.reset();
        do {
            backoff.idle();
        } while (!tryLock(word, mask));
    }

    /** Unlocks chunks of one word. Release: whoever locks them next sees what was written under the lock. */
    public void unlock(long word, long mask) {
        WORD.getAndBitwiseAndRelease(locks, lockAt(word), ~mask);
    }

    private static long lockAt(long word) {
        return SegmentLayout.lockWord(word) << 3;
    }

    // ------------------------------------------------------------------------------------------------------ dirty

    /**
     * Chunks of a word that are dirty in epochs of a parity. Acquire: who finds none left without having the lock, as the
     * sealer does, sees the stale marks and the summary that came before the dirty marks went.
     */
    public long dirty(int parity, long word) {
        return (long) WORD.getAcquire(dirty[parity], word << 3);
    }

    /**
     * Marks chunks dirty; under L. Atomic because neighbours in the word belong to other threads; release so that the
     * mark is never seen without the capture that came before it.
     *
     * @return the chunks that were not dirty in that parity before
     */
    public long markDirty(int parity, long word, long mask) {
        long at = word << 3;
        long before = (long) WORD.getOpaque(dirty[parity], at);
        if ((before & mask) == mask) {
            return 0;
        }
        before = (long) WORD.getAndBitwiseOrRelease(dirty[parity], at, mask);
        summaries[parity].raise(word);
        return mask & ~before;
    }

    /**
     * Says that bytes were copied without L, and that the marks that are looked at now tell whether the copy is good. Load
     * before load: whoever copied a byte that was changed meanwhile sees the mark that came before the change.
     */
    public void orderCopyBeforeMarks() {
        VarHandle.acquireFence();
    }

    /** Takes the dirty mark of a parity off chunks that were captured; under L. */
    public void clearDirty(int parity, long word, long mask) {
        WORD.getAndBitwiseAndRelease(dirty[parity], word << 3, ~mask);
    }

    /** Chunks of a word whose image is stale. Opaque: under L, or looked at again under L. */
    public long stale(long word) {
        return (long) WORD.getOpaque(stale, word << 3);
    }

    /** Marks the image of chunks stale; under L, before their dirty mark goes. */
    public void markStale(long word, long mask) {
        WORD.getAndBitwiseOrRelease(stale, word << 3, mask);
        summaries[STALE].raise(word);
    }

    /** Takes the stale mark off chunks that are durably in the image; under L. */
    public void clearStale(long word, long mask) {
        WORD.getAndBitwiseAndRelease(stale, word << 3, ~mask);
    }

    /**
     * Chunks of a word that were captured again since the round's boundary. Opaque: under L, or behind an acquiring look at the
     * dirty marks, which go only when this one is there.
     */
    public long newer(long word) {
        return (long) WORD.getOpaque(newer, word << 3);
    }

    /** Notes that chunks were captured; under L, before their stale mark is set and their dirty mark goes. */
    void markNewer(long word, long mask) {
        WORD.getAndBitwiseOrRelease(newer, word << 3, mask);
        summaries[NEWER].raise(word);
    }

    /** Forgets what was captured so far: the next round's boundary. Only while nothing is being captured. */
    public void clearNewer() {
        for (long word = summaries[NEWER].next(0); word >= 0; word = summaries[NEWER].next(word + 1)) {
            WORD.setVolatile(newer, word << 3, 0L);
            summaries[NEWER].lower(word);
        }
    }

    // ----------------------------------------------------------------------------------------------------- loaded

    /** Chunks of a word that are in RAM. Acquire: whoever sees the bit sees the bytes {@link #publishLoaded} followed. */
    public long loaded(long word) {
        return (long) WORD.getAcquire(loaded, word << 3);
    }

    /**
     * Says that chunks are in RAM; under L. Release: their bytes were written before.
     *
     * @return the chunks that were not before
     */
    public long publishLoaded(long word, long mask) {
        long at = word << 3;
        if (((long) WORD.getOpaque(loaded, at) & mask) == mask) {
            return 0;
        }
        long fresh = mask & ~(long) WORD.getAndBitwiseOrRelease(loaded, at, mask);
        if (regions != null) {
            regions.addLoaded(word, Long.bitCount(fresh));
        }
        return fresh;
    }

    // ------------------------------------------------------------------------------------------------------- zero

    /** Chunks of a word that read as zeroes. Acquire: whoever sees the bit gone sees the bytes written instead. */
    public long zero(long word) {
        return (long) WORD.getAcquire(zero, word << 3);
    }

    /** Says that chunks read as zeroes; under L, and before they are published as loaded. */
    public void markZero(long word, long mask) {
        long before = (long) WORD.getAndBitwiseOrRelease(zero, word << 3, mask);
        if (regions != null) {
            regions.addZero(word, Long.bitCount(mask & ~before));
        }
    }

    /** Says that chunks hold data; under L. Release: their bytes were written before. */
    public void publishData(long word, long mask) {
        long at = word << 3;
        if (((long) WORD.getOpaque(zero, at) & mask) != 0) {
            long before = (long) WORD.getAndBitwiseAndRelease(zero, at, ~mask);
            if (regions != null) {
                regions.addZero(word, -Long.bitCount(mask & before));
            }
        }
    }

    // ----------------------------------------------------------------------------------------------------- states

    /** The states of {@link Extent} in which a chunk is, of those that are of interest. */
    int states(long chunk, int interest) {
        long word = wordOf(chunk);
        int states = 0;
        for (int state = Extent.ZERO; state <= Extent.UNLOADED; state <<= 1) {
            if ((interest & state) != 0 && (having(state, word) >>> chunk & 1) != 0) {
                states |= state;
            }
        }
        return states;
    }

    /** Chunks of a word that differ from these states in any that is of interest. */
    long unlike(int states, int interest, long word) {
        long unlike = 0;
        for (int state = Extent.ZERO; state <= Extent.UNLOADED; state <<= 1) {
            if ((interest & state) != 0) {
                unlike |= having(state, word) ^ ((states & state) != 0 ? -1 : 0);
            }
        }
        return unlike;
    }

    private long having(int state, long word) {
        return switch (state) {
            // V before Z: a chunk is marked as zeroes before it is published, and its bytes before Z goes.
            case Extent.ZERO -> loaded(word) & zero(word);
            case Extent.DIRTY -> glanceDirty(word);
            case Extent.UNLOADED -> ~loaded(word);
            default -> throw new IllegalArgumentException("no state " + state);
        };
    }

    // --------------------------------------------------------------------------------------------------- take over

    /**
     * Goes on with the states that a killed process left of one word, in the first epoch of this one: chunks that are not loaded are as
     * if nobody had ever touched them; what of the others the image may lack, or was being changed, is dirty in the open epoch. H stays,
     * since the journal may hold another version of what is stale. While nobody else uses the table.
     *
     * <p>In this order, which may be broken off anywhere and begun again, by a process whose open epoch has the other parity: a mark
     * goes only when another is there that says as much, and L last, because it may be all that says it: by {@link #endTakeOver}, since
     * other words may share it.
     *
     * @return the chunks that are dirty now
     */
    long takeOver(int parity, long word) {
        long at = word << 3;
        long present = (long) WORD.getVolatile(loaded, at);
        long lacking = Mutant.TAKE_OVER_FORGETS_STALE.isOn() ? 0 : stale(word);
        long counted = Mutant.DIRTY_UNLOADED.isOn() ? -1 : present;
        long changed =
                counted & (dirty(0, word) | dirty(1, word) | lacking | (long) WORD.getVolatile(locks, lockAt(word)));
        setTo(zero, at, Mutant.TAKE_OVER_KEEPS_Z.isOn() ? zero(word) : zero(word) & present);
        setTo(dirty[parity], at, changed);
        setTo(dirty[parity ^ 1], at, 0);
        setTo(stale, at, Mutant.TAKE_OVER_CLEARS_STALE.isOn() ? 0 : stale(word) & present);
        setTo(newer, at, 0);
        setSummary(parity, word, changed != 0);
        setSummary(parity ^ 1, word, false);
        setSummary(STALE, word, stale(word) != 0);
        setSummary(NEWER, word, false);
        if (regions != null) {
            regions.addLoaded(word, Long.bitCount(present));
            regions.addZero(word, Long.bitCount(zero(word)));
        }
        return changed;
    }

    /** Takes the locks that somebody held when he was killed, after {@link #takeOver} of all words; while nobody else uses the table. */
    void endTakeOver() {
        for (long word = 0; word < layout.lockWordCount(); word++) {
            setTo(locks, word << 3, 0);
        }
    }

    /** Forgets what was counted by region, before {@link #takeOver} goes through all words; while nobody else uses the table. */
    void clearRegions() {
        if (regions != null) {
            regions.clear();
        }
    }

    /** Marks chunks of a store that is done again; V, Z and bytes follow. */
    void markRedone(int parity, long word, long mask) {
        WORD.getAndBitwiseOr(dirty[parity], word << 3, mask);
    }

    private static void setTo(MemorySegment plane, long at, long bits) {
        if ((long) WORD.getVolatile(plane, at) != bits) {
            WORD.setVolatile(plane, at, bits);
            KillPoint.pass();
        }
    }

    private void setSummary(int summary, long word, boolean isSet) {
        Summary of = summaries[summary];
        setTo(of.bits(), word >>> 6 << 3, of.with(word, isSet));
        of.rebuildAbove(word);
    }

    // --------------------------------------------------------------------------------------------------- pictures
    // Opaque, all of them: each bit was so at some moment, and whoever looks draws it and concludes nothing.

    /** What is counted by region, or null where the words themselves can be looked at. */
    @Nullable
    RegionCounts regions() {
        return regions;
    }

    /** How many chunks the device has. */
    long chunkCount() {
        return layout.chunkCount();
    }

    /** Chunks of a word that are in RAM. */
    long glanceLoaded(long word) {
        return (long) WORD.getOpaque(loaded, word << 3);
    }

    /** Chunks of a word that read as zeroes. */
    long glanceZero(long word) {
        return (long) WORD.getOpaque(zero, word << 3);
    }

    /**
     * Chunks of a word that are newer than the image: dirty in an epoch, or stale; H last, since it is set before D goes. A plane that
     * has none of them by its summary is not touched.
     */
    long glanceDirty(long word) {
        return glance(0, dirty[0], word) | glance(1, dirty[1], word) | glance(STALE, stale, word);
    }

    private long glance(int summary, MemorySegment plane, long word) {
        boolean mayHave = (summaries[summary].glance(word >>> 6) >>> word & 1) != 0;
        return mayHave ? (long) WORD.getOpaque(plane, word << 3) : 0;
    }

    /** Which of 64 words may have such chunks. */
    long glanceSummaries(long index) {
        return summaries[0].glance(index) | summaries[1].glance(index) | summaries[STALE].glance(index);
    }

    // -------------------------------------------------------------------------------------------------- summaries

    /** Lowers the summary bit of a word of a plane of dirty bits; only when no writer of that parity is left. */
    public void lowerDirtySummary(int parity, long word) {
        summaries[parity].lower(word);
    }

    /** Lowers the summary bit of a word of the stale plane; only while nothing is being captured. */
    public void lowerStaleSummary(long word) {
        summaries[STALE].lower(word);
    }

    /** Lowers the summary bits of the stale plane that no word needs any more; only while nothing is being captured. */
    public void tidyStaleSummary() {
        for (long word = nextStaleWord(0); word >= 0; word = nextStaleWord(word + 1)) {
            if (stale(word) == 0) {
                lowerStaleSummary(word);
            }
        }
    }

    /** The first word at or after {@code from} that may have dirty chunks of a parity, or -1. */
    public long nextDirtyWord(int parity, long from) {
        return summaries[parity].next(from);
    }

    /** The first word at or after {@code from} that may have stale chunks, or -1. */
    public long nextStaleWord(long from) {
        return summaries[STALE].next(from);
    }
}
