package ramback.nbd;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import ramback.device.Device;
import ramback.device.DeviceSession;
import ramback.device.Extent;
import ramback.device.Outcome;

/** A device, and its only session, that copies bytes from and to memory and does nothing else: what is left is the protocol. */
final class CopyingDevice implements Device, DeviceSession {

    private static final int CHUNK_BYTES = 4096;
    private static final int STAGING_BYTES = 128 << 10;
    private static final int DEFERRED_COUNT_MAX = 256;
    private static final long SIZE_BYTES = 1 << 20;

    private final MemorySegment staging;
    private final MemorySegment memory;
    private long writeOffsetBytes;

    CopyingDevice(Arena arena) {
        staging = arena.allocate(STAGING_BYTES, CHUNK_BYTES);
        memory = arena.allocate(SIZE_BYTES, CHUNK_BYTES);
    }

    // ----------------------------------------------------------------------------------------------------- device

    @Override
    public String name() {
        return "copying";
    }

    @Override
    public long sizeBytes() {
        return SIZE_BYTES;
    }

    @Override
    public int chunkBytes() {
        return CHUNK_BYTES;
    }

    @Override
    public boolean readOnly() {
        return false;
    }

    @Override
    public int sessionCountMax() {
        return 1;
    }

    @Override
    public DeviceSession openSession() {
        return this;
    }

    // ---------------------------------------------------------------------------------------------------- session

    @Override
    public MemorySegment staging() {
        return staging;
    }

    @Override
    public int deferredCountMax() {
        return DEFERRED_COUNT_MAX;
    }

    @Override
    public Outcome prepareRead(long offsetBytes, long lengthBytes, long token) {
        return Outcome.DONE;
    }

    @Override
    public Outcome beginWrite(long offsetBytes, int lengthBytes, boolean forceUnitAccess, long token) {
        writeOffsetBytes = offsetBytes;
        return Outcome.DONE;
    }

    @Override
    public int store(int stagingOffsetBytes, int availableBytes) {
        MemorySegment.copy(staging, stagingOffsetBytes, memory, writeOffsetBytes, availableBytes);
        writeOffsetBytes += availableBytes;
        return availableBytes;
    }

    @Override
    public Outcome endWrite() {
        return Outcome.DONE;
    }

    @Override
    public Outcome zero(long offsetBytes, long lengthBytes, boolean mayPunch, boolean forceUnitAccess, long token) {
        return Outcome.DONE;
    }

    @Override
    public Outcome trim(long offsetBytes, long lengthBytes, boolean forceUnitAccess, long token) {
        return Outcome.DONE;
    }

    @Override
    public Outcome flush(long token) {
        return Outcome.DONE;
    }

    @Override
    public void copy(long offsetBytes, int lengthBytes, MemorySegment into, long intoOffsetBytes) {
        MemorySegment.copy(memory, offsetBytes, into, intoOffsetBytes, lengthBytes);
    }

    @Override
    public MemorySegment memory() {
        return memory;
    }

    @Override
    public boolean memoryIsDirect(long offsetBytes, long lengthBytes) {
        return true;
    }

    @Override
    public long extent(long offsetBytes, long limitBytes, int interest) {
        return Extent.of(limitBytes, 0);
    }

    @Override
    public long awaitDeferred() {
        return CLOSED;
    }

    @Override
    public Outcome deferredOutcome() {
        throw new IllegalStateException("nothing is ever deferred");
    }

    @Override
    public void close() {
        // There is nothing to give back.
    }

    @Override
    public void release() {
        // There is nothing to give back.
    }
}
