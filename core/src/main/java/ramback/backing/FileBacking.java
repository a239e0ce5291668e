package ramback.backing;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Objects;
import java.util.concurrent.locks.StampedLock;
import ramback.backing.BackingIoException.Operation;
import ramback.backing.BackingOpenException.Reason;
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
    private final OpenImage image;
    private final String uri;
    private final FileTransfer transfer;
    private final FileZeroing zeroing;

    /** Held shared by every call and exclusively by close: a descriptor's number must not be reused under a call. */
    private final StampedLock closeGate = new StampedLock();

    private volatile boolean closed;

    /** Whether the medium was found not to tell its holes. */
    private volatile boolean holeSearchMissing;

    private FileBacking(OpenImage image) {
        this.image = image;
        this.uri = image.path().toUri().toString();
        this.transfer = new FileTransfer(image, uri);
        this.zeroing = new FileZeroing(image, transfer);
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
     * @throws BackingOpenException with what the operator can do about it; no file is left then, unless another process
     *     has taken it in the meantime
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

    // ---------------------------------------------------------------------------------------------- transfer

    @Override
    public void read(long offsetBytes, MemorySegment into) throws IOException {
        if (into.isReadOnly()) {
            throw new IllegalArgumentException("the memory to read into is read-only");
        }
        checkMemory(offsetBytes, into);
        long stamp = enter();
        try {
            transfer.read(offsetBytes, into);
        } catch (PosixException e) {
            throw BackingIoException.of(Operation.READ, uri, offsetBytes, into.byteSize(), e);
        } finally {
            closeGate.unlockRead(stamp);
        }
    }

    @Override
    public void write(long offsetBytes, MemorySegment from) throws IOException {
        checkMemory(offsetBytes, from);
        long stamp = enterToChange();
        try {
            transfer.write(offsetBytes, from);
        } catch (PosixException e) {
            throw BackingIoException.of(Operation.WRITE, uri, offsetBytes, from.byteSize(), e);
        } finally {
            closeGate.unlockRead(stamp);
        }
    }

    @Override
    public void zero(long offsetBytes, long lengthBytes) throws IOException {
        checkRange(offsetBytes, lengthBytes);
        long stamp = enterToChange();
        try {
            if (lengthBytes > 0) {
                zeroing.zero(offsetBytes, lengthBytes);
            }
        } catch (PosixException e) {
            throw BackingIoException.of(Operation.ZERO, uri, offsetBytes, lengthBytes, e);
        } finally {
            closeGate.unlockRead(stamp);
        }
    }

    // ---------------------------------------------------------------------------------------------- barrier, holes

    @Override
    public void sync() throws IOException {
        long stamp = enter();
        try {
            if (!image.readOnly()) {
                transfer.sync();
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
            if (!FileZeroing.isUnsupported(e)) {
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
            transfer.close();
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
}
