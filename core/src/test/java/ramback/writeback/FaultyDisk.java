package ramback.writeback;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import ramback.backing.Backing;
import ramback.backing.BackingIoException;
import ramback.backing.BackingIoException.Operation;
import ramback.backing.MemoryBacking;
import ramback.posix.Errno;

/** A disk in memory that shares its faults with others: one call of them all fails, or that and all that follow it. */
final class FaultyDisk implements Backing {

    /** Which call fails; also the lock under which the calls of all disks take effect, so that they can be looked at together. */
    static final class Fault {
        private final long first;
        private final boolean isForGood;
        private final boolean isTorn;
        private long callCount;
        private boolean isArmed;
        private boolean isCured;
        private volatile boolean hasStruck;

        /**
         * A fault that strikes when it is armed.
         *
         * @param first the number of the call that fails, from 1 on
         * @param isForGood whether all calls behind it fail too, until it is cured
         * @param isTorn whether a write that fails has written the first half
         */
        Fault(long first, boolean isForGood, boolean isTorn) {
            this.first = first;
            this.isForGood = isForGood;
            this.isTorn = isTorn;
        }

        @Override
        public String toString() {
            return first + (isForGood ? " and all behind it" : "") + (isTorn ? ", torn," : "");
        }

        /** Counts calls from now on. */
        synchronized void arm() {
            isArmed = true;
        }

        synchronized void cure() {
            isCured = true;
        }

        synchronized boolean isActive() {
            return hasStruck && isForGood && !isCured;
        }

        boolean hasStruck() {
            return hasStruck;
        }

        synchronized long callCount() {
            return callCount;
        }

        /** Whether the call that is about to take effect fails; under this lock. */
        private synchronized boolean strikes() {
            if (!isArmed) {
                return false;
            }
            callCount++;
            boolean strikes = !isCured && (callCount == first || (isForGood && callCount > first));
            hasStruck |= strikes;
            return strikes;
        }

        /** Fails if it is the turn of something that is not a disk, and counts as one call. */
        void strikeRecord() throws IOException {
            if (strikes()) {
                throw new IOException("no space for the record");
            }
        }
    }

    private final MemoryBacking memory;
    private final Fault fault;

    FaultyDisk(MemoryBacking memory, Fault fault) {
        this.memory = memory;
        this.fault = fault;
    }

    private static IOException failure(Operation operation, long offsetBytes, long lengthBytes) {
        return new BackingIoException(operation, "faulty:", offsetBytes, lengthBytes, Errno.EIO, "injected", null);
    }

    @Override
    public void read(long offsetBytes, MemorySegment into) throws IOException {
        synchronized (fault) {
            if (fault.strikes()) {
                into.fill((byte) 0xEE);
                throw failure(Operation.READ, offsetBytes, into.byteSize());
            }
            memory.read(offsetBytes, into);
        }
    }

    @Override
    public void write(long offsetBytes, MemorySegment from) throws IOException {
        synchronized (fault) {
            if (fault.strikes()) {
                if (fault.isTorn) {
                    memory.write(offsetBytes, from.asSlice(0, from.byteSize() / 2));
                }
                throw failure(Operation.WRITE, offsetBytes, from.byteSize());
            }
            memory.write(offsetBytes, from);
        }
    }

    @Override
    public void zero(long offsetBytes, long lengthBytes) throws IOException {
        synchronized (fault) {
            if (fault.strikes()) {
                throw failure(Operation.ZERO, offsetBytes, lengthBytes);
            }
            memory.zero(offsetBytes, lengthBytes);
        }
    }

    /** A system that failed to write forgets what it was, and the next sync says that all is well. */
    @Override
    public void sync() throws IOException {
        synchronized (fault) {
            if (fault.strikes()) {
                memory.dropUnsynced();
                throw failure(Operation.SYNC, 0, 0);
            }
            memory.sync();
        }
    }

    @Override
    public long nextDataOffset(long fromBytes) throws IOException {
        synchronized (fault) {
            if (fault.strikes()) {
                throw failure(Operation.SEEK, fromBytes, 0);
            }
            return memory.nextDataOffset(fromBytes);
        }
    }

    @Override
    public long nextHoleOffset(long fromBytes) throws IOException {
        synchronized (fault) {
            if (fault.strikes()) {
                throw failure(Operation.SEEK, fromBytes, 0);
            }
            return memory.nextHoleOffset(fromBytes);
        }
    }

    @Override
    public String uri() {
        return memory.uri();
    }

    @Override
    public long sizeBytes() {
        return memory.sizeBytes();
    }

    @Override
    public int alignmentBytes() {
        return memory.alignmentBytes();
    }

    @Override
    public boolean readOnly() {
        return memory.readOnly();
    }

    @Override
    public void close() {
        // The test looks at what is in it.
    }
}
