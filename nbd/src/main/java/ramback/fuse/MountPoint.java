package ramback.fuse;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import ramback.posix.Descriptors;
import ramback.posix.Errno;
import ramback.posix.Mount;
import ramback.posix.MountTable;
import ramback.posix.Mounts;
import ramback.posix.Posix;
import ramback.posix.PosixException;
import ramback.posix.Spawn;
import ramback.posix.Vectors;

/**
 * A directory on which a FUSE filesystem is mounted: by root with mount(2), by others through fusermount3, which may
 * do it for them and passes the descriptor on (fusermount3(1)).
 */
final class MountPoint {

    /** What the mount table shows as the type. */
    static final String TYPE = "fuse.ramback";

    /** The device over which the kernel speaks with FUSE servers (fuse(4)). */
    static final Path KERNEL = Path.of("/dev/fuse");

    private static final String HELPER = "fusermount3";
    private static final int MESSAGE_BYTES_MAX = 1024;
    private static final int ROOT = 0;

    private static final Logger LOG = System.getLogger(MountPoint.class.getPackageName());

    private final Path directory;
    /** Its device number as the mount table has it, MAJOR:MINOR; tells it from what others mount over it. */
    private final String device;

    private MountPoint(Path directory, String device) {
        this.directory = directory;
        this.device = device;
    }

    /** A mount point and the descriptor of its connection. */
    record Mounted(MountPoint point, int fd) {}

    /** The directory, absolute, without symbolic links. */
    Path directory() {
        return directory;
    }

    /**
     * Mounts on an empty directory that exists.
     *
     * @param source what the mount table shows as the source
     */
    static Mounted mount(Path given, String source) throws IOException {
        Path directory = real(given);
        if (isOurs(MountTable.read().top(directory))) {
            throw new FuseUnavailableException(
                    directory + " is mounted already, or left so by a server that was killed; detach it first");
        }
        int fd = Posix.effectiveUserId() == ROOT ? mountAsRoot(directory, source) : mountByHelper(directory, source);
        boolean found = false;
        try {
            MountPoint point = find(directory);
            found = true;
            return new Mounted(point, fd);
        } finally {
            if (!found) {
                Posix.close(fd);
            }
        }
    }

    /** The mount point that another server left on a directory. */
    static MountPoint find(Path given) throws IOException {
        Path directory = real(given);
        Mount mount = MountTable.read().top(directory);
        if (mount == null || !isOurs(mount)) {
            throw new FuseUnavailableException(directory + " is not mounted any more; attach it again");
        }
        return new MountPoint(directory, mount.device());
    }

    private static boolean isOurs(@Nullable Mount mount) {
        return mount != null && mount.type().equals(TYPE);
    }

    /** Resolves symbolic links but never looks at the directory itself: its server may be gone, or be us. */
    private static Path real(Path given) throws IOException {
        Path absolute = given.toAbsolutePath().normalize();
        Path parent = absolute.getParent();
        Path name = absolute.getFileName();
        if (parent == null || name == null) {
            throw new FuseUnavailableException("nothing can be mounted on " + absolute + "; name another directory");
        }
        return parent.toRealPath().resolve(name);
    }

    // ------------------------------------------------------------------------------------------------------- mounting

    private static int open() throws IOException {
        try {
            return Posix.open(KERNEL, Posix.O_RDWR, 0);
        } catch (PosixException e) {
            String advice = e.errno() == Errno.EACCES || e.errno() == Errno.EPERM
                    ? "it is not for this user, or this container"
                    : "the kernel has no FUSE here (modprobe fuse)";
            throw new FuseUnavailableException(KERNEL + ": " + e.text() + ": " + advice, e);
        }
    }

    private static int mountAsRoot(Path directory, String source) throws IOException {
        int fd = open();
        boolean mounted = false;
        try {
            // Everybody may look, within the files' modes: the device is its owner's alone.
            String options = "fd=" + fd + ",rootmode=40000,user_id=" + ROOT + ",group_id=" + Posix.effectiveGroupId()
                    + ",default_permissions,allow_other";
            Mounts.mount(source, directory, TYPE, Mounts.MS_NOSUID | Mounts.MS_NODEV | Mounts.MS_NOEXEC, options);
            mounted = true;
            return fd;
        } catch (PosixException e) {
            String advice = e.errno() == Errno.EPERM || e.errno() == Errno.EACCES
                    ? "; mounting needs CAP_SYS_ADMIN, which this service or container has not"
                    : "";
            throw new FuseUnavailableException("cannot mount on " + directory + ": " + e.text() + advice, e);
        } finally {
            if (!mounted) {
                Posix.close(fd);
            }
        }
    }

