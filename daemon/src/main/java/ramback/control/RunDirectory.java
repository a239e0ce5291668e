package ramback.control;

import static java.nio.charset.StandardCharsets.UTF_8;

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
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import ramback.engine.Refusal;

/**
 * Where running devices are found: {@code RUNDIR/NAME/} holds a device's pid, lock and sockets. Only its owner enters
 * it (mode 0700), so that whoever can reach a control socket is who started the device.
 *
 * <pre>
 * RUNDIR/              0700
 *   NAME/              0700
 *     lock             held by the daemon for as long as it runs: decides who is NAME
 *     pid              of the daemon, decimal, for people and scripts; decides nothing
 *     control.sock     0600, HTTP
 *     nbd.sock         0600, NBD, unless --socket says otherwise
 *     orders           0600, what people and scripts have said that holds (Orders), for who takes the device over
 *     http-token       0600, what --http asks for before it changes anything
 *     attach.lock      0600, held by a command that attaches or detaches the device
 *     attachment       0600, the block device that it is attached as (AttachRecord), for who takes the device over
 *     loop             0600, the loop device over fuse/disk, for when that can't be named any more (Parts)
 *     fuse/            0700, the FUSE directory, while it is mounted
 * </pre>
 */
public final class RunDirectory {

    /** The longest path of a Unix socket in bytes: {@code sun_path} holds 108 with the NUL that ends it (unix(7)). */
    public static final int SOCKET_PATH_BYTES_MAX = 107;

    /** The variable that names the run directory for every command. */
    public static final String VARIABLE = "RAMBACK_RUN_DIR";

    private static final Set<PosixFilePermission> OWNER_ENTERS = PosixFilePermissions.fromString("rwx------");
    private static final Set<PosixFilePermission> OTHERS_PASS = PosixFilePermissions.fromString("rwxr-xr-x");
    private static final Set<PosixFilePermission> OTHERS_WRITE =
            EnumSet.of(PosixFilePermission.GROUP_WRITE, PosixFilePermission.OTHERS_WRITE);

    private final Path path;

    /** The run directory at this path, which need not exist. */
    public RunDirectory(Path path) {
        this.path = path.toAbsolutePath().normalize();
    }

    /**
     * Finds the run directory: the option, else the variable, else {@code /run/ramback} for root and
     * {@code $XDG_RUNTIME_DIR/ramback} for everybody else.
     *
     * @throws Refusal of kind USAGE when none of them says where
     */
    public static RunDirectory find(@Nullable Path option, Map<String, String> environment) throws Refusal {
        if (option != null) {
            return new RunDirectory(option);
        }
        String variable = environment.get(VARIABLE);
        if (variable != null && !variable.isEmpty()) {
            return new RunDirectory(Path.of(variable));
        }
        if (isRoot()) {
            return new RunDirectory(Path.of("/run/ramback"));
        }
        String runtime = environment.get("XDG_RUNTIME_DIR");
        if (runtime != null && !runtime.isEmpty()) {
            return new RunDirectory(Path.of(runtime, "ramback"));
        }
        throw new Refusal(
                Refusal.Kind.USAGE,
                "no run directory: XDG_RUNTIME_DIR is not set; pass --run-dir DIR or set " + VARIABLE);
    }

    private static boolean isRoot() {
        try {
            return ownUid() == 0;
        } catch (IOException e) {
            return false; // no /proc: whoever runs there says where
        }
    }

    /** Who this process is: the owner of its directory in /proc, behind the link that root owns. */
    private static int ownUid() throws IOException {
        return (int) Files.getAttribute(Path.of("/proc/self"), "unix:uid");
    }

    private static int uidOf(Path file) throws IOException {
        return (int) Files.getAttribute(file, "unix:uid", LinkOption.NOFOLLOW_LINKS);
    }

    /** The directory itself, absolute. */
    public Path path() {
        return path;
    }

    /** The directory of a device. */
    public Path of(String name) {
        return path.resolve(name);
    }

    /** The control socket of a device. */
    public Path controlSocket(String name) {
        return of(name).resolve("control.sock");
    }

    /** The socket on which a device is served unless told otherwise. */
    public Path nbdSocket(String name) {
        return of(name).resolve("nbd.sock");
    }

    /** The file with the token of a device's dashboard on TCP. */
    public Path httpToken(String name) {
        return of(name).resolve("http-token");
    }

    Path ordersFile(String name) {
        return of(name).resolve("orders");
    }

    Path pidFile(String name) {
        return of(name).resolve("pid");
    }

