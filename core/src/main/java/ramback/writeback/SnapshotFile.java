package ramback.writeback;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import ramback.backing.Backing;
import ramback.backing.BackingOpenException;
import ramback.backing.BackingOpenException.Reason;
import ramback.backing.FileBacking;
import ramback.posix.Posix;

/**
 * A snapshot's file: sparse, and under its own name only when it is whole and durable. Until then it is FILE.partial, which
 * one snapshot after another to the same FILE replaces, should a crash have left it. Used by one thread at a time.
 */
final class SnapshotFile {

    /** How the file is made that is written to. */
    interface Creator {
        Backing create(Path path, long sizeBytes) throws BackingOpenException;
    }

    /** What a crash leaves has the snapshot's name with this behind it. */
    static final String PARTIAL_SUFFIX = ".partial";

    /** Zeroes become holes in blocks of this size, that of most filesystems. */
    private static final int BLOCK_BYTES = 4096;

    private static final MemorySegment ZEROES =
            Arena.global().allocate(BLOCK_BYTES).asReadOnly();

    private final Path file;
    private final Path partial;
    private final Path directory;
    private final Backing backing;

    private SnapshotFile(Path file, Path partial, Path directory, Backing backing) {
        this.file = file;
        this.directory = directory;
        this.partial = partial;
        this.backing = backing;
    }

    /**
     * Makes the partial file, which reads as zeroes.
     *
     * @param file absolute
     * @throws BackingOpenException with what the operator can do about it; nothing is left then
     */
    static SnapshotFile create(Path file, long sizeBytes, Creator creator) throws BackingOpenException {
        Path directory = file.getParent();
        if (directory == null || !file.isAbsolute()) {
            throw new IllegalArgumentException("not an absolute path of a file: " + file);
        }
        if (Files.exists(file, LinkOption.NOFOLLOW_LINKS)) {
            throw exists(file);
        }
        Path partial = file.resolveSibling(file.getFileName() + PARTIAL_SUFFIX);
        removeLeftover(partial);
        return new SnapshotFile(file, partial, directory, creator.create(partial, sizeBytes));
    }

    private static BackingOpenException exists(Path file) {
        return new BackingOpenException(
                Reason.EXISTS, "snapshot " + file + " exists; remove it or choose another name", null);
    }

    /** Removes what a crash left, unless somebody is writing to it. */
    private static void removeLeftover(Path partial) throws BackingOpenException {
        if (!Files.exists(partial, LinkOption.NOFOLLOW_LINKS)) {
            return;
        }
        try {
            FileBacking.open(partial, true).close();
        } catch (BackingOpenException e) {
            if (e.reason() != Reason.EMPTY) {
                throw e;
            }
        } catch (IOException e) {
            // Not locked by anybody, which is all that was asked.
        }
        try {
            Files.delete(partial);
        } catch (IOException e) {
            throw new BackingOpenException(
                    Reason.FAILED,
                    "cannot remove " + partial + ", which an interrupted snapshot left: " + e.getMessage()
                            + "; remove it, or choose another name",
                    e);
        }
    }

    /**
     * Writes a piece, but for its blocks of zeroes. No piece may be written twice.
     *
     * @param offsetBytes a multiple of 4096
     * @return how many bytes were written
     */
    long write(long offsetBytes, MemorySegment from) throws IOException {
        long length = from.byteSize();
        long written = 0;
        long at = 0;
        while (at < length) {
            if (isZero(from, at)) {
                at += BLOCK_BYTES;
                continue;
            }
            long end = at + BLOCK_BYTES;
            while (end < length && !isZero(from, end)) {
                end += BLOCK_BYTES;
            }
            end = Math.min(end, length);
            backing.write(offsetBytes + at, from.asSlice(at, end - at));
            written += end - at;
            at = end;
        }
        return written;
    }

    private static boolean isZero(MemorySegment from, long at) {
        long length = Math.min(BLOCK_BYTES, from.byteSize() - at);
        return MemorySegment.mismatch(from, at, at + length, ZEROES, 0, length) < 0;
    }

    /**
     * Makes it durable and gives it its name. If this throws, {@link #abandon} is to follow.
     *
     * @throws IOException when something failed, or a file of that name has come into being meanwhile
     */
    void finish() throws IOException {
        backing.sync();
        backing.close();
        if (!tryLink()) {
            if (Files.exists(file, LinkOption.NOFOLLOW_LINKS)) {
                throw exists(file);
            }
            Files.move(partial, file, StandardCopyOption.ATOMIC_MOVE);
        }
        try {
            Files.deleteIfExists(partial);
            Posix.syncDirectory(directory);
        } catch (IOException e) {
            Files.deleteIfExists(file);
            throw e;
        }
    }

    /** Links instead of renaming, which would take the place of a file that came into being meanwhile. */
    private boolean tryLink() throws IOException {
        try {
            Files.createLink(file, partial);
            return true;
        } catch (FileAlreadyExistsException e) {
            throw exists(file);
        } catch (FileSystemException | UnsupportedOperationException e) {
            // Not every filesystem has links.
            return false;
        }
    }

    /** Removes it, as far as that can be done. */
    void abandon() {
        try (backing) {
            Files.deleteIfExists(partial);
        } catch (IOException e) {
            // What made the snapshot fail has been told; the next one to the same name removes the rest.
        }
    }
}
