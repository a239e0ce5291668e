package ramback.engine;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Set;
import ramback.backing.FileBacking;
import ramback.memory.ImageIdentity;
import ramback.memory.MemoryShortageException;
import ramback.memory.SegmentLayout;
import ramback.memory.SharedSegment;
import ramback.posix.FileStatus;
import ramback.posix.Posix;

/** Where a device's memory segment lies, and what is done about one that an earlier daemon left. */
final class SegmentFile {

    private SegmentFile() {}

    /** Takes the memory of a device; refuses when an earlier daemon's memory holds what the image does not. */
    static SharedSegment create(DeviceOptions options, FileBacking backing) throws Refusal {
        try {
            prepareDirectory(options.ramDirectory());
            ImageIdentity identity = identity(backing);
            // The image's identity is part of the name, so that what was left is found under any device name.
            String suffix = String.format("-%x-%x.ram", identity.device(), identity.inode());
            clearLeftovers(options.ramDirectory(), suffix, options);
            SegmentLayout layout =
                    new SegmentLayout(backing.sizeBytes(), options.chunkBytes(), options.clientCountMax());
            Path path = options.ramDirectory().resolve(options.name() + suffix);
            return SharedSegment.create(path, layout, options.ram() == RamMode.SPARSE, identity);
        } catch (MemoryShortageException e) {
            throw new Refusal(Refusal.Kind.FAILED, String.valueOf(e.getMessage()), e);
        } catch (IOException e) {
            throw new Refusal(
                    Refusal.Kind.FAILED,
                    "memory in --ram-dir " + options.ramDirectory() + " can't be taken: " + e.getMessage(),
                    e);
        }
    }

    private static ImageIdentity identity(FileBacking backing) throws IOException {
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

    private static void clearLeftovers(Path directory, String suffix, DeviceOptions options)
            throws IOException, Refusal {
        try (DirectoryStream<Path> leftovers = Files.newDirectoryStream(directory, "*" + suffix)) {
            for (Path leftover : leftovers) {
                clearLeftover(leftover, options);
            }
        }
        Path sameName = directory.resolve(options.name() + suffix);
        if (Files.exists(sameName, LinkOption.NOFOLLOW_LINKS)) {
            throw new IOException("memory segment " + sameName + " is in the way");
        }
    }

    private static void clearLeftover(Path leftover, DeviceOptions options) throws IOException, Refusal {
        SharedSegment.LeftoverReport found = SharedSegment.inspect(leftover);
        switch (found.leftover()) {
            case NONE -> {}
            case IN_USE ->
                throw new Refusal(
                        Refusal.Kind.FAILED,
                        "image " + options.image() + " is in use: its memory segment " + leftover
                                + " is locked by a live daemon");
            case CLEAN -> Files.delete(leftover);
            case DIRTY ->
                throw new Refusal(
                        Refusal.Kind.PROTECTED,
                        "image " + options.image() + " was served by a daemon that was killed, and "
                                + found.dirtyChunks() + " chunks of " + found.chunkBytes()
                                + " bytes in its memory segment are not in the image; to go on without them remove "
                                + leftover);
        }
    }
}