    private static int mountByHelper(Path directory, String source) throws IOException {
        Path helper = helper().orElseThrow(MountPoint::noHelper);
        List<String> command = List.of(
                HELPER,
                "-o",
                "default_permissions,nosuid,nodev,noexec,subtype=ramback,fsname=" + source,
                "--",
                directory.toString());
        Descriptors.Pair passing = Descriptors.socketPair(Descriptors.SOCK_STREAM);
        Descriptors.Pair telling = Descriptors.socketPair(Descriptors.SOCK_STREAM);
        int fd;
        String said;
        try {
            int process;
            try {
                List<String> environment =
                        List.of("_FUSE_COMMFD=" + Spawn.INHERITED_FD, "PATH=/usr/bin:/bin", "LC_ALL=C");
                process = Spawn.start(helper, command, environment, passing.second(), telling.second());
            } finally {
                Posix.close(passing.second());
                Posix.close(telling.second());
            }
            fd = Descriptors.receive(passing.first());
            said = readAll(telling.first());
            Spawn.await(process);
        } finally {
            Posix.close(passing.first());
            Posix.close(telling.first());
        }
        if (fd < 0) {
            throw new FuseUnavailableException("cannot mount on " + directory + ": "
                    + (said.isBlank()
                            ? HELPER + " failed"
                            : said.strip().lines().findFirst().orElseThrow()));
        }
        return fd;
    }

    private static String readAll(int socket) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment text = arena.allocate(MESSAGE_BYTES_MAX);
            MemorySegment vector = arena.allocate(Vectors.BYTES, Long.BYTES);
            int length = 0;
            while (length < MESSAGE_BYTES_MAX) {
                Vectors.set(vector, 0, text.address() + length, MESSAGE_BYTES_MAX - length);
                long received = Vectors.read(socket, vector.address(), 1);
                if (received <= 0) {
                    break;
                }
                length += (int) received;
            }
            return new String(text.asSlice(0, length).toArray(ValueLayout.JAVA_BYTE), StandardCharsets.UTF_8);
        }
    }

    private static Optional<Path> helper() {
        String path = System.getenv().getOrDefault("PATH", "");
        return Stream.concat(Stream.of(path.split(":", -1)), Stream.of("/usr/bin", "/bin"))
                .filter(folder -> folder.startsWith("/"))
                .map(folder -> Path.of(folder, HELPER))
                .filter(Files::isExecutable)
                .findFirst();
    }

    private static FuseUnavailableException noHelper() {
        return new FuseUnavailableException(
                "only root mounts without " + HELPER + ", which is not installed; install fuse3");
    }

    /** Why nothing can be mounted here, as far as that can be seen without trying. */
    static Optional<String> unavailable() {
        try {
            Posix.close(open());
        } catch (IOException e) {
            return Optional.ofNullable(e.getMessage());
        }
        if (Posix.effectiveUserId() != ROOT && helper().isEmpty()) {
            return Optional.ofNullable(noHelper().getMessage());
        }
        return Optional.empty();
    }

    // ----------------------------------------------------------------------------------------------------- unmounting

    /**
     * Unmounts, also while programs use it, whose requests fail from then on. Does nothing when it is unmounted
     * already, or something else is mounted over it.
     */
    void unmount() {
        try {
            Mount top = MountTable.read().top(directory);
            if (top != null && top.device().equals(device)) {
                unmount(directory);
            }
        } catch (IOException e) {
            LOG.log(Level.WARNING, () -> "fuse: " + directory + " is still mounted: " + e.getMessage());
        }
    }

    /** Unmounts what any server of ours left on a directory. */
    static void clean(Path given) throws IOException {
        Path directory = real(given);
        while (isOurs(MountTable.read().top(directory))) {
            unmount(directory);
        }
    }

    private static void unmount(Path directory) throws IOException {
        if (Posix.effectiveUserId() == ROOT) {
            Mounts.unmount(directory, Mounts.MNT_FORCE | Mounts.MNT_DETACH);
        } else {
            unmountByHelper(directory);
        }
    }

    private static void unmountByHelper(Path directory) throws IOException {
        Path helper = helper().orElseThrow(MountPoint::noHelper);
        Process process = new ProcessBuilder(helper.toString(), "-u", "-z", "--", directory.toString())
                .redirectErrorStream(true)
                .start();
        process.getOutputStream().close();
        String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        try {
            if (process.waitFor() != 0) {
                throw new IOException(said.strip());
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Whether it is still there, as this process sees it. */
    boolean isMounted() {
        try {
            return MountTable.read().at(directory).stream()
                    .anyMatch(mount -> mount.device().equals(device));
        } catch (IOException e) {
            return true;
        }
    }
}
