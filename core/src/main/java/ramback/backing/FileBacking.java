package ramback.backing;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.StampedLock;
import ramback.backing.BackingIoException.Operation;
import ramback.backing.BackingOpenException.Reason;
import ramback.posix.Errno;
import ramback.posix.FileStatus;
import ramback.posix.Posix;
import ramback.posix.PosixException;

/**
 * A raw image in a file or on a block device, locked against every other user of this class. Transfers bypass the page
 * cache (O_DIRECT) where that works, so that they neither fill memory with a second copy nor wait for one to be written
 * back; {@link #access()} says whether they do.
 *
 * <pre>
 *   0                                                        directEnd            size
 *   | direct descriptor: whole sectors, straight or bounced     | buffered descriptor |
 * </pre>
 *
 * The buffered part is empty when the size is whole sectors, and everything where there is no O_DIRECT. No byte is ever
 * transferred both ways.
 */
public final class FileBacking implements Backing {
    private static final int ZEROES_BYTES = BouncePool.BUFFER_BYTES;

    private final OpenImage image;
    private final String uri;
    private final BouncePool bouncePool;

    /** Held shared by every call and exclusively by close: a descriptor's number must not be reused under a call. */
    private final StampedLock closeGate = new StampedLock();

    private volatile boolean closed;

    /**
     * Held shared by writes of whole sectors and exclusively while a sector is read, changed and written back, which would
     * undo what anybody else wrote into it meanwhile. Taken after a bounce buffer, never before. Never waited for in
     * practice: chunks are whole sectors.
     */
    private final StampedLock sectorLock = new StampedLock();

    /** Whether something was written through the page cache since the last sync. */
    private final AtomicBoolean bufferedDirty = new AtomicBoolean();

    /** What the medium was found not to have; asked once, then remembered. */
    private volatile boolean holesMissing;

    private volatile boolean zeroCommandMissing;
    private volatile boolean holeSearchMissing;

    private FileBacking(OpenImage image) {
        this.image = image;
        this.uri = image.path().toUri().toString();
        this.bouncePool = new BouncePool(Math.max(image.alignmentBytes(), image.memoryAlignmentBytes()));
        this.holeSearchMissing = image.blockDevice();
    }

    /**
     * Opens an image that is there; symbolic links are followed once, here.
     *
     * @param readOnly opens it without the right to change it; it is locked all the same
     * @throws BackingOpenException with what the operator can do about it
     */
    public static FileBacking open(Path path, boolean readOnly) throws BackingOpenException {
        return new FileBacking(OpenImage.open(path, readOnly));
    }

    /**
     * Creates a sparse image, readable and writable by its owner only, and opens it. It and its directory entry are durable.
     * A sparse file takes no room, so whether the filesystem can hold all of it is not checked.
     *
     * @param sizeBytes at least 1
     * @throws BackingOpenException with what the operator can do about it; no file is left then
     */
    public static FileBacking create(Path path, long sizeBytes) throws BackingOpenException {
        OpenImage.create(path, sizeBytes);
        try {
            return open(path, false);
        } catch (BackingOpenException e) {
            if (e.reason() != Reason.IN_USE) {
                OpenImage.removeQuietly(path);
            }
            throw e;
        }
    }

    // ---------------------------------------------------------------------------------------------- what it is

    @Override
    public String uri() {
        return uri;
    }

    /** Where it is, without symbolic links. */
    public Path path() {
        return image.path();
    }

    @Override
    public long sizeBytes() {
        return image.sizeBytes();
    }

    @Override
    public int alignmentBytes() {
        return Math.max(image.alignmentBytes(), image.memoryAlignmentBytes());
    }

    @Override
    public boolean readOnly() {
        return image.readOnly();
    }

    public boolean blockDevice() {
        return image.blockDevice();
    }

    /** Whether transfers bypass the page cache, but for an end that is not whole sectors. */
    public boolean directIo() {
        return image.directFd() != OpenImage.NO_FD;
    }

    /** How it is accessed, for status and trace: {@code direct, 512 byte sectors}, or {@code buffered:} and the reason. */
    public String access() {
        return image.access();
    }

    /** Identity, times and allocation as they are now. */
    public FileStatus status() throws IOException {
        long stamp = enter();
        try {
            return Posix.status(image.bufferedFd());
        } finally {
            closeGate.unlockRead(stamp);
        }
    }

    // ---------------------------------------------------------------------------------------------- read

