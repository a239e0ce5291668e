package ramback.backing;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.StampedLock;
import org.jspecify.annotations.Nullable;
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
    private final OpenImage image;
    private final String uri;
    private final FileTransfer transfer;
    private final FileZeroing zeroing;

    /** Held shared by every call and exclusively by close: a descriptor's number must not be reused under a call. */
    private final StampedLock closeGate = new StampedLock();

    private volatile boolean closed;

    /** See {@link #intactBytes}. */
    private final AtomicLong intactBytes;

    private final AtomicLong cutCount = new AtomicLong();

    /** Where it ended when it was last looked at; its size at most. */
    private final AtomicLong lastEndBytes;

    /** Whether the medium was found not to tell its holes. */
    private volatile boolean holeSearchMissing;

    private FileBacking(OpenImage image) {
        this.image = image;
        this.uri = image.path().toUri().toString();
        this.transfer = new FileTransfer(image, uri);
        this.zeroing = new FileZeroing(image, transfer);
        this.holeSearchMissing = image.blockDevice();
        this.intactBytes = new AtomicLong(image.sizeBytes());
        this.lastEndBytes = new AtomicLong(image.sizeBytes());
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
            readWhole(offsetBytes, into);
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
            // What is behind the end of a file would make it grow, with a hole where something was.
            checkSize(Operation.WRITE, offsetBytes, from.byteSize());
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
                checkSize(Operation.ZERO, offsetBytes, lengthBytes);
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
                // What was written before it was cut may have gone with the rest.
                checkSize(Operation.SYNC, 0, 0);
            }
        } catch (PosixException e) {
            throw BackingIoException.of(Operation.SYNC, uri, 0, 0, e);
        } finally {
            closeGate.unlockRead(stamp);
        }
    }

    /**
     * Makes the times of the last change durable as well, which {@link #sync} need not do: a power failure would bring older ones
     * back.
     */
    public void syncTimes() throws IOException {
        long stamp = enter();
        try {
            Posix.fsync(image.bufferedFd());
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
                long offset = found == Posix.NONE ? image.sizeBytes() : Math.min(found, image.sizeBytes());
                return notInWhatWasCut(fromBytes, offset, data);
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

    /** What was cut off is no hole: it has to be read, which fails. */
    private long notInWhatWasCut(long fromBytes, long found, boolean data) throws PosixException {
        long _ = endBytes();
        long intact = intactBytes.get();
        if (found < intact || intact == image.sizeBytes()) {
            return found;
        }
        return data ? Math.max(fromBytes, intact) : image.sizeBytes();
    }

    // ---------------------------------------------------------------------------------------------- damage

    @Override
    public long intactBytes() {
        return intactBytes.get();
    }

    @Override
    public long cutCount() {
        return cutCount.get();
    }

    @Override
    public @Nullable Damage damage() throws IOException {
        long stamp = enter();
        try {
            long end = endBytes();
            if (end < image.sizeBytes()) {
                return new Damage(Damage.Kind.CUT, uri + ": " + cutTo(end));
            }
            return image.blockDevice() ? null : displacement();
        } catch (PosixException e) {
            throw BackingIoException.of(Operation.LOOK, uri, 0, 0, e);
        } finally {
            closeGate.unlockRead(stamp);
        }
    }

    /** Where it ends now; remembers when that is before its size. */
    private long endBytes() throws PosixException {
        long end = Math.min(Posix.endOffset(image.bufferedFd()), image.sizeBytes());
        if (lastEndBytes.get() != end && end < lastEndBytes.getAndSet(end)) {
            // In this order: who sees the count sees from where on.
            intactBytes.accumulateAndGet(end, Math::min);
            cutCount.incrementAndGet();
        }
        return end;
    }

    private String cutTo(long endBytes) {
        return "it was cut to " + endBytes + " bytes and had " + image.sizeBytes()
                + " when it was opened; restore its size"
                + (image.blockDevice() ? "" : " (truncate -s " + image.sizeBytes() + " " + image.path() + ")");
    }

    private void checkSize(Operation operation, long offsetBytes, long lengthBytes)
            throws PosixException, BackingIoException {
        long end = endBytes();
        if (end < image.sizeBytes()) {
            throw new BackingIoException(operation, uri, offsetBytes, lengthBytes, 0, cutTo(end), null);
        }
    }

    /** What was cut off and is there again is zeroes, or whatever somebody put there: nobody may take it for what it was. */
    private void readWhole(long offsetBytes, MemorySegment into) throws PosixException, BackingIoException {
        try {
            transfer.read(offsetBytes, into);
        } finally {
            // Afterwards: it may have been cut while it was read.
            long _ = endBytes();
        }
        long intact = intactBytes.get();
        if (offsetBytes + into.byteSize() > intact) {
            throw new BackingIoException(
                    Operation.READ,
                    uri,
                    offsetBytes,
                    into.byteSize(),
                    0,
                    "it was cut to " + intact + " bytes once, and what lay behind that is lost",
                    null);
        }
    }

    /** Whether the path leads to another file now, or to none. A block device's node may come and go. */
    private @Nullable Damage displacement() throws PosixException {
        FileStatus found = null;
        try {
            int fd = Posix.open(image.path(), Posix.O_PATH | Posix.O_NOFOLLOW, 0);
            try {
                found = Posix.status(fd);
            } finally {
                Posix.close(fd);
            }
        } catch (PosixException e) {
            if (e.errno() == Errno.EACCES) {
                return null; // its directory was closed to us: it may well be there
            }
            if (e.errno() != Errno.ENOENT && e.errno() != Errno.ENOTDIR) {
                throw e;
            }
        }
        if (found != null && OpenImage.sameFile(found, Posix.status(image.bufferedFd()))) {
            return null;
        }
        return displaced(found != null);
    }

    private Damage displaced(boolean isAnotherThere) throws PosixException {
        Path self = Path.of("/proc/self/fd/" + image.bufferedFd());
        try {
            if (Files.getAttribute(self, "unix:nlink") instanceof Integer links && links > 0) {
                return new Damage(
                        Damage.Kind.MOVED,
                        image.path() + (isAnotherThere ? " is another file now, and" : "") + " was moved to "
                                + Files.readSymbolicLink(self) + ", where it is still written; move it back");
            }
        } catch (IOException e) {
            // Without /proc nobody can say where it is.
        }
        return new Damage(
                Damage.Kind.DELETED,
                image.path() + (isAnotherThere ? " was replaced by another file" : " was deleted")
                        + ": what is written goes to the one that was opened, which is gone when it is closed");
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
