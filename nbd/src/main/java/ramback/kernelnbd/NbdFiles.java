package ramback.kernelnbd;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import ramback.posix.Capabilities;

/**
 * What the kernel tells of its NBD devices in files: {@code pid} is there while one is connected, {@code backend}
 * says whose it is (Linux 5.14), {@code mq} has a directory a connection.
 *
 * @param blocks {@code /sys/block}
 * @param devices {@code /dev}
 * @param processes {@code /proc}
 */
record NbdFiles(Path blocks, Path devices, Path processes) {

    static final NbdFiles SYSTEM = new NbdFiles(Path.of("/sys/block"), Path.of("/dev"), Path.of("/proc"));

    private static final Pattern NAME = Pattern.compile("nbd(0|[1-9][0-9]{0,6})");
    private static final Pattern RELEASE = Pattern.compile("([0-9]{1,3})\\.([0-9]{1,3})");
    private static final int SECTOR_BYTES = 512;
    /** Of a line of {@code /proc/net/unix}: number, references, protocol, flags, type, state, inode, path. */
    private static final int UNIX_INODE_FIELD = 6;

    /** All that the driver has made, connected or not, ascending. */
    List<Integer> indexes() throws IOException {
        List<Integer> indexes = new ArrayList<>();
        try (Stream<Path> entries = Files.list(blocks)) {
            for (Path entry : entries.toList()) {
                Matcher matcher = NAME.matcher(entry.getFileName().toString());
                if (matcher.matches()) {
                    indexes.add(Integer.valueOf(matcher.group(1)));
                }
            }
        } catch (NoSuchFileException e) {
            return List.of();
        }
        return indexes.stream().sorted().toList();
    }

    boolean isConnected(int index) {
        return Files.exists(file(index, "pid"));
    }

    /** Whether the kernel tells whose they are: since Linux 5.14. */
    boolean tellsBackends() {
        try {
            Matcher release = RELEASE.matcher(Files.readString(processes.resolve("sys/kernel/osrelease"), ISO_8859_1));
            return !release.lookingAt()
                    || 1000 * Integer.parseInt(release.group(1)) + Integer.parseInt(release.group(2)) >= 5014;
        } catch (IOException e) {
            return true;
        }
    }

    /** Whose it is, or null where nobody has said so. */
    @Nullable
    String backend(int index) throws IOException {
        String text = text(file(index, "backend"));
        return text == null || text.isEmpty() ? null : text;
    }

    long sizeBytes(int index) throws IOException {
        return number(file(index, "size")) * SECTOR_BYTES;
    }

    boolean isReadOnly(int index) throws IOException {
        return number(file(index, "ro")) != 0;
    }

    /**
     * How many connections it was made with: each has a queue, as long as there are no more of them than processors.
     */
    int connectionCount(int index) throws IOException {
        try (Stream<Path> queues = Files.list(file(index, "mq"))) {
            return Math.max(1, (int) queues.count());
        }
    }

    /**
     * How long a request may take before the driver looks after it; an earlier one keeps the time that it was begun
     * with.
     */
    long requestTimeoutMillis(int index) throws IOException {
        return number(file(index, "queue/io_timeout"));
    }

    void setRequestTimeoutMillis(int index, long millis) throws IOException {
        Files.writeString(file(index, "queue/io_timeout"), millis + "\n");
    }

    /** The block device's special file. */
    Path node(int index) {
        return devices.resolve("nbd" + index);
    }

    /** Whether anybody has a Unix socket, by its inode's number; true also where that is not told. */
    boolean hasUnixSocket(long inode) throws IOException {
        Path file = processes.resolve("net/unix");
        if (!Files.isReadable(file)) {
            return true;
        }
        String wanted = Long.toString(inode);
        try (Stream<String> lines = Files.lines(file, ISO_8859_1)) {
            return lines.map(line -> line.strip().split(" +"))
                    .anyMatch(fields -> fields.length > UNIX_INODE_FIELD && fields[UNIX_INODE_FIELD].equals(wanted));
        }
    }

    /** Whether the process has the right that the driver asks for, in its own user namespace. */
    boolean mayAdministrate() throws IOException {
        return Capabilities.isEffective(processes.resolve("self/status"), Capabilities.SYS_ADMIN);
    }

    private Path file(int index, String name) {
        return blocks.resolve("nbd" + index).resolve(name);
    }

    private static long number(Path file) throws IOException {
        String text = text(file);
        try {
            return Long.parseLong(text == null ? "" : text);
        } catch (NumberFormatException e) {
            throw new IOException(file + " has '" + text + "' where a number belongs", e);
        }
    }

    private static @Nullable String text(Path file) throws IOException {
        try {
            return new String(Files.readAllBytes(file), UTF_8).strip();
        } catch (NoSuchFileException e) {
            return null;
        }
    }
}