    @Override
    public void read(long offsetBytes, MemorySegment into) throws IOException {
        if (into.isReadOnly()) {
            throw new IllegalArgumentException("the memory to read into is read-only");
        }
        checkMemory(offsetBytes, into);
        long stamp = enter();
        try {
            long directBytes = directPart(offsetBytes, into.byteSize());
            readDirect(offsetBytes, into.asSlice(0, directBytes));
            transferRead(image.bufferedFd(), offsetBytes + directBytes, into.asSlice(directBytes));
        } catch (PosixException e) {
            throw BackingIoException.of(Operation.READ, uri, offsetBytes, into.byteSize(), e);
        } finally {
            closeGate.unlockRead(stamp);
        }
    }

    private void readDirect(long offsetBytes, MemorySegment into) throws PosixException, BackingIoException {
        long done = 0;
        while (done < into.byteSize()) {
            long at = offsetBytes + done;
            long wholeBytes = wholeSectorBytes(at, into.byteSize() - done);
            if (wholeBytes > 0 && memoryIsAligned(into, done)) {
                transferRead(image.directFd(), at, into.asSlice(done, wholeBytes));
                done += wholeBytes;
            } else {
                done += readBounced(at, wholeBytes, into.asSlice(done));
            }
        }
    }

    /** Reads some of the memory through a buffer: whole sectors if there are any, else what it wants of the one at hand. */
    private long readBounced(long at, long wholeBytes, MemorySegment into) throws PosixException, BackingIoException {
        MemorySegment buffer = bouncePool.take();
        try {
            if (wholeBytes > 0) {
                long lengthBytes = Math.min(wholeBytes, BouncePool.BUFFER_BYTES);
                transferRead(image.directFd(), at, buffer.asSlice(0, lengthBytes));
                MemorySegment.copy(buffer, 0, into, 0, lengthBytes);
                return lengthBytes;
            }
            long withinBytes = at & (image.alignmentBytes() - 1);
            long lengthBytes = Math.min(into.byteSize(), image.alignmentBytes() - withinBytes);
            transferRead(image.directFd(), at - withinBytes, buffer.asSlice(0, image.alignmentBytes()));
            MemorySegment.copy(buffer, withinBytes, into, 0, lengthBytes);
            return lengthBytes;
        } finally {
            bouncePool.giveBack(buffer);
        }
    }

    private void transferRead(int fd, long offsetBytes, MemorySegment into) throws PosixException, BackingIoException {
        long done = 0;
        while (done < into.byteSize()) {
            long count = Posix.pread(fd, into, done, into.byteSize() - done, offsetBytes + done);
            done += count;
            // A direct read that ends within a sector has met the end of the file; going on would be EINVAL.
            if (count == 0 || (fd == image.directFd() && done % image.alignmentBytes() != 0)) {
                throw new BackingIoException(
                        Operation.READ,
                        uri,
                        offsetBytes,
                        into.byteSize(),
                        0,
                        "it ends at " + (offsetBytes + done) + " and had " + image.sizeBytes()
                                + " bytes when it was opened; restore its size",
                        null);
            }
        }
    }

    // ---------------------------------------------------------------------------------------------- write

    @Override
    public void write(long offsetBytes, MemorySegment from) throws IOException {
        checkMemory(offsetBytes, from);
        long stamp = enterToChange();
        try {
            writeRange(offsetBytes, from);
        } catch (PosixException e) {
            throw BackingIoException.of(Operation.WRITE, uri, offsetBytes, from.byteSize(), e);
        } finally {
            closeGate.unlockRead(stamp);
        }
    }

    private void writeRange(long offsetBytes, MemorySegment from) throws PosixException, BackingIoException {
        long directBytes = directPart(offsetBytes, from.byteSize());
        writeDirect(offsetBytes, from.asSlice(0, directBytes));
        if (directBytes < from.byteSize()) {
            try {
                transferWrite(image.bufferedFd(), offsetBytes + directBytes, from.asSlice(directBytes));
            } finally {
                // Afterwards, or a sync in between would take the mark and leave the bytes.
                bufferedDirty.set(true);
            }
        }
    }

    private void writeDirect(long offsetBytes, MemorySegment from) throws PosixException, BackingIoException {
        long done = 0;
        while (done < from.byteSize()) {
            long at = offsetBytes + done;
            long wholeBytes = wholeSectorBytes(at, from.byteSize() - done);
            if (wholeBytes == 0) {
                done += changeSector(at, from.asSlice(done));
            } else if (memoryIsAligned(from, done)) {
                writeSectors(at, from.asSlice(done, wholeBytes));
                done += wholeBytes;
            } else {
                done += writeBounced(at, wholeBytes, from.asSlice(done));
            }
        }
    }

    private void writeSectors(long at, MemorySegment from) throws PosixException, BackingIoException {
        long stamp = sectorLock.readLock();
        try {
            transferWrite(image.directFd(), at, from);
        } finally {
            sectorLock.unlockRead(stamp);
        }
    }

