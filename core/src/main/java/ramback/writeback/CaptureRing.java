package ramback.writeback;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.concurrent.atomic.LongAdder;
import ramback.journal.VersionBatch;
import ramback.posix.Posix;

/**
 * Versions of chunks on their way from those who capture them to the one thread that writes them out: a bounded ring of
 * entries, and beside it a bounded ring of slots of one chunk each for the bytes of those entries that have any.
 *
 * <pre>
 *   released            taken                     claimed
 *      |  written, not     |  published, or being    |
 *      |  durable yet      |  copied just now        |  free
 *   ---+-------------------+-------------------------+------------
 *      release moves up    take, rewind move         tryPut moves
 * </pre>
 *
 * <p>A position is an entry's number and a slot's number in one word. One exchange of the claimed position takes both, so
 * slots are in use in the order of their entries, what is taken together lies together in memory, and an entry need not
 * say where its bytes are. An entry whose copying is under way holds up those behind it, for the time of one copy.
 *
 * <p>{@link #tryPut}, {@link #isEmpty} and the counts are for any thread and never wait; {@link #take}, {@link #release},
 * {@link #rewind} and what they say are for one thread at a time. Nothing is allocated by putting.
 */
public final class CaptureRing {

    /** The most slots a ring can have: 16 GiB of the smallest chunks. */
    public static final int SLOT_COUNT_MAX = 1 << 22;

    /** The most entries a ring can have. */
    public static final int ENTRY_COUNT_MAX = 1 << 24;

    /*
     * A position:  63   62                          24   23                                 0
     *             | 0 | number of the entry, mod 2^39 | number of the slot, mod 2 * slotCount |
     *
     * Twice the count of slots tells a full ring from an empty one. Numbers of entries come back after 2^39 puts: whoever
     * were held up for as long between reading the claimed position and exchanging it would not notice.
     */
    private static final int SLOT_BITS = 24;
    private static final long SLOT_MASK = (1L << SLOT_BITS) - 1;
    private static final long ENTRY_ONE = 1L << SLOT_BITS;
    private static final long ENTRY_MASK = Long.MAX_VALUE >>> SLOT_BITS;

    /** An entry: four longs, the fourth unused. */
    private static final int STRIDE_SHIFT = 2;

    /** The number of the entry, plus one, once it is published. */
    private static final int PUBLISHED = 0;

    private static final int CHUNK = 1;

    /** How many chunks of zeroes it stands for, or 0 for one chunk of data, or {@link #NOTHING}. */
    private static final int ZERO_COUNT = 2;

    /** The entry was claimed for data, and came to nothing: its slot holds no version. */
    private static final long NOTHING = -1;

    /** What {@link #claim} answers when there is no room: no position. */
    public static final long FULL = -1;

    private static final VarHandle ENTRY = MethodHandles.arrayElementVarHandle(long[].class);
    private static final VarHandle CLAIMED;
    private static final VarHandle RELEASED;

