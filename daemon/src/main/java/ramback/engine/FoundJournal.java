package ramback.engine;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import org.jspecify.annotations.Nullable;
import ramback.backing.BackingOpenException;
import ramback.backing.FileBacking;
import ramback.journal.JournalIdentity;
import ramback.journal.JournalScan;
import ramback.journal.LocalJournal;
import ramback.journal.Recovery;
import ramback.posix.Errno;
import ramback.posix.Posix;
import ramback.posix.PosixException;

/**
 * A journal's file, found and locked, or not there.
 *
 * @param path where it is, or would be made
 * @param exists whether there is anything at that path
 * @param backing the open file; null if there is none, or what is there can't be a journal
 * @param scan what it holds; null with the backing
 */
record FoundJournal(
        Path path,
        boolean exists,
        @Nullable FileBacking backing,
        @Nullable JournalScan scan) {

    /** What the default file's name is the image's with. */
    static final String SUFFIX = ".journal";

    private static final String UNFINISHED_SUFFIX = ".partial";
    private static final long SIZE_BYTES_MIN = 64L << 20;
    private static final long SIZE_BYTES_MAX = 16L << 30;
    /** What every filesystem, partition table and RAID leaves its mark in, at one end or the other. */
    private static final int MARKS_BYTES = 1 << 20;

    private static final int DEVICE_SHARE = 4;
    private static final int OWNER_ONLY = 0600;

    /** Opens, locks and scans a journal, all of it; changes nothing. */
    static FoundJournal look(Path path, boolean readOnly) throws Refusal {
        return look(path, readOnly, true);
    }

    /**
     * As above.
     *
     * @param withPayload whether what the records describe is read as well, which takes as long as the disk does
     */
    static FoundJournal look(Path path, boolean readOnly, boolean withPayload) throws Refusal {
        if (!Files.exists(path, LinkOption.NOFOLLOW_LINKS)) {
            return new FoundJournal(path, false, null, null);
        }
        FileBacking backing;
        try {
            backing = FileBacking.open(path, readOnly);
        } catch (BackingOpenException e) {
            return switch (e.reason()) {
                // A link that leads nowhere is in the way as much as a directory is.
                case MISSING, NOT_AN_IMAGE, EMPTY -> new FoundJournal(path, true, null, null);
                case IN_USE ->
                    throw new Refusal(
                            Refusal.Kind.FAILED,
                            "journal " + path + " is in use by another process; stop that first (ramback ls, fuser -v "
                                    + path + ")",
                            e);
                case EXISTS, NOT_PERMITTED, NO_SPACE, TOO_LARGE, FAILED -> throw unreadable(path, e);
            };
        }
        JournalScan scan = null;
        boolean isKept = false;
        try {
            scan = withPayload ? JournalScan.of(backing) : JournalScan.ofRecords(backing);
            if (backing.blockDevice() && scan.verdict() == JournalScan.Verdict.NOT_A_JOURNAL && isBlank(backing)) {
                return new FoundJournal(path, false, null, null);
            }
            isKept = true;
            return new FoundJournal(path, true, backing, scan);
        } catch (IOException e) {
            throw unreadable(path, e);
        } finally {
            if (!isKept) {
                if (scan != null) {
                    scan.close();
                }
                closeQuietly(backing);
            }
        }
    }

    private static Refusal unreadable(Path path, Exception e) {
        return new Refusal(
                Refusal.Kind.FAILED,
                "journal " + path + " can't be opened: " + e.getMessage()
                        + "; check the path, the permissions and the disk",
                e);
    }

    /** What a journal is called until it is whole. */
    static Path unfinished(Path path) {
        return path.resolveSibling(path.getFileName() + UNFINISHED_SUFFIX);
    }

    /** How large the journal that is not there yet is made: a whole block device, what was asked, or by the image. */
    long sizeBytesToMake(JournalOption asked, long imageBytes) throws Refusal {
        if (Files.exists(path)) {
            try (FileBacking device = FileBacking.open(path, true)) {
                return device.sizeBytes();
            } catch (IOException e) {
                throw unreadable(path, e);
            }
        }
        return asked.sizeBytes().orElse(defaultSizeBytes(imageBytes)) / 4096 * 4096;
    }

    private static long defaultSizeBytes(long imageBytes) {
        long quarter = Math.clamp(imageBytes / DEVICE_SHARE, SIZE_BYTES_MIN, SIZE_BYTES_MAX);
        return (quarter + 4095) / 4096 * 4096;
    }

    /**
     * Makes an empty, clean journal: written under another name first, so that an unfinished one is never taken for one.
     *
     * @param sizeBytes of the file
     * @param suspended whether it says, from its first moment, that the image may be torn
     */
    static FoundJournal create(
            Path path, JournalIdentity identity, long sizeBytes, boolean suspended, WorkProgress progress)
            throws Refusal {
        if (Files.exists(path)) {
            return createOnDevice(path, identity, sizeBytes, suspended, progress);
        }
        Path unfinished = unfinished(path);
        boolean isMade = false;
        try {
            allocate(unfinished, sizeBytes);
            try (FileBacking backing = FileBacking.open(unfinished, false)) {
                LocalJournal.fill(
                        backing, doneBytes -> progress.at("making the journal " + path, doneBytes, sizeBytes));
                format(backing, identity, suspended);
            }
            Files.move(unfinished, path, StandardCopyOption.ATOMIC_MOVE);
            isMade = true;
            syncDirectory(path);
        } catch (IOException e) {
            throw cannotCreate(path, sizeBytes, e);
        } finally {
            if (!isMade) {
                removeQuietly(unfinished);
            }
        }
        return look(path, false);
    }

    /** A blank block device becomes a journal as it is, all of it. */
    private static FoundJournal createOnDevice(
            Path path, JournalIdentity identity, long sizeBytes, boolean suspended, WorkProgress progress)
            throws Refusal {
        try (FileBacking backing = FileBacking.open(path, false)) {
            LocalJournal.fill(backing, doneBytes -> progress.at("making the journal " + path, doneBytes, sizeBytes));
            format(backing, identity, suspended);
        } catch (IOException e) {
            throw cannotCreate(path, sizeBytes, e);
        }
        return look(path, false);
    }

    private static void format(FileBacking backing, JournalIdentity identity, boolean suspended) throws IOException {
        LocalJournal.format(backing, identity, 0);
        if (suspended) {
            try (JournalScan scan = JournalScan.ofRecords(backing)) {
                Recovery.suspend(backing, scan);
            }
        }
    }

    /** Whether nobody has put anything where whoever uses a device leaves a mark. */
    private static boolean isBlank(FileBacking backing) throws IOException {
        long lengthBytes = Math.min(MARKS_BYTES, backing.sizeBytes());
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment zeroes = arena.allocate(lengthBytes, 4096);
            MemorySegment found = arena.allocate(lengthBytes, 4096);
            backing.read(0, found);
            if (found.mismatch(zeroes) != -1) {
                return false;
            }
            backing.read(backing.sizeBytes() - lengthBytes, found);
            return found.mismatch(zeroes) == -1;
        }
    }

    /** Takes the space before anything is written, so that too little of it is said at once. */
    private static void allocate(Path unfinished, long sizeBytes) throws IOException {
        Files.deleteIfExists(unfinished); // of a crash
        int fd = Posix.open(unfinished, Posix.O_RDWR | Posix.O_CREAT | Posix.O_EXCL | Posix.O_NOFOLLOW, OWNER_ONLY);
        try {
            Posix.fchmod(fd, OWNER_ONLY);
            try {
                Posix.fallocate(fd, Posix.FALLOC_ALLOCATE, 0, sizeBytes);
            } catch (PosixException e) {
                if (e.errno() != Errno.EOPNOTSUPP && e.errno() != Errno.ENOSYS) {
                    throw e;
                }
                Posix.ftruncate(fd, sizeBytes);
            }
        } finally {
            Posix.close(fd);
        }
    }

    private static Refusal cannotCreate(Path path, long sizeBytes, Exception e) {
        String remedy = "name another file with --journal, or serve without one: --journal none";
        for (Throwable cause = e; cause != null; cause = cause.getCause()) {
            if (cause instanceof PosixException posix
                    && (posix.errno() == Errno.ENOSPC || posix.errno() == Errno.EDQUOT)) {
                return new Refusal(
                        Refusal.Kind.FAILED,
                        "no room for the journal " + path + " of " + sizeBytes + " bytes: " + posix.text()
                                + "; make room, choose a smaller --journal-size or " + remedy,
                        e);
            }
        }
        return new Refusal(
                Refusal.Kind.FAILED, "cannot create the journal " + path + ": " + e.getMessage() + "; " + remedy, e);
    }

    /** Removes a journal that was just made; one on a block device stays, empty. */
    static void remove(Path path) throws IOException {
        if (Files.isRegularFile(path, LinkOption.NOFOLLOW_LINKS)) {
            Files.delete(path);
            syncDirectory(path);
        }
    }

    private static void syncDirectory(Path file) throws IOException {
        Path directory = file.toAbsolutePath().getParent();
        if (directory != null) {
            Posix.syncDirectory(directory);
        }
    }

    private static void removeQuietly(Path path) {
        try {
            Files.deleteIfExists(path);
        } catch (IOException e) {
            // Why it was not finished is what is told; an unfinished one is replaced by the next.
        }
    }

    static void closeQuietly(FileBacking backing) {
        try {
            backing.close();
        } catch (IOException e) {
            // Nothing was written through it that anybody counts on.
        }
    }

    /** Gives back the memory of the scan, of which only what it says of the whole is left; the file stays open and locked. */
    void closeScan() {
        if (scan != null) {
            scan.close();
        }
    }

    /** Gives file and memory back. */
    void close() {
        closeScan();
        if (backing != null) {
            closeQuietly(backing);
        }
    }
}