    private long writeBounced(long at, long wholeBytes, MemorySegment from) throws PosixException, BackingIoException {
        MemorySegment buffer = bouncePool.take();
        try {
            long lengthBytes = Math.min(wholeBytes, BouncePool.BUFFER_BYTES);
            MemorySegment.copy(from, 0, buffer, 0, lengthBytes);
            writeSectors(at, buffer.asSlice(0, lengthBytes));
            return lengthBytes;
        } finally {
            bouncePool.giveBack(buffer);
        }
    }

    /** Changes part of one sector; the rest of it stays as it is, whoever else writes there. */
    private long changeSector(long at, MemorySegment from) throws PosixException, BackingIoException {
        long withinBytes = at & (image.alignmentBytes() - 1);
        long lengthBytes = Math.min(from.byteSize(), image.alignmentBytes() - withinBytes);
        MemorySegment buffer = bouncePool.take();
        try {
            MemorySegment sector = buffer.asSlice(0, image.alignmentBytes());
            long stamp = sectorLock.writeLock();
            try {
                transferRead(image.directFd(), at - withinBytes, sector);
                MemorySegment.copy(from, 0, sector, withinBytes, lengthBytes);
                transferWrite(image.directFd(), at - withinBytes, sector);
            } finally {
                sectorLock.unlockWrite(stamp);
            }
        } finally {
            bouncePool.giveBack(buffer);
        }
        return lengthBytes;
    }

    private void transferWrite(int fd, long offsetBytes, MemorySegment from) throws PosixException, BackingIoException {
        long done = 0;
        while (done < from.byteSize()) {
            long count = Posix.pwrite(fd, from, done, from.byteSize() - done, offsetBytes + done);
            if (count == 0) {
                throw new BackingIoException(
                        Operation.WRITE, uri, offsetBytes, from.byteSize(), 0, "it took none of it", null);
            }
            done += count;
        }
    }

    // ---------------------------------------------------------------------------------------------- zero

    @Override
    public void zero(long offsetBytes, long lengthBytes) throws IOException {
        checkRange(offsetBytes, lengthBytes);
        long stamp = enterToChange();
        try {
            if (lengthBytes > 0 && image.blockDevice()) {
                zeroOnDevice(offsetBytes, lengthBytes);
            } else if (lengthBytes > 0) {
                zeroInFile(offsetBytes, lengthBytes);
            }
        } catch (PosixException e) {
            throw BackingIoException.of(Operation.ZERO, uri, offsetBytes, lengthBytes, e);
        } finally {
            closeGate.unlockRead(stamp);
        }
    }

    /** A filesystem zeroes the ends of a hole itself where they are not whole blocks. */
    private void zeroInFile(long offsetBytes, long lengthBytes) throws PosixException, BackingIoException {
        if (!punch(offsetBytes, lengthBytes)) {
            writeZeroes(offsetBytes, lengthBytes);
        }
    }

    private void zeroOnDevice(long offsetBytes, long lengthBytes) throws PosixException, BackingIoException {
        long sectorMask = image.alignmentBytes() - 1L;
        long wholeFrom = Math.min((offsetBytes + sectorMask) & ~sectorMask, offsetBytes + lengthBytes);
        long wholeTo = Math.max((offsetBytes + lengthBytes) & ~sectorMask, wholeFrom);
        writeZeroes(offsetBytes, wholeFrom - offsetBytes);
        if (wholeTo > wholeFrom
                && !punch(wholeFrom, wholeTo - wholeFrom)
                && !commandZeroes(wholeFrom, wholeTo - wholeFrom)) {
            writeZeroes(wholeFrom, wholeTo - wholeFrom);
        }
        writeZeroes(wholeTo, offsetBytes + lengthBytes - wholeTo);
    }

    /** Makes a hole; false where the medium has none. */
    private boolean punch(long offsetBytes, long lengthBytes) throws PosixException {
        if (holesMissing) {
            return false;
        }
        long stamp = sectorLock.readLock();
        try {
            Posix.fallocate(
                    image.bufferedFd(),
                    Posix.FALLOC_FL_PUNCH_HOLE | Posix.FALLOC_FL_KEEP_SIZE,
                    offsetBytes,
                    lengthBytes);
            bufferedDirty.set(true);
            return true;
        } catch (PosixException e) {
            if (!isUnsupported(e)) {
                throw e;
            }
            holesMissing = true;
            return false;
        } finally {
            sectorLock.unlockRead(stamp);
        }
    }

