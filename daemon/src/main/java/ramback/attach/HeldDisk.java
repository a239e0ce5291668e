package ramback.attach;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import ramback.engine.Refusal;
import ramback.posix.Posix;
import ramback.posix.PosixException;

/**
 * A device's block device that is kept open while programs are told its name, one after the other: the number of a loop
 * device, or of one of nbd, is nobody else's as long as somebody has it open. For one thread.
 */
public final class HeldDisk implements AutoCloseable {

    private final Path root;
    private final Path directory;
    private final Path path;
    private final String life;
    private final int fd;

    private HeldDisk(Path root, Path directory, Path path, String life, int fd) {
        this.root = root;
        this.directory = directory;
        this.path = path;
        this.life = life;
        this.fd = fd;
    }

    /**
     * Opens a block device, which must be closed again before it can be released.
     *
     * @param directory the device's directory
     * @param path the block device, such as {@code /dev/loop0}
     * @throws Refusal when it can't be opened, or is not the device's (any more)
     */
    public static HeldDisk hold(Path directory, Path path) throws Refusal {
        return hold(Path.of("/"), directory, path);
    }

    static HeldDisk hold(Path root, Path directory, Path path) throws Refusal {
        try {
            int fd = Posix.open(root.resolve(path.toString().substring(1)), Posix.O_RDONLY | Posix.O_NONBLOCK, 0);
            HeldDisk held = new HeldDisk(root, directory, path, life(root, path), fd);
            boolean isOurs = false;
            try {
                held.check();
                isOurs = true;
                return held;
            } finally {
                if (!isOurs) {
                    held.close();
                }
            }
        } catch (PosixException e) {
            throw new Refusal(Refusal.Kind.FAILED, "cannot open " + path + ": " + e.text(), e);
        }
    }

    private static String life(Path root, Path path) {
        return new BlockDevices(root).life(path.getFileName().toString());
    }

    /**
     * Makes sure that the name still means it: not every driver keeps a number for as long as somebody has it open.
     *
     * @throws Refusal when it does not
     */
    public void check() throws Refusal {
        try {
            boolean isPart = Parts.find(root, directory)
                    .disks()
                    .contains(path.getFileName().toString());
            if (!isPart || !life(root, path).equals(life)) {
                throw new Refusal(
                        Refusal.Kind.FAILED,
                        path
                                + " was taken away meanwhile, and may be another's; nothing was written to it, attach again");
            }
        } catch (IOException e) {
            throw new Refusal(Refusal.Kind.FAILED, "cannot see what " + path + " is: " + e.getMessage(), e);
        }
    }

    /** Where something of it is mounted for this process, which its daemon may not see. */
    public List<String> mountPoints() throws Refusal {
        try {
            return Parts.find(root, directory).mountPoints();
        } catch (IOException e) {
            throw new Refusal(Refusal.Kind.FAILED, "cannot see where " + path + " is mounted: " + e.getMessage(), e);
        }
    }

    /** Where it is. */
    public Path path() {
        return path;
    }

    @Override
    public void close() {
        try {
            Posix.close(fd);
        } catch (PosixException e) {
            // It is closed all the same (close(2)).
        }
    }
}
