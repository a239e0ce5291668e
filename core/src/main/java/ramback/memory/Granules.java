package ramback.memory;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.util.concurrent.locks.ReentrantLock;
import ramback.posix.Errno;
import ramback.posix.Posix;
import ramback.posix.PosixException;

/**
 * The memory of a sparse device, taken from tmpfs in granules of {@link SegmentLayout#GRANULE_BYTES} before they are
 * first touched. Touching an unallocated page of a full tmpfs would be a SIGBUS; here it is a refusal in good time.
 * Safe for use by many threads.
 */
public final class Granules {

    /** What is left to the rest of the machine: no granule is taken when less than this would remain available. */
    private static final long AVAILABLE_BYTES_MIN = 64L << 20;

    private static final VarHandle LONG = ValueLayout.JAVA_LONG.varHandle();
    private static final int SHIFT = Integer.numberOfTrailingZeros(SegmentLayout.GRANULE_BYTES);

    private final int fd;
    private final long dataOffset;
    private final long dataBytes;
    private final MemorySegment bits;
    private final ReentrantLock taking = new ReentrantLock();

    Granules(int fd, SegmentLayout layout, MemorySegment bits) {
        this.fd = fd;
        this.dataOffset = layout.dataOffset();
        this.dataBytes = layout.dataBytes();
        this.bits = bits;
    }

    /** Returns whether all memory of a range of the data is there. The answer holds while a chunk of it is locked. */
    public boolean holds(long offsetBytes, long lengthBytes) {
        long last = (offsetBytes + lengthBytes - 1) >>> SHIFT;
        for (long granule = offsetBytes >>> SHIFT; granule <= last; granule++) {
            // Acquire: pairs with the release after fallocate, so whoever sees the bit may touch the memory.
            if (((long) LONG.getAcquire(bits, granule >>> 6 << 3) >>> granule & 1) == 0) {
                return false;
            }
        }
        return true;
    }

    /** Returns whether some memory of a range of the data is there. */
    public boolean holdsSome(long offsetBytes, long lengthBytes) {
        long last = (offsetBytes + lengthBytes - 1) >>> SHIFT;
        for (long granule = offsetBytes >>> SHIFT; granule <= last; granule++) {
            if (((long) LONG.getAcquire(bits, granule >>> 6 << 3) >>> granule & 1) != 0) {
                return true;
            }
        }
        return false;
    }

    /**
     * Gives back what is there and of which no bit says so: a process was killed between the two. Before anybody uses the memory.
     */
    public void punchUntaken() throws PosixException {
        long count = (dataBytes + SegmentLayout.GRANULE_BYTES - 1) >>> SHIFT;
        long granule = 0;
        while (granule < count) {
            long first = granule;
            while (granule < count && !holds(granule << SHIFT, 1)) {
                granule++;
            }
            if (granule > first) {
                long begin = first << SHIFT;
                Posix.fallocate(
                        fd,
                        Posix.FALLOC_FL_PUNCH_HOLE | Posix.FALLOC_FL_KEEP_SIZE,
                        dataOffset + begin,
                        Math.min(granule << SHIFT, dataBytes) - begin);
            }
            granule++;
        }
    }

    /**
     * Takes the memory of a range of the data. May take milliseconds, so nothing may be locked.
     *
     * @return false when there is none left (tmpfs is full, or the machine's memory is)
     */
    public boolean take(long offsetBytes, long lengthBytes) {
        long last = (offsetBytes + lengthBytes - 1) >>> SHIFT;
        taking.lock();
        try {
            for (long granule = offsetBytes >>> SHIFT; granule <= last; granule++) {
                long begin = granule << SHIFT;
                if (holds(begin, 1)) {
                    continue;
                }
                if (SystemMemory.availableBytes() < AVAILABLE_BYTES_MIN) {
                    return false;
                }
                long length = Math.min(SegmentLayout.GRANULE_BYTES, dataBytes - begin);
                Posix.fallocate(fd, Posix.FALLOC_ALLOCATE, dataOffset + begin, length);
                LONG.getAndBitwiseOrRelease(bits, granule >>> 6 << 3, 1L << granule);
            }
            return true;
        } catch (PosixException e) {
            if (e.errno() == Errno.ENOSPC || e.errno() == Errno.ENOMEM) {
                return false;
            }
            throw new IllegalStateException("could not take memory", e);
        } catch (IOException e) {
            throw new IllegalStateException("could not take memory", e);
        } finally {
            taking.unlock();
        }
    }

    /** Keeps everybody from taking memory; before chunks are locked for {@link #giveBack}. */
    public void lockTaking() {
        taking.lock();
    }

    /** The end of {@link #lockTaking}. */
    public void unlockTaking() {
        taking.unlock();
    }

    /**
     * Gives a granule's memory back. Every chunk of it must be locked by the caller, read as zeroes, and no reader may
     * be in it; the bit goes down first, so that a writer who looks again under its lock takes the granule anew.
     * Nobody may take it in between, or the bit would be up and the memory gone: between {@link #lockTaking} and
     * {@link #unlockTaking}.
     */
    public void giveBack(long granule) throws PosixException {
        if (!taking.isHeldByCurrentThread()) {
            throw new IllegalStateException("memory is given back while somebody may be taking it");
        }
        long begin = granule << SHIFT;
        LONG.getAndBitwiseAnd(bits, granule >>> 6 << 3, ~(1L << granule));
        Posix.fallocate(
                fd,
                Posix.FALLOC_FL_PUNCH_HOLE | Posix.FALLOC_FL_KEEP_SIZE,
                dataOffset + begin,
                Math.min(SegmentLayout.GRANULE_BYTES, dataBytes - begin));
    }
}