    /** Has the kernel zero sectors of a block device; false where it does not do that. */
    private boolean commandZeroes(long offsetBytes, long lengthBytes) throws PosixException {
        if (zeroCommandMissing) {
            return false;
        }
        long stamp = sectorLock.readLock();
        try {
            Posix.blockDeviceZero(image.bufferedFd(), offsetBytes, lengthBytes);
            bufferedDirty.set(true);
            return true;
        } catch (PosixException e) {
            if (!isUnsupported(e)) {
                throw e;
            }
            zeroCommandMissing = true;
            return false;
        } finally {
            sectorLock.unlockRead(stamp);
        }
    }

    /** EINVAL: a device whose sectors are larger than those it tells, or none at all of what was asked. */
    private static boolean isUnsupported(PosixException e) {
        return switch (e.errno()) {
            case Errno.EOPNOTSUPP, Errno.ENOSYS, Errno.ENOTTY, Errno.EINVAL, Errno.ENODEV -> true;
            default -> false;
        };
    }

    private void writeZeroes(long offsetBytes, long lengthBytes) throws PosixException, BackingIoException {
        for (long done = 0; done < lengthBytes; ) {
            long at = offsetBytes + done;
            long untilSector = image.alignmentBytes() - (at & (image.alignmentBytes() - 1));
            // A first piece up to the next sector keeps the others, and the memory they come from, aligned.
            long pieceBytes = untilSector < image.alignmentBytes() ? untilSector : ZEROES_BYTES;
            pieceBytes = Math.min(pieceBytes, lengthBytes - done);
            writeRange(at, Zeroes.MEMORY.asSlice(0, pieceBytes));
            done += pieceBytes;
        }
    }

    // ---------------------------------------------------------------------------------------------- barrier, holes

    @Override
    public void sync() throws IOException {
        long stamp = enter();
        try {
            if (image.readOnly()) {
                return;
            }
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
        } catch (PosixException e) {
            throw BackingIoException.of(Operation.SYNC, uri, 0, 0, e);
        } finally {
            closeGate.unlockRead(stamp);
        }
    }

    @Override
    public long nextDataOffset(long fromBytes) throws IOException {
        return nextOffset(fromBytes, true);
    }

    @Override
    public long nextHoleOffset(long fromBytes) throws IOException {
        return nextOffset(fromBytes, false);
    }

    private long nextOffset(long fromBytes, boolean data) throws IOException {
        checkRange(fromBytes, 0);
        long stamp = enter();
        try {
            if (!holeSearchMissing && fromBytes < image.sizeBytes()) {
                long found = data
                        ? Posix.seekData(image.bufferedFd(), fromBytes)
                        : Posix.seekHole(image.bufferedFd(), fromBytes);
                return found == Posix.NONE ? image.sizeBytes() : Math.min(found, image.sizeBytes());
            }
        } catch (PosixException e) {
            if (!isUnsupported(e)) {
                throw BackingIoException.of(Operation.SEEK, uri, fromBytes, image.sizeBytes() - fromBytes, e);
            }
            holeSearchMissing = true;
        } finally {
            closeGate.unlockRead(stamp);
        }
        return data ? fromBytes : image.sizeBytes();
    }

    // ---------------------------------------------------------------------------------------------- end, checks

    @Override
    public void close() throws IOException {
        long stamp = closeGate.writeLock();
        try {
            if (closed) {
                return;
            }
            closed = true;
            bouncePool.close();
            try {
                if (image.directFd() != OpenImage.NO_FD) {
                    Posix.close(image.directFd());
                }
            } finally {
                Posix.close(image.bufferedFd());
            }
        } finally {
            closeGate.unlockWrite(stamp);
        }
    }

    private long enter() {
        long stamp = closeGate.readLock();
        if (closed) {
            closeGate.unlockRead(stamp);
            throw new IllegalStateException(uri + " is closed");
        }
        return stamp;
    }

    private long enterToChange() {
        if (image.readOnly()) {
            throw new IllegalStateException(uri + " is open for reading only");
        }
        return enter();
    }

    private void checkRange(long offsetBytes, long lengthBytes) {
        Objects.checkFromIndexSize(offsetBytes, lengthBytes, image.sizeBytes());
    }

    private void checkMemory(long offsetBytes, MemorySegment memory) {
        if (!memory.isNative()) {
            throw new IllegalArgumentException("the memory to transfer is on the heap");
        }
        checkRange(offsetBytes, memory.byteSize());
    }

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

    /** Zeroes to write from, made when a medium is first met that cannot zero by itself. */
    private static final class Zeroes {
        static final MemorySegment MEMORY = Arena.global()
                .allocate(ZEROES_BYTES, OpenImage.BUFFERED_END_UNIT_BYTES)
                .asReadOnly();
    }
}