    static {
        try {
            MethodHandles.Lookup lookup = MethodHandles.lookup();
            CLAIMED = lookup.findVarHandle(CaptureRing.class, "claimed", long.class);
            RELEASED = lookup.findVarHandle(CaptureRing.class, "released", long.class);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    private final int chunkBytes;
    private final int slotCount;
    private final int entryCount;
    private final int reservedCount;
    private final MemorySegment memory;
    private final long[] entries;
    private final LongAdder refusedPuts = new LongAdder();

    @SuppressWarnings("unused") // through CLAIMED
    private long claimed;

    @SuppressWarnings("unused") // through RELEASED
    private long released;

    /** Where the next {@link #take} begins; only the thread that takes uses it. */
    private long taken;

    /**
     * An empty ring. Used by many threads, so its memory must be accessible to all of them.
     *
     * @param memory the slots, in whole chunks, 1 to {@link #SLOT_COUNT_MAX}; the bytes of a batch lie in it, so it is
     *     aligned as the disk wants it
     * @param entryCount how many entries fit, with data or without, 1 to {@link #ENTRY_COUNT_MAX}; rounded up to a power of
     *     two
     * @param reservedCount how many slots, and entries, the sealer leaves free for writers; fewer than there are
     */
    public CaptureRing(int chunkBytes, MemorySegment memory, int entryCount, int reservedCount) {
        long slots = memory.byteSize() / chunkBytes;
        if (slots < 1 || slots > SLOT_COUNT_MAX || entryCount < 1 || entryCount > ENTRY_COUNT_MAX) {
            throw new IllegalArgumentException("a ring of " + slots + " slots and " + entryCount + " entries: at most "
                    + SLOT_COUNT_MAX + " and " + ENTRY_COUNT_MAX);
        }
        if (reservedCount < 0 || reservedCount >= Math.min(slots, entryCount)) {
            throw new IllegalArgumentException(
                    "reserved " + reservedCount + " of " + slots + " slots and " + entryCount + " entries leaves none");
        }
        this.chunkBytes = chunkBytes;
        this.slotCount = (int) slots;
        this.entryCount = 1 << (Integer.SIZE - Integer.numberOfLeadingZeros(entryCount - 1));
        this.reservedCount = reservedCount;
        this.memory = memory;
        this.entries = new long[this.entryCount << STRIDE_SHIFT];
    }

    // -------------------------------------------------------------------------------------------------------- put

    /**
     * Puts a version at the end. For any thread, also one that holds the chunk's lock.
     *
     * @param content the chunk's bytes, copied before this returns; empty for zeroes
     * @param chunkCount how many chunks, at least 1; exactly 1 with content
     * @param forSealer whether to leave room for writers, who hold up a client when there is none
     * @return false when there is no room; nothing was put then
     */
    public boolean tryPut(long chunk, MemorySegment content, long chunkCount, boolean forSealer) {
        boolean isData = content.byteSize() != 0;
        if (chunkCount < 1 || (isData && (chunkCount != 1 || content.byteSize() != chunkBytes))) {
            throw new IllegalArgumentException(
                    chunkCount + " chunks with " + content.byteSize() + " bytes of content, a chunk has " + chunkBytes);
        }
        if (isData) {
            return tryPutData(chunk, content, 0, forSealer);
        }
        long position = claim(false, forSealer ? reservedCount : 0);
        if (position == FULL) {
            return false;
        }
        publish(position, chunk, chunkCount);
        return true;
    }

    /** As {@link #tryPut}, for the bytes of one chunk that lie somewhere in memory. */
    public boolean tryPutData(long chunk, MemorySegment from, long fromOffsetBytes, boolean forSealer) {
        long claim = claim(forSealer);
        if (claim == FULL) {
            return false;
        }
        fill(claim, from, fromOffsetBytes);
        publish(claim, chunk);
        return true;
    }

    /**
     * Claims room for a chunk's version that is yet to be copied. For any thread, which goes on with {@link #fill}, and then
     * {@link #publish} or {@link #abandon}, without waiting for a disk or for room: until then, what is claimed behind it cannot be
     * taken.
     *
     * @param forSealer as for {@link #tryPut}
     * @return the claim, or {@link #FULL}
     */
    public long claim(boolean forSealer) {
        return claim(true, forSealer ? reservedCount : 0);
    }

    /** Copies a chunk's bytes to where a claim has room for them. */
    public void fill(long claim, MemorySegment from, long fromOffsetBytes) {
        Posix.copy(from, fromOffsetBytes, memory, slotAt(claim) * chunkBytes, chunkBytes);
    }

    /** Ends a claim: what was copied is the version of this chunk. */
    public void publish(long claim, long chunk) {
        publish(claim, chunk, 0);
    }

    /** Ends a claim: what was copied is no version of anything. */
    public void abandon(long claim) {
        publish(claim, 0, NOTHING);
    }

    private void publish(long position, long chunk, long zeroCount) {
        long number = numberOf(position);
        int at = entryAt(number);
        entries[at + CHUNK] = chunk;
        entries[at + ZERO_COUNT] = zeroCount;
        publish(at, number);
    }

    /** Claims an entry, and a slot if it has data. Returns where, never negative, or {@link #FULL}. */
    private long claim(boolean isData, int leftFree) {
        while (true) {
            // In this order: what was released by then covers what whoever made this claim had seen released.
            long position = claimed();
            long free = releasedPosition();
            boolean fits = entriesBetween(free, position) < entryCount - leftFree
                    && (!isData || slotsBetween(free, position) < slotCount - leftFree);
            if (fits && CLAIMED.compareAndSet(this, position, next(position, isData))) {
                return position;
            }
            // A position that others have left behind meanwhile says nothing about the room there is.
            if (!fits && position == claimed()) {
                refusedPuts.increment();
                return FULL;
            }
        }
    }

    /**
     * Volatile, as the exchange that moves it: whoever claims behind somebody else's claim sees at least as much released as
     * the other one saw, so that the slots between the two are never more than there are.
     */
    private long claimed() {
        return (long) CLAIMED.getVolatile(this);
    }

    /** Acquire: whoever finds a slot released sees that its reader is done with it, and writes only after. */
    private long releasedPosition() {
        return (long) RELEASED.getAcquire(this);
    }

    /** Release: whoever sees the entry's number sees the entry and its bytes. */
    private void publish(int at, long number) {
        ENTRY.setRelease(entries, at + PUBLISHED, number + 1);
    }

    // ------------------------------------------------------------------------------------------------------- take

    /**
     * Takes entries from where the last call ended, up to one that is still being copied, or that does not fit, or whose bytes
     * do not follow in memory.
     *
     * @param batch is cleared, and gets the entries: neighbours put one after the other become one extent. Its payload is
     *     valid until {@link #release}
     * @param payloadBytesMax at least one chunk
     * @return how many were taken, those that came to nothing among them; 0 when there is none to take
     */
    public int take(VersionBatch batch, long payloadBytesMax) {
        if (payloadBytesMax < chunkBytes) {
            throw new IllegalArgumentException(
                    "a batch of " + payloadBytesMax + " bytes does not hold a chunk of " + chunkBytes);
        }
        batch.clear();
        long position = taken;
        long firstSlot = 0;
        long payloadBytes = 0;
        int count = 0;
        while (isPublished(numberOf(position))) {
            int at = entryAt(numberOf(position));
            long zeroCount = entries[at + ZERO_COUNT];
            if (zeroCount == NOTHING) {
                if (payloadBytes > 0) {
                    // Its slot would lie in the middle of the payload.
                    break;
                }
                position = next(position, true);
                count++;
                continue;
            }
            boolean isData = zeroCount == 0;
            boolean breaksPayload = isData
                    && payloadBytes > 0
                    && (slotAt(position) == 0 || payloadBytes + chunkBytes > payloadBytesMax);
            if (breaksPayload || !batch.add(entries[at + CHUNK], isData ? 1 : zeroCount, !isData)) {
                break;
            }
            if (isData) {
                firstSlot = payloadBytes == 0 ? slotAt(position) : firstSlot;
                payloadBytes += chunkBytes;
            }
            position = next(position, isData);
            count++;
        }
        batch.payload(memory.asSlice(firstSlot * chunkBytes, payloadBytes));
        taken = position;
        return count;
    }

    /** Acquire: see {@link #publish}. */
    private boolean isPublished(long number) {
        return (long) ENTRY.getAcquire(entries, entryAt(number) + PUBLISHED) == number + 1;
    }

    /**
     * Says that all that was taken is durable, or wanted no more: its room may be used again. Whoever waits for room must
     * be told by the caller.
     */
    public void release() {
        // Release: what was read from the slots was read before. See releasedPosition.
        RELEASED.setRelease(this, taken);
    }

    /** Says that what was taken since the last release must be taken again: the next {@link #take} begins with it. */
    public void rewind() {
        taken = releasedPosition();
    }

    /** Whether something was put that has not been taken, also if it is still being copied. For the thread that takes. */
    public boolean hasMore() {
        return claimed() != taken;
    }

    /** How many bytes of data were taken since the last release. For the thread that takes. */
    public long takenBytes() {
        return (long) slotsBetween(releasedPosition(), taken) * chunkBytes;
    }

    /** How many entries were taken since the last release. For the thread that takes. */
    public int takenEntryCount() {
        return (int) entriesBetween(releasedPosition(), taken);
    }

    // ------------------------------------------------------------------------------------------------------ status

    /** Whether everything that was put has been released. */
    public boolean isEmpty() {
        long free = releasedPosition();
        return free == claimed();
    }

    /** How many entries are in use. */
    public int usedEntryCount() {
        while (true) {
            long free = releasedPosition();
            long position = claimed();
            if (free == releasedPosition()) {
                return (int) entriesBetween(free, position);
            }
        }
    }

    /** How many bytes of data are in use. */
    public long usedBytes() {
        while (true) {
            long free = releasedPosition();
            long position = claimed();
            if (free == releasedPosition()) {
                return (long) slotsBetween(free, position) * chunkBytes;
            }
        }
    }

    /** How many entries fit. */
    public int entryCountMax() {
        return entryCount;
    }

    /** The size of a slot. */
    public int chunkBytes() {
        return chunkBytes;
    }

    /** How many bytes of data fit. */
    public long capacityBytes() {
        return (long) slotCount * chunkBytes;
    }

    /** How many puts found no room, since the start. */
    public long refusedPutCount() {
        return refusedPuts.sum();
    }

    // --------------------------------------------------------------------------------------------------- positions

    private static long numberOf(long position) {
        return position >>> SLOT_BITS;
    }

    private int entryAt(long number) {
        return ((int) number & (entryCount - 1)) << STRIDE_SHIFT;
    }

    private long slotAt(long position) {
        long slot = position & SLOT_MASK;
        return slot < slotCount ? slot : slot - slotCount;
    }

    private long next(long position, boolean isData) {
        long slot = position & SLOT_MASK;
        if (isData) {
            slot = slot + 1 == 2L * slotCount ? 0 : slot + 1;
        }
        return ((position & ~SLOT_MASK) + ENTRY_ONE | slot) & Long.MAX_VALUE;
    }

    private static long entriesBetween(long from, long to) {
        return numberOf(to) - numberOf(from) & ENTRY_MASK;
    }

    private int slotsBetween(long from, long to) {
        int slots = (int) ((to & SLOT_MASK) - (from & SLOT_MASK));
        return slots < 0 ? slots + 2 * slotCount : slots;
    }
}
