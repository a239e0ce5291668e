package ramback.memory;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import org.jspecify.annotations.Nullable;

/**
 * What one thread is storing into the device's bytes right now, where the next process finds it when this one is killed in the
 * middle: half a store is then done again from the beginning.
 *
 * <pre>
 *   0  kind (long): 0 nothing, 1 bytes, 2 zeroes     8  offset in the device (long)
 *  16  length (long)                                24  where the bytes lie, from the segment's first byte (long)
 * </pre>
 *
 * <p>The kind is written last, and taken back first: a slot that says something is whole. The bytes lie in the segment for as
 * long as it does. Used by one thread; or by one that attaches, while nobody else uses the segment.
 */
public final class RedoSlot {

    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;
    private static final VarHandle WORD = LONG.varHandle();
    private static final long NOTHING = 0;
    private static final long BYTES = 1;
    private static final long ZEROES = 2;

    private final MemorySegment segment;
    private final MemorySegment slot;
    private final long roomOffset;

    /**
     * A slot.
     *
     * @param segment all of it
     * @param roomOffset where bytes go that lie elsewhere; room for a longest run
     */
    RedoSlot(MemorySegment segment, long slotOffset, long roomOffset) {
        this.segment = segment;
        this.slot = segment.asSlice(slotOffset, SegmentLayout.REDO_SLOT_BYTES);
        this.roomOffset = roomOffset;
    }

    /**
     * Notes a store that is about to begin; under its chunks' locks. Release: whoever finds the note finds all of it, and the marks
     * and bytes that follow come after it. That holds for a process that is killed, whose executed stores all survive.
     *
     * @param from the bytes, anywhere; null for zeroes
     */
    public void begin(long offsetBytes, int lengthBytes, @Nullable MemorySegment from, long fromOffsetBytes) {
        slot.set(LONG, 8, offsetBytes);
        slot.set(LONG, 16, lengthBytes);
        if (from != null) {
            slot.set(LONG, 24, placeOf(lengthBytes, from, fromOffsetBytes));
        }
        WORD.setRelease(slot, 0L, from == null ? ZEROES : BYTES);
        // The marks and bytes that follow come after the note.
        VarHandle.storeStoreFence();
    }

    private long placeOf(int lengthBytes, MemorySegment from, long fromOffsetBytes) {
        long place = from.address() + fromOffsetBytes - segment.address();
        if (from.isNative() && place >= 0 && place <= segment.byteSize() - lengthBytes) {
            return place;
        }
        // Parked, or somebody's own: it would be gone with the process.
        MemorySegment.copy(from, fromOffsetBytes, segment, roomOffset, lengthBytes);
        return roomOffset;
    }

    /** Takes the note back: all of the store is done. Before its chunks are unlocked. */
    public void end() {
        WORD.setRelease(slot, 0L, NOTHING);
    }

    /** Whether a store was under way. */
    public boolean isBegun() {
        return (long) WORD.getAcquire(slot, 0L) != NOTHING;
    }

    /** Where that store begins in the device. */
    public long offsetBytes() {
        return slot.get(LONG, 8);
    }

    /** How long it is. */
    public int lengthBytes() {
        return (int) slot.get(LONG, 16);
    }

    /** Its bytes, or null for zeroes. */
    public @Nullable MemorySegment bytes() {
        return slot.get(LONG, 0) == ZEROES ? null : segment.asSlice(slot.get(LONG, 24), lengthBytes());
    }
}
