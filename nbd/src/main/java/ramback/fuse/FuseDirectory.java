package ramback.fuse;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import ramback.device.Device;
import ramback.device.TooManySessionsException;
import ramback.posix.Descriptors;
import ramback.posix.Posix;
import ramback.posix.PosixException;
import ramback.traffic.Traffic;

/**
 * A directory that shows a device as the file {@code disk}, beside text files. The file behaves as a block device
 * does, as far as a file can: it has the device's size and keeps it, what is written is not kept in the page cache,
 * fsync(2) makes it durable, fallocate(2) punches holes and zeroes, and lseek(2) finds them; so a loop device with
 * direct I/O on it flushes and discards. It is its owner's alone (mode 0600).
 *
 * <p>It ends with {@link #close}, when somebody unmounts it, or with the process; whoever uses it then gets errors.
 * May be used by any thread.
 */
public final class FuseDirectory implements AutoCloseable {

    /**
     * Request threads, each with a session of the device: at least two, so that one that is busy with a long discard,
     * or waits for room, leaves the other to the rest; no more than four, each costs a session.
     */
    private static final int THREAD_COUNT = Math.clamp(Runtime.getRuntime().availableProcessors(), 2, 4);

    private final MountPoint point;
    private final FuseServer server;
    private final int fd;

    private FuseDirectory(MountPoint point, FuseServer server, int fd) {
        this.point = point;
        this.server = server;
        this.fd = fd;
    }

    /** Why no directory can be mounted here, in a line for the operator, as far as that can be seen without trying. */
    public static Optional<String> unavailable() {
        return MountPoint.unavailable();
    }

    /**
     * Mounts a device. Root mounts by itself, and lets every user look at the text files; others need fusermount3, and
     * are alone with what they mount.
     *
     * @param directory exists, and is empty; nothing stale is mounted on it
     * @param files have different names
     * @param traffic where what is asked of the device is counted
     * @throws FuseUnavailableException when it can't be mounted here, with the reason
     * @throws TooManySessionsException when the device has not as many sessions left: two, on more than two processors
     *     up to four
     */
    public static FuseDirectory mount(Device device, Path directory, List<FuseFile> files, Traffic traffic)
            throws IOException, TooManySessionsException {
        return mount(device, directory, files, traffic, THREAD_COUNT);
    }

    static FuseDirectory mount(Device device, Path directory, List<FuseFile> files, Traffic traffic, int threadCount)
            throws IOException, TooManySessionsException {
        Tree tree = new Tree(device, files, System.currentTimeMillis());
        MountPoint.Mounted mounted = MountPoint.mount(directory, device.name());
        return serve(mounted.point(), mounted.fd(), device, tree, traffic, threadCount, true);
    }

    /**
     * Takes over a directory that a server {@linkplain #leave left} in this process, before it became this program:
     * what was asked of it meanwhile is answered now.
     *
     * @param fd what {@link #leave} returned
     * @param device the same, with chunks of the same size
     * @param files the same ones in the same order
     * @param traffic where what is asked of the device is counted
     * @throws FuseUnavailableException when it was unmounted meanwhile; the descriptor is closed then
     */
    public static FuseDirectory resume(int fd, Device device, Path directory, List<FuseFile> files, Traffic traffic)
            throws IOException, TooManySessionsException {
        MountPoint point;
        Tree tree;
        try {
            point = MountPoint.find(directory);
            tree = new Tree(device, files, System.currentTimeMillis());
            Descriptors.closeOnExec(fd, true);
        } catch (IOException | RuntimeException | Error e) {
            closeQuietly(fd, e);
            throw e;
        }
        return serve(point, fd, device, tree, traffic, THREAD_COUNT, false);
    }

    private static FuseDirectory serve(
            MountPoint point, int fd, Device device, Tree tree, Traffic traffic, int threadCount, boolean isNew)
            throws IOException, TooManySessionsException {
        boolean serving = false;
        try {
            FuseDirectory directory =
                    new FuseDirectory(point, FuseServer.start(fd, device, tree, traffic, threadCount, isNew), fd);
            serving = true;
            return directory;
        } finally {
            if (!serving) {
                point.unmount();
            }
        }
    }

    private static void closeQuietly(int fd, Throwable reason) {
        try {
            Posix.close(fd);
        } catch (PosixException e) {
            reason.addSuppressed(e);
        }
    }

    /** Where the device is. */
    public Path disk() {
        return point.directory().resolve(Tree.DISK_NAME);
    }

    /** Whether it is mounted and served. */
    public boolean isAlive() {
        return server.isAlive() && point.isMounted();
    }

    /**
     * Stops serving and leaves the directory mounted, for another program that this process becomes: all that was
     * asked is answered first (programs that wait for a word get EINTR), and what is asked from now on waits. After
     * that the object is of no use.
     *
     * @return the descriptor to {@link #resume} with, which stays open over execve(2); empty when it was unmounted
     *     meanwhile
     */
    public Optional<Integer> leave() {
        return server.leave() ? Optional.of(fd) : Optional.empty();
    }

    /** Unmounts, also while it is used, and ends the service. What was asked and not answered fails. */
    @Override
    public void close() {
        point.unmount();
        server.stop();
    }

    /**
     * Unmounts what a server that was killed left on a directory; does nothing where none did.
     *
     * @throws IOException when it can't be unmounted
     */
    public static void clean(Path directory) throws IOException {
        MountPoint.clean(directory);
    }
}
