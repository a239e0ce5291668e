package ramback.journal;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;
import ramback.posix.Errno;
import ramback.posix.FileStatus;
import ramback.posix.Posix;
import ramback.posix.PosixException;

/**
 * A state in a file of its own, its owner's alone. It is written under another name, made durable, renamed and its directory made
 * durable: a crash leaves the old one or the new one. A symbolic link in its place is not followed.
 */
public final class StateFileStore implements StateStore {

    private static final int OWNER_ONLY = 0600;
    private static final String TEMPORARY_SUFFIX = ".new";
    private static final String CHECKSUMS_SUFFIX = ".crc";

    /** Where it lies if it exists, and where it is tried first if it does not. */
    private Path file;

    /** Where it lies if that directory takes no new files; null once that is decided. */
    private @Nullable Path elsewhere;

    /**
     * The state in this file, which need not exist.
     *
     * @param file absolute
     * @param elsewhere where it lies if the file's directory takes no new files; null if it is an error then
     */
    public StateFileStore(Path file, @Nullable Path elsewhere) {
        if (!file.isAbsolute()) {
            throw new IllegalArgumentException("not an absolute path: " + file);
        }
        this.file = file;
        this.elsewhere = elsewhere;
    }

    @Override
    public String place() {
        return file.toString();
    }

    /** Every path at which something may be written, as far as that is not decided yet: no other file must be there. */
    public List<Path> places() {
        List<Path> places = new ArrayList<>(placesOf(file));
        if (elsewhere != null) {
            places.addAll(placesOf(elsewhere));
        }
        return places;
    }

    private static List<Path> placesOf(Path state) {
        Path checksums = checksums(state);
        return List.of(state, temporary(state), checksums, temporary(checksums));
    }

    private static Path checksums(Path state) {
        return state.resolveSibling(state.getFileName() + CHECKSUMS_SUFFIX);
    }

    private static Path temporary(Path file) {
        return file.resolveSibling(file.getFileName() + TEMPORARY_SUFFIX);
    }

    @Override
    public byte @Nullable [] read() throws IOException {
        byte[] content = read(file, StateFile.LENGTH_BYTES_MAX);
        if (content == null && elsewhere != null) {
            content = readElsewhere(elsewhere);
            if (content != null) {
                file = elsewhere;
            }
        }
        if (content != null) {
            elsewhere = null;
        }
        return content;
    }

    /**
     * A directory of the system may be closed to this user. Then nothing of his can lie there, unless the image's own directory
     * takes no files of his either.
     */
    private byte @Nullable [] readElsewhere(Path other) throws IOException {
        try {
            return read(other, StateFile.LENGTH_BYTES_MAX);
        } catch (PosixException e) {
            Path directory = file.getParent();
            if (e.errno() == Errno.EACCES && directory != null && Files.isWritable(directory)) {
                return null;
            }
            throw e;
        }
    }

    private static byte @Nullable [] read(Path file, long lengthBytesMax) throws IOException {
        int fd;
        try {
            fd = Posix.open(file, Posix.O_RDONLY | Posix.O_NOFOLLOW | Posix.O_NONBLOCK, 0);
        } catch (PosixException e) {
            if (e.errno() == Errno.ENOENT || e.errno() == Errno.ENOTDIR) {
                return null;
            }
            if (Files.isSymbolicLink(file)) {
                throw new IOException("it is a symbolic link, which is not followed", e);
            }
            throw e;
        }
        try (Arena arena = Arena.ofConfined()) {
            FileStatus status = Posix.status(fd);
            if (!status.isRegularFile()) {
                throw new IOException("it is not a file");
            }
            // No more than is there: the limit of checksums is one for an image full of data.
            MemorySegment buffer = arena.allocate(Math.min(lengthBytesMax, status.sizeBytes()) + 1);
            long length = 0;
            while (length < buffer.byteSize()) {
                long count = Posix.pread(fd, buffer, length, buffer.byteSize() - length, length);
                if (count == 0) {
                    break;
                }
                length += count;
            }
            return Arrays.copyOf(buffer.toArray(ValueLayout.JAVA_BYTE), (int) length);
        } finally {
            Posix.close(fd);
        }
    }

    @Override
    public void replace(byte[] content) throws IOException {
        try {
            replace(file, content);
        } catch (PosixException e) {
            boolean isOpen = e.call().equals("open");
            if (isOpen && elsewhere != null && takesNoFiles(e.errno())) {
                file = elsewhere;
            } else if (!isOpen || e.errno() != Errno.ENOENT) {
                throw e;
            }
            makeDirectory(file);
            replace(file, content);
        }
        elsewhere = null;
    }

    /** No permission, or a filesystem that is read-only or has one file only. */
    private static boolean takesNoFiles(int errno) {
        return switch (errno) {
            case Errno.EACCES, Errno.EPERM, Errno.EROFS, Errno.ENOSYS, Errno.EOPNOTSUPP -> true;
            default -> false;
        };
    }

    private static void replace(Path file, byte[] content) throws IOException {
        Path temporary = temporary(file);
        removeQuietly(temporary); // of a crash
        int fd = Posix.open(temporary, Posix.O_WRONLY | Posix.O_CREAT | Posix.O_EXCL | Posix.O_NOFOLLOW, OWNER_ONLY);
        boolean isWritten = false;
        try (Arena arena = Arena.ofConfined()) {
            Posix.fchmod(fd, OWNER_ONLY);
            MemorySegment buffer = arena.allocateFrom(ValueLayout.JAVA_BYTE, content);
            long length = 0;
            while (length < content.length) {
                length += Posix.pwrite(fd, buffer, length, content.length - length, length);
            }
            Posix.fsync(fd);
            isWritten = true;
        } finally {
            Posix.close(fd);
            if (!isWritten) {
                removeQuietly(temporary);
            }
        }
        Files.move(temporary, file, StandardCopyOption.ATOMIC_MOVE);
        Posix.syncDirectory(directoryOf(file));
    }

    private static void removeQuietly(Path path) {
        try {
            Posix.unlink(path);
        } catch (PosixException e) {
            // Not there, as it should be; or in the way, which the exclusive creation then says.
        }
    }

    /** The directory of the states that can't lie beside their images is made at the first of them. */
    private static void makeDirectory(Path file) throws IOException {
        Path directory = directoryOf(file);
        if (!Files.isDirectory(directory)) {
            Files.createDirectories(
                    directory, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
            Posix.syncDirectory(directoryOf(directory));
        }
    }

    private static Path directoryOf(Path file) {
        Path parent = file.getParent();
        return parent == null ? file : parent;
    }

    @Override
    public void remove() throws IOException {
        boolean isChanged = Files.deleteIfExists(checksums(file));
        isChanged |= Files.deleteIfExists(file);
        if (isChanged) {
            Posix.syncDirectory(directoryOf(file));
        }
    }

    // ----------------------------------------------------------------------------------------------- checksums

    /** Where the checksums of the image lie: beside its state. */
    public String checksumsPlace() {
        return checksums(file).toString();
    }

    /** The file of the image's checksums, as far as it is no longer than that and a byte; null if there is none. */
    public byte @Nullable [] readChecksums(long lengthBytesMax) throws IOException {
        return read(checksums(file), lengthBytesMax);
    }

    /** Puts these checksums in the place of what was there, durably. The state has been written, so its place is decided. */
    public void replaceChecksums(byte[] content) throws IOException {
        replace(checksums(file), content);
    }

    /** Removes the checksums; none is no error. That they are gone is not made durable: they are bound to a state. */
    public void removeChecksums() throws IOException {
        Files.deleteIfExists(checksums(file));
    }
}
