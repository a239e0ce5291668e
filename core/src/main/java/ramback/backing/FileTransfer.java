package ramback.backing;

import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.StampedLock;
import ramback.backing.BackingIoException.Operation;
import ramback.posix.Posix;
import ramback.posix.PosixException;

/**
 * Carries bytes between memory and an open image: straight where range and memory are aligned, through a bounce buffer where
 * they are not, through the page cache behind the last whole unit. For many threads; the caller has checked the range.
 */
final class FileTransfer implements AutoCloseable {
    private final OpenImage image;
    private final String uri;
    private final BouncePool bouncePool;

    /**
     * Held shared by whoever changes whole sectors and exclusively while a sector is read, changed and written back, which
     * would undo what anybody else wrote into it meanwhile. Taken after a bounce buffer, never before. Nobody waits for it
     * as long as chunks are whole sectors.
     */
    private final StampedLock sectorLock = new StampedLock();

    /**
     * Whether something was changed through the buffered descriptor since it was last synced; true at first, for what a
     * process that was killed may have left in the page cache.
     */
    private final AtomicBoolean bufferedDirty = new AtomicBoolean(true);

    FileTransfer(OpenImage image, String uri) {
        this.image = image;
        this.uri = uri;
        this.bouncePool = new BouncePool(Math.max(image.alignmentBytes(), image.memoryAlignmentBytes()));
    }

    /** A change of whole sectors by other means than a write. */
    interface Change {
        void run() throws PosixException;
    }

    /** Makes a change through the buffered descriptor that must not meet a sector being changed in part. */
    void changeSectors(Change change) throws PosixException {
        long stamp = sectorLock.readLock();
        try {
            change.run();
        } finally {
            sectorLock.unlockRead(stamp);
            bufferedDirty.set(true);
        }
    }

    /** Makes everything durable that was changed before. */
    void sync() throws PosixException {
        if (bufferedDirty.getAndSet(false)) {
            boolean synced = false;
            try {
                Posix.fdatasync(image.bufferedFd());
                synced = true;
            } finally {
                if (!synced) {
                    bufferedDirty.set(true);
                }
            }
        }
        if (image.directFd() != OpenImage.NO_FD) {
            Posix.fdatasync(image.directFd());
        }
    }

    /** Frees the buffers; no transfer may be under way. */
    @Override
    public void close() {
        bouncePool.close();
    }

    // ---------------------------------------------------------------------------------------------- read

    // Places within the caller's memory are handed down as numbers and not as slices, which the compiler does not
    // always do without: a disk takes some thousands of writes a second, and each would leave several.

    /** Fills a segment. */
    void read(long offsetBytes, MemorySegment into) throws PosixException, BackingIoException {
        long directBytes = directPart(offsetBytes, into.byteSize());
        readDirect(offsetBytes, into, directBytes);
        transferRead(image.bufferedFd(), offsetBytes + directBytes, into, directBytes, into.byteSize() - directBytes);
    }

    private void readDirect(long offsetBytes, MemorySegment into, long lengthBytes)
            throws PosixException, BackingIoException {
        long done = 0;
        while (done < lengthBytes) {
            long at = offsetBytes + done;
            long wholeBytes = wholeSectorBytes(at, lengthBytes - done);
            if (wholeBytes > 0 && memoryIsAligned(into, done)) {
                transferRead(image.directFd(), at, into, done, wholeBytes);
                done += wholeBytes;
            } else {
                done += readBounced(at, wholeBytes, into, done, lengthBytes - done);
            }
        }
    }

    /** Reads some of the memory through a buffer: whole sectors if there are any, else what it wants of the one at hand. */
    private long readBounced(long at, long wholeBytes, MemorySegment into, long begin, long wantedBytes)
            throws PosixException, BackingIoException {
        MemorySegment buffer = bouncePool.take();
        try {
            if (wholeBytes > 0) {
                long lengthBytes = Math.min(wholeBytes, BouncePool.BUFFER_BYTES);
                transferRead(image.directFd(), at, buffer, 0, lengthBytes);
                MemorySegment.copy(buffer, 0, into, begin, lengthBytes);
                return lengthBytes;
            }
            long withinBytes = at & (image.alignmentBytes() - 1);
            long lengthBytes = Math.min(wantedBytes, image.alignmentBytes() - withinBytes);
            transferRead(image.directFd(), at - withinBytes, buffer, 0, image.alignmentBytes());
            MemorySegment.copy(buffer, withinBytes, into, begin, lengthBytes);
            return lengthBytes;
        } finally {
            bouncePool.giveBack(buffer);
        }
    }

