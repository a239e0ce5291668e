package ramback.engine;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import ramback.backing.FileBacking;
import ramback.journal.StartSituation.Memory;
import ramback.memory.ImageIdentity;
import ramback.memory.MemoryShortageException;
import ramback.memory.SegmentLayout;
import ramback.memory.SharedSegment;
import ramback.posix.FileStatus;
import ramback.posix.Posix;

/** Where a device's memory segment lies, and what an earlier daemon left of it. */
final class SegmentFile {

    private SegmentFile() {}

    /**
     * What an earlier daemon left in memory of an image.
     *
     * @param memory whether it matters
     * @param files the segments that were found, those included in which there is nothing
     * @param newest the one that holds changes or is in use, or null
     * @param dirtyChunks how many chunks of it the image lacks
     */
    record Leftovers(
            Memory memory, List<Path> files, @Nullable Path newest, long dirtyChunks, int chunkBytes) {

        static final Leftovers NONE = new Leftovers(Memory.NONE, List.of(), null, 0, 0);

        /** Removes them, and with them what only they hold. */
        void remove() throws IOException {
            for (Path file : files) {
                Files.deleteIfExists(file);
            }
        }
    }

    /** Looks for memory of an image in directories that need not exist; changes nothing. */
    static Leftovers look(FileBacking backing, Collection<Path> directories) throws Refusal {
        List<Path> files = new ArrayList<>();
        Leftovers worst = Leftovers.NONE;
        for (Path directory : directories) {
            try (DirectoryStream<Path> found = Files.newDirectoryStream(directory, "*" + suffix(backing))) {
                for (Path file : found) {
                    files.add(file);
                    SharedSegment.LeftoverReport report = SharedSegment.inspect(file);
                    Memory memory = switch (report.leftover()) {
                        case NONE, CLEAN -> Memory.NONE;
                        case IN_USE -> Memory.IN_USE;
                        case DIRTY -> Memory.CHANGES;
                    };
                    if (memory != Memory.NONE && worst.memory() != Memory.IN_USE) {
                        worst = new Leftovers(memory, files, file, report.dirtyChunks(), report.chunkBytes());
                    }
                }
            } catch (NoSuchFileException | NotDirectoryException e) {
                // Nobody has had memory there.
            } catch (IOException e) {
                throw new Refusal(
                        Refusal.Kind.FAILED, "memory in " + directory + " can't be looked at: " + e.getMessage(), e);
            }
        }
        return worst.newest() == null ? new Leftovers(Memory.NONE, files, null, 0, 0) : worst;
    }

    /** The image's identity is part of the name, so that what was left is found under any device name. */
    private static String suffix(FileBacking backing) throws IOException {
        ImageIdentity identity = identity(backing);
        return String.format("-%x-%x.ram", identity.device(), identity.inode());
    }

    /** Where the memory of a device is going to lie. */
    static Path path(DeviceOptions options, FileBacking backing) throws Refusal {
        try {
            return options.ramDirectory().resolve(options.name() + suffix(backing));
        } catch (IOException e) {
            throw notTaken(options, e);
        }
    }

    /** Takes the memory of a device. What was found of earlier memory has been dealt with. */
    static SharedSegment create(DeviceOptions options, FileBacking backing) throws Refusal {
        try {
            prepareDirectory(options.ramDirectory());
            SegmentLayout layout =
                    new SegmentLayout(backing.sizeBytes(), options.chunkBytes(), options.clientCountMax());
            Path path = path(options, backing);
            if (Files.exists(path, LinkOption.NOFOLLOW_LINKS)) {
                throw new IOException("memory segment " + path + " is in the way");
            }
            return SharedSegment.create(path, layout, options.ram() == RamMode.SPARSE, identity(backing));
        } catch (MemoryShortageException e) {
            throw new Refusal(Refusal.Kind.FAILED, String.valueOf(e.getMessage()), e);
        } catch (IOException e) {
            throw notTaken(options, e);
        }
    }

    private static Refusal notTaken(DeviceOptions options, IOException e) {
        return new Refusal(
                Refusal.Kind.FAILED,
                "memory in --ram-dir " + options.ramDirectory() + " can't be taken: " + e.getMessage(),
                e);
    }

    static ImageIdentity identity(FileBacking backing) throws IOException {
        FileStatus status = backing.status();
        return backing.blockDevice()
                ? new ImageIdentity(status.specialDevice(), 0)
                : new ImageIdentity(status.device(), status.inode());
    }

    /** Creates the directory for its owner alone, or checks that it is such a one: /dev/shm is everybody's. */
    private static void prepareDirectory(Path directory) throws IOException, Refusal {
        Set<PosixFilePermission> ownerOnly = PosixFilePermissions.fromString("rwx------");
        Path parent = directory.toAbsolutePath().getParent();
        if (parent != null) {
            Files.createDirectories(parent);
        }
        try {
            Files.createDirectory(directory, PosixFilePermissions.asFileAttribute(ownerOnly));
        } catch (FileAlreadyExistsException e) {
            checkDirectory(directory);
        }
    }

    private static void checkDirectory(Path directory) throws IOException, Refusal {
        if (!Files.isDirectory(directory, LinkOption.NOFOLLOW_LINKS)) {
            throw new Refusal(
                    Refusal.Kind.FAILED, "--ram-dir " + directory + " is not a directory; name another, or remove it");
        }
        Set<PosixFilePermission> permissions = Files.getPosixFilePermissions(directory, LinkOption.NOFOLLOW_LINKS);
        Integer owner = (Integer) Files.getAttribute(directory, "unix:uid", LinkOption.NOFOLLOW_LINKS);
        boolean writableByOthers = permissions.contains(PosixFilePermission.GROUP_WRITE)
                || permissions.contains(PosixFilePermission.OTHERS_WRITE);
        if (owner != Posix.effectiveUserId() || writableByOthers) {
            throw new Refusal(
                    Refusal.Kind.FAILED,
                    "--ram-dir " + directory + " belongs to user " + owner + " with permissions "
                            + PosixFilePermissions.toString(permissions)
                            + ", so others could take the device's memory; name a directory of your own");
        }
    }
}
