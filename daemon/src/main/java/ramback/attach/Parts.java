package ramback.attach;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Predicate;
import ramback.posix.Mount;
import ramback.posix.MountTable;

/**
 * What there is of an attached device on this machine at one moment, found from what the kernel shows: so it makes no
 * difference who made it, who has been killed since, and what was taken away by hand.
 *
 * @param fuse the FUSE directories mounted at {@code RUNDIR/NAME/fuse}, the topmost last
 * @param disks the names of the block devices that are the device: loop devices over its file, and the one that is
 *     recorded
 * @param filesystems what is mounted of these and of their partitions, where this process can see it
 * @param record the recorded block device, if it is there
 */
public record Parts(List<Mount> fuse, List<String> disks, List<Mount> filesystems, Optional<AttachRecord> record) {

    /** Where in a device's directory its FUSE directory is mounted. */
    public static final String FUSE_DIRECTORY = "fuse";

    /** The file in it that is the device. */
    public static final String FUSE_DISK = "disk";

    /**
     * In a device's directory: a loop device and the number of its life, as long as there is one, for when its file
     * can't be named any more.
     */
    static final String LOOP_FILE_NAME = "loop";

    /** Where stable names of block devices are made. */
    static final String LINKS = "dev/ramback";

    /** Nothing at all. */
    static final Parts NONE = new Parts(List.of(), List.of(), List.of(), Optional.empty());

    /**
     * Looks for the parts of a device.
     *
     * @param root the machine's root directory
     * @param directory the device's directory, {@code RUNDIR/NAME}; it need not exist
     * @throws IOException when {@code /proc} or {@code /sys} can't be read
     */
    public static Parts find(Path root, Path directory) throws IOException {
        Path real = real(directory);
        MountTable mounts = mountTable(root);
        BlockDevices blocks = new BlockDevices(root);
        Optional<AttachRecord> record = AttachRecord.read(directory).filter(found -> isThere(blocks, found));
        List<Mount> fuse = mounts.at(real.resolve(FUSE_DIRECTORY));
        List<String> disks = new ArrayList<>(loops(blocks, real, !fuse.isEmpty()));
        record.ifPresent(found -> disks.add(found.diskName()));
        return new Parts(
                fuse,
                List.copyOf(disks),
                disks.isEmpty() ? List.of() : filesystems(root, mounts, blocks, disks),
                record);
    }

    /** As above, on this machine. */
    public static Parts find(Path directory) throws IOException {
        return find(Path.of("/"), directory);
    }

    /** That of this process's mount namespace. */
    static MountTable mountTable(Path root) throws IOException {
        return MountTable.read(root.resolve("proc/self/mountinfo"));
    }

    /** The kernel names files by their real paths. */
    static Path real(Path directory) {
        try {
            return directory.toRealPath();
        } catch (IOException e) {
            return directory.toAbsolutePath().normalize();
        }
    }

    /** Whether a recorded block device is there, and not another one of its number. */
    static boolean isThere(BlockDevices blocks, AttachRecord record) {
        boolean isUsed = switch (record.via()) {
            case UBLK -> blocks.isInUse(record.diskName());
            case NBD -> blocks.isConnected(record.number()); // the others of its kind are idle
            case FUSE -> false;
        };
        // Where the kernel did not tell, whoever takes it asks whose it is.
        return isUsed && (record.disk().isEmpty() || record.disk().equals(blocks.life(record.diskName())));
    }

    /**
     * @param isMounted whether the FUSE directory is mounted here: where it is not, a loop device whose file has its
     *     name is one of another mount namespace
     */
    private static List<String> loops(BlockDevices blocks, Path directory, boolean isMounted) throws IOException {
        String file = fileOf(directory);
        String noted = notedLoop(directory);
        return blocks.loops().stream()
                .filter(loop -> (isMounted && file.equals(blocks.backingFile(loop)))
                        // Of a mount that was taken away lazily the kernel names files from that mount's own root.
                        || noted.equals(loop + " " + blocks.life(loop)))
                .toList();
    }

