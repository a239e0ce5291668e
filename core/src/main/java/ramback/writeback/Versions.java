package ramback.writeback;

import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;
import ramback.clock.Clock;
import ramback.image.Captures;
import ramback.posix.Posix;
import ramback.posix.PosixException;

/**
 * The versions of the sealed epoch's chunks, on their way from RAM to the journal: the ring, and whether there are any to be
 * kept at all. Safe for use by many threads.
 */
public final class Versions implements Captures, AutoCloseable {

    /** The ring's share that the sealer leaves to writers, who hold up a client when there is no room. */
    private static final int WRITERS_SHARE = 4;

    /** Entries in the ring for each slot: runs of zeroes need no slot. */
    private static final int ENTRIES_PER_SLOT = 2;

    private static final int SLOT_COUNT_MIN = 8;
    private static final int ENTRY_COUNT_MIN = 1 << 14;

    /** Whoever waits for room looks again after so long; nobody tells him, because nobody should have to ask who waits. */
    private static final long ROOM_LOOK_NANOS = 100_000L;

    private final Clock clock;
    private final MemorySegment memory;
    private final CaptureRing ring;
    private volatile boolean kept;

    /**
     * An empty ring.
     *
     * @param ringBytes how much memory it takes, at most; at least eight chunks are taken
     */
    public Versions(Clock clock, int chunkBytes, long ringBytes) {
        this.clock = clock;
        int slotCount = (int) Math.min(CaptureRing.SLOT_COUNT_MAX, Math.max(SLOT_COUNT_MIN, ringBytes / chunkBytes));
        int entryCount = Math.min(CaptureRing.ENTRY_COUNT_MAX, Math.max(ENTRY_COUNT_MIN, slotCount * ENTRIES_PER_SLOT));
        try {
            this.memory = Posix.mmapAnonymous((long) slotCount * chunkBytes);
        } catch (PosixException e) {
            throw new IllegalStateException("no memory for captured versions: " + e.getMessage(), e);
        }
        this.ring = new CaptureRing(chunkBytes, memory, entryCount, Math.max(1, slotCount / WRITERS_SHARE));
    }

    /** What these versions cost in the journal. */
    JournalSpace journalSpace() {
        return JournalSpace.of(ring.chunkBytes(), ring.capacityBytes());
    }

    CaptureRing ring() {
        return ring;
    }

    @Override
    public boolean keepsVersions() {
        return kept;
    }

    /** Says whether versions are kept from the next capture on; only between two captures. */
    void keep(boolean value) {
        kept = value;
    }

    @Override
    public boolean capture(
            long firstChunk, long chunkCount, @Nullable MemorySegment from, long fromOffsetBytes, boolean bySealer) {
        return from == null
                ? ring.tryPut(firstChunk, MemorySegment.NULL, chunkCount, bySealer)
                : ring.tryPutData(firstChunk, from, fromOffsetBytes, bySealer);
    }

    @Override
    public long claim() {
        return ring.claim(true);
    }

    @Override
    public void fill(long claim, MemorySegment from, long fromOffsetBytes) {
        ring.fill(claim, from, fromOffsetBytes);
    }

    @Override
    public void publish(long claim, long chunk) {
        ring.publish(claim, chunk);
    }

    @Override
    public void abandon(long claim) {
        ring.abandon(claim);
    }

    @Override
    public void awaitRoom() {
        clock.park(this, clock.nanoTime() + ROOM_LOOK_NANOS);
    }

    /** Gives the ring's memory back; nobody may be using it. */
    @Override
    public void close() {
        try {
            Posix.munmap(memory);
        } catch (PosixException e) {
            throw new IllegalStateException(e);
        }
    }
}
