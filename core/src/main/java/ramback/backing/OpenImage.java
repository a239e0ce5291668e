package ramback.backing;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import ramback.backing.BackingOpenException.Reason;
import ramback.posix.Errno;
import ramback.posix.FileStatus;
import ramback.posix.FilesystemStatus;
import ramback.posix.Posix;
import ramback.posix.PosixException;

/**
 * A raw image, found, judged, locked and open. Two descriptors of one file: the buffered one holds the lock and is there
 * always, the direct one where O_DIRECT works.
 *
 * @param path resolved: no symbolic link in it
 * @param directFd {@link #NO_FD} where O_DIRECT does not work
 * @param directEndBytes where the buffered part begins; a multiple of {@code alignmentBytes}, 0 without O_DIRECT
 * @param alignmentBytes of offsets and lengths of direct transfers; 1 without O_DIRECT
 * @param memoryAlignmentBytes of the memory of direct transfers; 1 without O_DIRECT
 * @param access how it is accessed and why, for status and trace
 */
record OpenImage(
        Path path,
        boolean blockDevice,
        boolean readOnly,
        int bufferedFd,
        int directFd,
        long sizeBytes,
        long directEndBytes,
        int alignmentBytes,
        int memoryAlignmentBytes,
        String access) {

    static final int NO_FD = -1;

    /**
     * The buffered end of an image begins at a multiple of this, so that no page and no filesystem block (64 KiB at most, both)
     * is written through the page cache and past it: a page read before a direct write would carry old bytes over new ones.
     */
    static final int BUFFERED_END_UNIT_BYTES = 64 * 1024;

    /** What every device and filesystem takes that does not tell its own. */
    private static final int ALIGNMENT_BYTES_DEFAULT = 4096;

    private static final int CREATED_MODE = 0600;

    /** Makes a sparse image, durable with its directory entry; whatever fails, no file is left. */
    static void create(Path path, long sizeBytes) throws BackingOpenException {
        if (sizeBytes <= 0) {
            throw new IllegalArgumentException("size " + sizeBytes);
        }
        int fd = NO_FD;
        boolean complete = false;
        try {
            fd = Posix.open(path, Posix.O_RDWR | Posix.O_CREAT | Posix.O_EXCL | Posix.O_NOFOLLOW, CREATED_MODE);
            Posix.fchmod(fd, CREATED_MODE);
            Posix.ftruncate(fd, sizeBytes);
            Posix.fsync(fd);
            Posix.syncDirectory(directoryOf(path));
            complete = true;
        } catch (PosixException e) {
            throw cannotCreate(path, sizeBytes, e);
        } finally {
            if (fd != NO_FD) {
                closeQuietly(fd);
                if (!complete) {
                    removeQuietly(path);
                }
            }
        }
    }

    static void removeQuietly(Path path) {
        try {
            Posix.unlink(path);
        } catch (PosixException e) {
            // The first failure is the one to report; this one is about what remains of it.
        }
    }

    static OpenImage open(Path path, boolean readOnly) throws BackingOpenException {
        FileStatus found = look(path);
        Path resolved = resolve(path);
        int flags = (readOnly ? Posix.O_RDONLY : Posix.O_RDWR) | Posix.O_NOFOLLOW;
        int fd;
        try {
            fd = Posix.open(resolved, found.isBlockDevice() ? flags | Posix.O_EXCL : flags, 0);
        } catch (PosixException e) {
            throw cannotOpen(path, readOnly, e);
        }
        boolean complete = false;
        try {
            if (!sameFile(found, Posix.status(fd))) {
                throw new BackingOpenException(
                        Reason.FAILED, "image " + path + " was replaced while it was opened; try again", null);
            }
            if (!Posix.tryLockExclusive(fd)) {
                throw inUse(path, null);
            }
            FileStatus status = Posix.status(fd);
            if (!readOnly && status.isBlockDevice() && Posix.blockDeviceReadOnly(fd)) {
                throw new BackingOpenException(
                        Reason.NOT_PERMITTED,
                        "block device " + path + " is write-protected; lift that (blockdev --setrw " + path
                                + ") or give --read-only",
                        null);
            }
            long sizeBytes = status.isBlockDevice() ? Posix.blockDeviceSizeBytes(fd) : status.sizeBytes();
            if (sizeBytes == 0) {
                throw new BackingOpenException(
                        Reason.EMPTY,
                        status.isBlockDevice()
                                ? "block device " + path + " has 0 bytes; insert or attach its medium"
                                : "image " + path
                                        + " has 0 bytes, 1 is the least; remove it and give --size to create it",
                        null);
            }
            OpenImage image = withDirectAccess(resolved, readOnly, fd, flags, status, sizeBytes);
            complete = true;
            return image;
        } catch (PosixException e) {
            throw cannotOpen(path, readOnly, e);
        } finally {
            if (!complete) {
                closeQuietly(fd);
            }
        }
    }

    /** What the path leads to, through symbolic links, without opening it: a tape would rewind, a FIFO would wait. */
    private static FileStatus look(Path path) throws BackingOpenException {
        FileStatus status;
        try {
            int fd = Posix.open(path, Posix.O_PATH, 0);
            try {
                status = Posix.status(fd);
            } finally {
                closeQuietly(fd);
            }
        } catch (PosixException e) {
            throw cannotOpen(path, true, e);
        }
        if (!status.isRegularFile() && !status.isBlockDevice()) {
            String kind = status.isDirectory()
                    ? "a directory"
                    : status.isCharacterDevice() ? "a character device" : "neither a file nor a block device";
            throw new BackingOpenException(
                    Reason.NOT_AN_IMAGE, path + " is " + kind + "; give a raw image file or a block device", null);
        }
        return status;
    }

    private static Path resolve(Path path) throws BackingOpenException {
        try {
            return path.toRealPath();
        } catch (IOException e) {
            throw new BackingOpenException(
                    Reason.FAILED, "cannot resolve image " + path + ": " + e.getMessage() + "; check the path", e);
        }
    }

    // ---------------------------------------------------------------------------------------------- O_DIRECT

    private static OpenImage withDirectAccess(
            Path path, boolean readOnly, int bufferedFd, int flags, FileStatus status, long sizeBytes)
            throws PosixException {
        boolean blockDevice = status.isBlockDevice();
        FilesystemStatus filesystem = Posix.filesystemStatus(bufferedFd);
        if (!blockDevice && filesystem.isTmpfs()) {
            return buffered(path, readOnly, bufferedFd, blockDevice, sizeBytes, "the image is in memory (tmpfs)");
        }
        int directFd;
        try {
            directFd = Posix.open(path, flags | Posix.O_DIRECT, 0);
        } catch (PosixException e) {
            return buffered(path, readOnly, bufferedFd, blockDevice, sizeBytes, "O_DIRECT refused, " + e.text());
        }
        boolean kept = false;
        try {
            FileStatus direct = Posix.status(directFd);
            int toldBytes = blockDevice ? Posix.blockDeviceSectorBytes(directFd) : direct.directOffsetAlignmentBytes();
            int alignmentBytes = powerOfTwoOr(ALIGNMENT_BYTES_DEFAULT, toldBytes);
            int memoryAlignmentBytes = powerOfTwoOr(alignmentBytes, direct.directMemoryAlignmentBytes());
            long endBytes = directEnd(sizeBytes, alignmentBytes);
            String refusal;
            if (!sameFile(status, direct)) {
                refusal = "the path was changed while the image was opened";
            } else if (alignmentBytes > BUFFERED_END_UNIT_BYTES || memoryAlignmentBytes > BUFFERED_END_UNIT_BYTES) {
                refusal = "O_DIRECT wants an alignment of " + Math.max(alignmentBytes, memoryAlignmentBytes) + " bytes";
            } else if (endBytes == 0) {
                refusal = "the image is too small for O_DIRECT";
            } else if (!readsDirectly(directFd, alignmentBytes, memoryAlignmentBytes)) {
                refusal = "O_DIRECT reads refused";
            } else {
                if (endBytes < sizeBytes) {
                    // Read-ahead would bring in pages, or large folios, of the part that is written past the cache.
                    Posix.adviseRandomAccess(bufferedFd);
                }
                kept = true;
                return new OpenImage(
                        path,
                        blockDevice,
                        readOnly,
                        bufferedFd,
                        directFd,
                        sizeBytes,
                        endBytes,
                        alignmentBytes,
                        memoryAlignmentBytes,
                        "direct, " + alignmentBytes + " byte sectors");
            }
            return buffered(path, readOnly, bufferedFd, blockDevice, sizeBytes, refusal);
        } finally {
            if (!kept) {
                closeQuietly(directFd);
            }
        }
    }

    private static OpenImage buffered(
            Path path, boolean readOnly, int bufferedFd, boolean blockDevice, long sizeBytes, String reason) {
        return new OpenImage(path, blockDevice, readOnly, bufferedFd, NO_FD, sizeBytes, 0, 1, 1, "buffered: " + reason);
    }

    /** Where direct access ends: at the size, or before the last unit when the size is not whole sectors. */
    static long directEnd(long sizeBytes, int alignmentBytes) {
        return sizeBytes % alignmentBytes == 0 ? sizeBytes : sizeBytes - sizeBytes % BUFFERED_END_UNIT_BYTES;
    }

    private static int powerOfTwoOr(int otherwise, int value) {
        return Integer.bitCount(value) == 1 && value > 0 ? value : otherwise;
    }

    /** Tries one read in memory aligned to what was promised and to no more. An I/O error is not a refusal. */
    private static boolean readsDirectly(int fd, int alignmentBytes, int memoryAlignmentBytes) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment memory = arena.allocate(
                    (long) alignmentBytes + memoryAlignmentBytes, Math.max(alignmentBytes, 2L * memoryAlignmentBytes));
            return Posix.pread(fd, memory, memoryAlignmentBytes, alignmentBytes, 0) == alignmentBytes;
        } catch (PosixException e) {
            return e.errno() != Errno.EINVAL && e.errno() != Errno.EOPNOTSUPP;
        }
    }

    static boolean sameFile(FileStatus a, FileStatus b) {
        return a.device() == b.device() && a.inode() == b.inode() && a.specialDevice() == b.specialDevice();
    }

    // ---------------------------------------------------------------------------------------------- failures

    private static BackingOpenException cannotOpen(Path path, boolean readOnly, PosixException e) {
        return switch (e.errno()) {
            case Errno.ENOENT, Errno.ENOTDIR ->
                new BackingOpenException(
                        Reason.MISSING, "image " + path + " does not exist; give --size SIZE to create it", e);
            case Errno.ENXIO, Errno.ENODEV ->
                new BackingOpenException(
                        Reason.MISSING, "block device " + path + " has no disk behind it; attach one", e);
            case Errno.EACCES, Errno.EPERM, Errno.EROFS ->
                new BackingOpenException(
                        Reason.NOT_PERMITTED,
                        "no permission to " + (readOnly ? "read" : "write") + " image " + path + ": " + e.text()
                                + "; change its permissions, run as its owner"
                                + (readOnly ? "" : " or give --read-only"),
                        e);
            case Errno.EBUSY -> inUse(path, e);
            default ->
                new BackingOpenException(
                        Reason.FAILED, "cannot open image " + path + ": " + e.getMessage() + "; check the path", e);
        };
    }

    private static BackingOpenException inUse(Path path, @Nullable PosixException cause) {
        return new BackingOpenException(
                Reason.IN_USE,
                "image " + path + " is in use by another process; stop or unmount that first (ramback ls, fuser -v "
                        + path + ")",
                cause);
    }

    private static BackingOpenException cannotCreate(Path path, long sizeBytes, PosixException e) {
        String what = "cannot create image " + path + " of " + sizeBytes + " bytes: ";
        return switch (e.errno()) {
            case Errno.EEXIST ->
                new BackingOpenException(Reason.EXISTS, what + "it exists already; leave out --size to use it", e);
            case Errno.ENOENT, Errno.ENOTDIR ->
                new BackingOpenException(
                        Reason.MISSING, what + directoryOf(path) + " is not a directory; create it first", e);
            case Errno.EACCES, Errno.EPERM, Errno.EROFS ->
                new BackingOpenException(
                        Reason.NOT_PERMITTED, what + e.text() + "; choose a directory that you may write to", e);
            case Errno.ENOSPC, Errno.EDQUOT ->
                new BackingOpenException(
                        Reason.NO_SPACE, what + e.text() + "; make room or choose another filesystem", e);
            case Errno.EFBIG, Errno.EINVAL, Errno.EOVERFLOW ->
                new BackingOpenException(
                        Reason.TOO_LARGE, what + e.text() + "; choose a smaller --size or another filesystem", e);
            default -> new BackingOpenException(Reason.FAILED, what + e.getMessage() + "; check the path", e);
        };
    }

    private static Path directoryOf(Path path) {
        Path parent = path.toAbsolutePath().getParent();
        return parent == null ? path.toAbsolutePath() : parent;
    }

    private static void closeQuietly(int fd) {
        try {
            Posix.close(fd);
        } catch (PosixException e) {
            // Nothing was written through it that anybody counts on.
        }
    }
}
