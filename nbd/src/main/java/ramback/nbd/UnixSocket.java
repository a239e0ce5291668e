package ramback.nbd;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.Closeable;
import java.io.IOException;
import java.net.ConnectException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;
import org.jspecify.annotations.Nullable;

/**
 * A listening Unix socket and its file. The file is the owner's alone from its first moment, whatever the umask: it is
 * bound in a new directory that only the owner can enter, given mode 0600, and then renamed into place. A file left by a
 * server that is gone is replaced; a live server's is refused.
 *
 * <p>The JDK takes paths of 106 bytes at most, and the hidden path is longer than the final one, so the socket is bound
 * and probed through short symbolic links in a directory of its own under {@code java.io.tmpdir}.
 */
record UnixSocket(
        ServerSocketChannel channel, Path file, @Nullable Object fileKey) implements Closeable {

    /** The longest path, in bytes, that Linux takes for a Unix socket (unix(7): sun_path, less the final zero). */
    static final int PATH_BYTES_MAX = 107;

    private static final int BACKLOG = 128;
    private static final Set<PosixFilePermission> OWNER_ONLY = PosixFilePermissions.fromString("rw-------");
    private static final Set<PosixFilePermission> OWNER_ENTERS = PosixFilePermissions.fromString("rwx------");

    /**
     * Listens on a path.
     *
     * @throws IOException whose message says what is wrong with the path and what to do
     */
    static UnixSocket listen(Path file) throws IOException {
        int lengthBytes = lengthBytes(file);
        if (lengthBytes > PATH_BYTES_MAX) {
            throw new IOException("socket path is " + lengthBytes + " bytes long, at most " + PATH_BYTES_MAX
                    + " are possible; choose a shorter one with --socket: " + file);
        }
        Path shortcuts = Files.createTempDirectory("nbd");
        try {
            refuseIfTaken(file, shortcuts);
            return listenHidden(file, shortcuts);
        } finally {
            Files.delete(shortcuts);
        }
    }

    private static UnixSocket listenHidden(Path file, Path shortcuts) throws IOException {
        Path directory = makePrivateDirectory(file);
        Path hidden = directory.resolve("s");
        ServerSocketChannel channel = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        Path shortcut = Files.createSymbolicLink(shortcuts.resolve("d"), directory.toAbsolutePath());
        try {
            channel.bind(UnixDomainSocketAddress.of(shortcut.resolve("s")), BACKLOG);
            Files.setPosixFilePermissions(hidden, OWNER_ONLY);
            Object fileKey = keyOf(hidden);
            Files.move(hidden, file, StandardCopyOption.ATOMIC_MOVE);
            return new UnixSocket(channel, file, fileKey);
        } catch (IOException | RuntimeException e) {
            channel.close();
            Files.deleteIfExists(hidden);
            throw e;
        } finally {
            Files.delete(shortcut);
            Files.delete(directory);
        }
    }

    /** Stops listening and removes the file, unless another server's is there by now. */
    @Override
    public void close() throws IOException {
        channel.close();
        try {
            if (Objects.equals(keyOf(file), fileKey)) {
                Files.deleteIfExists(file);
            }
        } catch (NoSuchFileException e) {
            // Somebody removed it before us: what we want.
        }
    }

    private static void refuseIfTaken(Path file, Path shortcuts) throws IOException {
        if (!Files.exists(file, LinkOption.NOFOLLOW_LINKS)) {
            return;
        }
        if (!Files.readAttributes(file, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS)
                .isOther()) {
            throw new IOException(
                    "socket path exists and is not a socket; remove it or choose another with --socket: " + file);
        }
        Path shortcut = Files.createSymbolicLink(shortcuts.resolve("f"), file.toAbsolutePath());
        try (SocketChannel probe = SocketChannel.open(StandardProtocolFamily.UNIX)) {
            probe.configureBlocking(false); // a live server with a full backlog must not hold us up
            probe.connect(UnixDomainSocketAddress.of(shortcut));
        } catch (ConnectException e) {
            return; // nobody listens: the file is a dead server's
        } finally {
            Files.delete(shortcut);
        }
        throw new IOException(
                "socket is in use by a live server; stop that one or choose another path with --socket: " + file);
    }

    private static Path makePrivateDirectory(Path file) throws IOException {
        Path parent = Objects.requireNonNullElse(file.getParent(), Path.of(""));
        while (true) {
            Path directory =
                    parent.resolve(".nbd-" + ThreadLocalRandom.current().nextInt(0, 1 << 24));
            try {
                return Files.createDirectory(directory, PosixFilePermissions.asFileAttribute(OWNER_ENTERS));
            } catch (FileAlreadyExistsException e) {
                // Somebody has this name: take another.
            } catch (NoSuchFileException e) {
                throw new IOException(
                        "no directory for the socket; make it or choose another with --socket: " + file, e);
            }
        }
    }

    private static int lengthBytes(Path path) {
        return path.toString().getBytes(UTF_8).length;
    }

    private static @Nullable Object keyOf(Path file) throws IOException {
        return Files.readAttributes(file, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS)
                .fileKey();
    }
}