    /**
     * Returns the names of all devices that have a directory, sorted; whether their daemons live is not looked at.
     *
     * @throws Refusal of kind FAILED when the directory can't be read
     */
    public List<String> names() throws Refusal {
        List<String> names = new ArrayList<>();
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(path)) {
            for (Path entry : entries) {
                String name = entry.getFileName().toString();
                // A directory without a lock is one that is just being made or removed.
                if (DeviceName.isValid(name) && Files.exists(entry.resolve("lock"), LinkOption.NOFOLLOW_LINKS)) {
                    names.add(name);
                }
            }
        } catch (NoSuchFileException | NotDirectoryException e) {
            return List.of();
        } catch (IOException e) {
            throw new Refusal(Refusal.Kind.FAILED, "cannot read the run directory " + path + ": " + reason(e), e);
        }
        names.sort(null);
        return names;
    }

    /**
     * Returns the device that a command without a name means: the only one.
     *
     * @throws Refusal of kind NO_DEVICE when there is none, USAGE when there are several
     */
    public String only() throws Refusal {
        List<String> names = names();
        return switch (names.size()) {
            case 0 ->
                throw new Refusal(
                        Refusal.Kind.NO_DEVICE,
                        "no device is running (looked in " + path + "); start one with 'ramback up IMAGE'");
            case 1 -> names.getFirst();
            default ->
                throw new Refusal(
                        Refusal.Kind.USAGE,
                        names.size() + " devices are running: " + String.join(", ", names) + "; name the one you mean");
        };
    }

    /** Makes the run directory if it is missing, and refuses one that somebody else could tamper with. */
    void make() throws Refusal {
        try {
            Path parent = path.getParent();
            if (parent != null) {
                Files.createDirectories(parent, PosixFilePermissions.asFileAttribute(OTHERS_PASS));
            }
            makePrivate(path);
            if (uidOf(path) != ownUid()) {
                throw new Refusal(
                        Refusal.Kind.FAILED,
                        "the run directory " + path + " belongs to uid " + uidOf(path)
                                + ", not to you; choose another with --run-dir");
            }
            if (Files.getPosixFilePermissions(path).stream().anyMatch(OTHERS_WRITE::contains)) {
                throw new Refusal(
                        Refusal.Kind.FAILED,
                        "the run directory " + path + " can be written by others; chmod it to 0700 or choose another"
                                + " with --run-dir");
            }
        } catch (IOException e) {
            throw new Refusal(
                    Refusal.Kind.FAILED,
                    "cannot make the run directory " + path + ": " + reason(e) + "; choose another with --run-dir",
                    e);
        }
    }

    /** Makes a directory that only its owner enters, whatever the umask; one that is there already is fine. */
    static void makePrivate(Path directory) throws IOException {
        try {
            Files.createDirectory(directory, PosixFilePermissions.asFileAttribute(OWNER_ENTERS));
        } catch (FileAlreadyExistsException e) {
            if (!Files.isDirectory(directory, LinkOption.NOFOLLOW_LINKS)) {
                throw new NotDirectoryException(directory + " is not a directory");
            }
        }
    }

    /** Returns the pid a device's daemon wrote down, or -1 when there is none to read. */
    public long pid(String name) {
        try {
            return Long.parseLong(Files.readString(pidFile(name)).strip());
        } catch (IOException | NumberFormatException e) {
            return -1;
        }
    }

    /**
     * Refuses a socket path that the system could not bind.
     *
     * @param remedy what to do about it, after a semicolon
     * @throws Refusal of kind USAGE
     */
    public static void checkSocketPath(Path socket, String remedy) throws Refusal {
        int lengthBytes = socket.toString().getBytes(UTF_8).length;
        if (lengthBytes > SOCKET_PATH_BYTES_MAX) {
            throw new Refusal(
                    Refusal.Kind.USAGE,
                    "socket path too long: " + lengthBytes + " bytes, limit " + SOCKET_PATH_BYTES_MAX + " (" + socket
                            + "); " + remedy);
        }
    }

    /** What went wrong, without the path that {@link java.nio.file.FileSystemException} puts before it. */
    public static String reason(IOException e) {
        return switch (e) {
            case NoSuchFileException _ -> "no such file or directory";
            case java.nio.file.AccessDeniedException _ -> "no permission";
            case FileAlreadyExistsException _ -> "exists already";
            case java.nio.file.FileSystemException f when f.getReason() != null -> f.getReason();
            default -> Objects.requireNonNullElse(e.getMessage(), e.toString());
        };
    }
}