    private void transferRead(int fd, long offsetBytes, MemorySegment into, long begin, long lengthBytes)
            throws PosixException, BackingIoException {
        long done = 0;
        while (done < lengthBytes) {
            long count = Posix.pread(fd, into, begin + done, lengthBytes - done, offsetBytes + done);
            done += count;
            // A direct read that ends within a sector has met the end of the file; going on would be EINVAL.
            if (count == 0 || (fd == image.directFd() && done % image.alignmentBytes() != 0)) {
                throw new BackingIoException(
                        Operation.READ,
                        uri,
                        offsetBytes,
                        lengthBytes,
                        0,
                        "it ends at " + (offsetBytes + done) + " and had " + image.sizeBytes()
                                + " bytes when it was opened; restore its size",
                        null);
            }
        }
    }

    // ---------------------------------------------------------------------------------------------- write

    /** Writes a whole segment. */
    void write(long offsetBytes, MemorySegment from) throws PosixException, BackingIoException {
        long directBytes = directPart(offsetBytes, from.byteSize());
        writeDirect(offsetBytes, from, directBytes);
        if (directBytes < from.byteSize()) {
            try {
                transferWrite(
                        image.bufferedFd(),
                        offsetBytes + directBytes,
                        from,
                        directBytes,
                        from.byteSize() - directBytes);
            } finally {
                // Afterwards, or a sync in between would take the mark and leave the bytes.
                bufferedDirty.set(true);
            }
        }
    }

    private void writeDirect(long offsetBytes, MemorySegment from, long lengthBytes)
            throws PosixException, BackingIoException {
        long done = 0;
        while (done < lengthBytes) {
            long at = offsetBytes + done;
            long wholeBytes = wholeSectorBytes(at, lengthBytes - done);
            if (wholeBytes == 0) {
                done += changeSector(at, from, done, lengthBytes - done);
            } else if (memoryIsAligned(from, done)) {
                writeSectors(at, from, done, wholeBytes);
                done += wholeBytes;
            } else {
                done += writeBounced(at, from, done, wholeBytes);
            }
        }
    }

    private void writeSectors(long at, MemorySegment from, long begin, long lengthBytes)
            throws PosixException, BackingIoException {
        long stamp = sectorLock.readLock();
        try {
            transferWrite(image.directFd(), at, from, begin, lengthBytes);
        } finally {
            sectorLock.unlockRead(stamp);
        }
    }

    private long writeBounced(long at, MemorySegment from, long begin, long wholeBytes)
            throws PosixException, BackingIoException {
        MemorySegment buffer = bouncePool.take();
        try {
            long lengthBytes = Math.min(wholeBytes, BouncePool.BUFFER_BYTES);
            MemorySegment.copy(from, begin, buffer, 0, lengthBytes);
            writeSectors(at, buffer, 0, lengthBytes);
            return lengthBytes;
        } finally {
            bouncePool.giveBack(buffer);
        }
    }

    /** Changes part of one sector; the rest of it stays as it is, whoever else writes there. */
    private long changeSector(long at, MemorySegment from, long begin, long leftBytes)
            throws PosixException, BackingIoException {
        long withinBytes = at & (image.alignmentBytes() - 1);
        long lengthBytes = Math.min(leftBytes, image.alignmentBytes() - withinBytes);
        MemorySegment sector = bouncePool.take();
        try {
            long stamp = sectorLock.writeLock();
            try {
                transferRead(image.directFd(), at - withinBytes, sector, 0, image.alignmentBytes());
                MemorySegment.copy(from, begin, sector, withinBytes, lengthBytes);
                transferWrite(image.directFd(), at - withinBytes, sector, 0, image.alignmentBytes());
            } finally {
                sectorLock.unlockWrite(stamp);
            }
        } finally {
            bouncePool.giveBack(sector);
        }
        return lengthBytes;
    }

    private void transferWrite(int fd, long offsetBytes, MemorySegment from, long begin, long lengthBytes)
            throws PosixException, BackingIoException {
        long done = 0;
        while (done < lengthBytes) {
            long count = Posix.pwrite(fd, from, begin + done, lengthBytes - done, offsetBytes + done);
            if (count == 0) {
                throw new BackingIoException(
                        Operation.WRITE, uri, offsetBytes, lengthBytes, 0, "it took none of it", null);
            }
            done += count;
        }
    }

    // ---------------------------------------------------------------------------------------------- alignment

    /** How much of a range lies in the direct part. */
    private long directPart(long offsetBytes, long lengthBytes) {
        return Math.clamp(image.directEndBytes() - offsetBytes, 0L, lengthBytes);
    }

    /** How many bytes of a range that begins here are whole sectors, beginning here; 0 when it begins within one. */
    private long wholeSectorBytes(long at, long lengthBytes) {
        long mask = image.alignmentBytes() - 1L;
        return (at & mask) == 0 ? lengthBytes & ~mask : 0;
    }

    private boolean memoryIsAligned(MemorySegment memory, long offsetBytes) {
        return ((memory.address() + offsetBytes) & (image.memoryAlignmentBytes() - 1L)) == 0;
    }
}