    private static String fileOf(Path directory) {
        return directory.resolve(FUSE_DIRECTORY).resolve(FUSE_DISK).toString();
    }

    private static String notedLoop(Path directory) {
        try {
            return Files.readString(directory.resolve(LOOP_FILE_NAME)).strip();
        } catch (IOException e) {
            return "";
        }
    }

    /**
     * Notes which loop device was made over the device's file.
     *
     * @throws IOException when it is over another one by now
     */
    public static void noteLoop(Path directory, String loop) throws IOException {
        noteLoop(Path.of("/"), directory, loop);
    }

    static void noteLoop(Path root, Path directory, String loop) throws IOException {
        BlockDevices blocks = new BlockDevices(root);
        String life = blocks.life(loop);
        if (!fileOf(real(directory)).equals(blocks.backingFile(loop)) || !life.equals(blocks.life(loop))) {
            throw new IOException("it was taken away meanwhile");
        }
        if (!life.isEmpty()) {
            AttachRecord.write(directory.resolve(LOOP_FILE_NAME), loop + " " + life);
        }
    }

    private static List<Mount> filesystems(Path root, MountTable mounts, BlockDevices blocks, List<String> disks) {
        return mounts.where(isOf(root, blocks, disks));
    }

    /** Who sees something of the device mounted, in whichever mount namespace; this process not. */
    Users usersOfMounts(Path root) {
        return disks.isEmpty() ? Users.NONE : Users.ofMounts(root, isOf(root, new BlockDevices(root), disks));
    }

    private static Predicate<Mount> isOf(Path root, BlockDevices blocks, List<String> disks) {
        Set<String> numbers = new HashSet<>();
        Set<String> sources = new HashSet<>();
        for (String disk : disks) {
            for (String member : blocks.family(disk)) {
                numbers.add(blocks.number(member));
                sources.add("/dev/" + member);
            }
        }
        return mount -> numbers.contains(mount.device())
                // btrfs, for one, is on several devices and has a number of its own.
                || (mount.what().startsWith("/dev/") && sources.contains(realSource(root, mount.what())));
    }

    private static String realSource(Path root, String source) {
        try {
            Path path = root.resolve(source.substring(1));
            return Files.isSymbolicLink(path)
                    ? path.resolveSibling(Files.readSymbolicLink(path))
                            .normalize()
                            .toString()
                    : source;
        } catch (IOException e) {
            return source;
        }
    }

    /** Whether a file in a device's directory is there for as long as the device is attached. */
    public static boolean isPartOf(String fileName) {
        return fileName.equals(FUSE_DIRECTORY)
                || fileName.equals(LOOP_FILE_NAME)
                || fileName.equals(AttachRecord.FILE_NAME);
    }

    /** Whether nothing of the device is attached. */
    public boolean isNone() {
        return fuse.isEmpty() && disks.isEmpty();
    }

    /**
     * What a user would use: the block device, or where there is none the file.
     *
     * @param directory the device's directory
     */
    public String device(Path directory) {
        return disks.isEmpty()
                ? directory.resolve(FUSE_DIRECTORY).resolve(FUSE_DISK).toString()
                : "/dev/" + disks.getFirst();
    }

    /** By which way it was attached, as far as that can be seen; none when nothing is. */
    public Optional<Via> via() {
        return record.map(AttachRecord::via).or(() -> isNone() ? Optional.empty() : Optional.of(Via.FUSE));
    }

    /** Where something of it is mounted. */
    public List<String> mountPoints() {
        return filesystems.stream().map(Mount::where).distinct().toList();
    }

    /** The stable name of a device of this name. */
    public static Path link(String name) {
        return link(Path.of("/"), name);
    }

    static Path link(Path root, String name) {
        return root.resolve(LINKS).resolve(name);
    }
}
