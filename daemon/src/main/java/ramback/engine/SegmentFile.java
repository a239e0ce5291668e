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
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import ramback.journal.StartSituation.Memory;
import ramback.journal.StateFile;
import ramback.memory.ImageIdentity;
import ramback.memory.MemoryShortageException;
import ramback.memory.SegmentLayout;
import ramback.memory.SharedSegment;
import ramback.memory.SharedSegment.LeftoverReport;
import ramback.posix.Posix;

/** Where a device's memory segment lies, and what an earlier daemon left of it. */
final class SegmentFile {

    private SegmentFile() {}

    /**
     * What an earlier daemon left in memory of an image.
     *
     * @param memory whether it matters
     * @param files the segments that were found, those included in which there is nothing
     * @param segment the one that matters, or null
     * @param report what that one holds, or null
     */
    record Leftovers(
            Memory memory,
            List<Path> files,
            @Nullable Path segment,
            @Nullable LeftoverReport report) {

        /** How many chunks of it the image may lack. */
        long dirtyChunks() {
            return report == null ? 0 : report.dirtyChunks();
        }

        /** How large they are; 0 where that can't be read. */
        int chunkBytes() {
            SegmentLayout layout = report == null ? null : report.layout();
            return layout == null ? 0 : layout.chunkBytes();
        }

        /** Removes them, and with them what only they hold; but for the one that is gone on with. */
        void remove(@Nullable Path kept) throws IOException {
            for (Path file : files) {
                if (!file.equals(kept)) {
                    Files.deleteIfExists(file);
                }
            }
        }
    }

    /**
     * Looks for memory of an image in directories that need not exist; changes nothing.
     *
     * @param state what the image's state file says, if it can be read
     */
    static Leftovers look(Image image, @Nullable StateFile state, Collection<Path> directories) throws Refusal {
        List<Path> files = new ArrayList<>();
        Leftovers worst = new Leftovers(Memory.NONE, files, null, null);
        for (Path directory : directories) {
            if (Files.exists(directory, LinkOption.NOFOLLOW_LINKS)) {
                try {
                    // What somebody else could have put there is neither believed nor removed.
                    checkDirectory(directory);
                } catch (IOException e) {
                    throw notLookedAt(directory, e);
                }
            }
            try (DirectoryStream<Path> found = Files.newDirectoryStream(directory, "*" + suffix(image.identity()))) {
                for (Path file : found) {
                    files.add(file);
                    LeftoverReport report = SharedSegment.inspect(file);
                    Memory memory = memory(report, image, state);
                    if (weight(memory) > weight(worst.memory())) {
                        worst = new Leftovers(memory, files, file, report);
                    }
                }
            } catch (NoSuchFileException | NotDirectoryException e) {
                // Nobody has had memory there.
            } catch (IOException e) {
                throw notLookedAt(directory, e);
            }
        }
        return worst;
    }

    private static Memory memory(LeftoverReport report, Image image, @Nullable StateFile state) throws IOException {
        return switch (report.leftover()) {
            case NONE, UNFINISHED -> Memory.NONE;
            case IN_USE -> Memory.IN_USE;
            case UNREADABLE -> Memory.UNREADABLE;
            case WHOLE -> {
                boolean isChanged = report.dirtyChunks() > 0;
                if (isOfAttachment(report, image, state)) {
                    yield isChanged ? Memory.CHANGES : Memory.LOADED;
                }
                yield isChanged ? Memory.FOREIGN : Memory.NONE;
            }
        };
    }

    private static boolean isOfAttachment(LeftoverReport report, Image image, @Nullable StateFile state)
            throws IOException {
        SegmentLayout layout = report.layout();
        return state != null
                && layout != null
                && report.generation() != 0
                && report.generation() == state.generation()
                && state.deviceId().equals(report.device())
                && report.isOfThisBoot()
                && image.identity().equals(report.image())
                && image.sizeBytes() == layout.sizeBytes();
    }

    /** Of several segments the one counts of which most must be said. */
    private static int weight(Memory memory) {
        return switch (memory) {
            case NONE -> 0;
            case LOADED -> 1;
            case CHANGES -> 2;
            case FOREIGN -> 3;
            case UNREADABLE -> 4;
            case IN_USE -> 5;
        };
    }

    private static Refusal notLookedAt(Path directory, IOException e) {
        return new Refusal(Refusal.Kind.FAILED, "memory in " + directory + " can't be looked at: " + e.getMessage(), e);
    }

    /** The image's identity is part of the name, so that what was left is found under any device name. */
    private static String suffix(ImageIdentity identity) {
        return String.format("-%x-%x.ram", identity.device(), identity.inode());
    }

    /** Where the memory of a device is going to lie. */
    static Path path(DeviceOptions options, Image image) throws Refusal {
        try {
            return options.ramDirectory().resolve(options.name() + suffix(image.identity()));
        } catch (IOException e) {
            throw notTaken(options, e);
        }
    }

    /** Takes the memory of a device. What was found of earlier memory has been dealt with. */
    static SharedSegment create(DeviceOptions options, Image image) throws Refusal {
        try {
            prepareDirectory(options.ramDirectory());
            SegmentLayout layout = new SegmentLayout(image.sizeBytes(), options.chunkBytes(), options.clientCountMax());
            Path path = path(options, image);
            if (Files.exists(path, LinkOption.NOFOLLOW_LINKS)) {
                throw new IOException("memory segment " + path + " is in the way");
            }
            return SharedSegment.create(path, layout, options.ram() == RamMode.SPARSE, image.identity());
        } catch (MemoryShortageException e) {
            throw new Refusal(Refusal.Kind.FAILED, String.valueOf(e.getMessage()), e);
        } catch (IOException e) {
            throw notTaken(options, e);
        }
    }

    /**
     * Takes over the memory that was found, as it is.
     *
     * @throws Refusal when it is not as the options want it
     */
    static SharedSegment takeOver(DeviceOptions options, Leftovers found) throws Refusal {
        Path path = Objects.requireNonNull(found.segment());
        if (found.chunkBytes() != options.chunkBytes()) {
            throw new Refusal(
                    Refusal.Kind.USAGE,
                    "memory segment " + path + " of a daemon that is gone has chunks of " + found.chunkBytes()
                            + " bytes, not " + options.chunkBytes() + "; give --chunk " + found.chunkBytes()
                            + ", and another one after a clean stop");
        }
        try {
            return SharedSegment.takeOver(path);
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

    /** Creates the directory for its owner alone, or checks that it is such a one: /dev/shm is everybody's. */
    private static void prepareDirectory(Path directory) throws IOException, Refusal {
        Set<PosixFilePermission> ownerOnly = PosixFilePermissions.fromString("rwx------");
        Path parent = directory.toAbsolutePath().getParent();
        if (parent != null) {
            Files.createDirectories(
                    parent, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwxr-xr-x")));
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
