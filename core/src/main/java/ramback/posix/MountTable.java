package ramback.posix;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * What is mounted where some process sees it, at one moment, in the kernel's order. What is no line of a mount table is
 * passed over.
 *
 * @param mounts all of them
 */
public record MountTable(List<Mount> mounts) {

    private static final Path OF_THIS_PROCESS = Path.of("/proc/self/mountinfo");

    /** Reads that of this process's mount namespace. */
    public static MountTable read() throws IOException {
        return read(OF_THIS_PROCESS);
    }

    /**
     * Reads any process's.
     *
     * @param file such as {@code /proc/PID/mountinfo}
     */
    public static MountTable read(Path file) throws IOException {
        return parse(Files.readAllBytes(file));
    }

    /** The table of such text. */
    public static MountTable parse(byte[] text) {
        List<Mount> mounts = new ArrayList<>();
        for (String line : new String(text, ISO_8859_1).split("\n", -1)) {
            Mount.parse(line).ifPresent(mounts::add);
        }
        return new MountTable(List.copyOf(mounts));
    }

    /** What is mounted exactly there, the topmost last. */
    public List<Mount> at(Path directory) {
        String name = Mount.ofText(directory.toString());
        return where(mount -> mount.directory().equals(name));
    }

    /** What was mounted last on a directory, or null. */
    public @Nullable Mount top(Path directory) {
        List<Mount> all = at(directory);
        return all.isEmpty() ? null : all.getLast();
    }

    /**
     * What lies over a mount, so that its directory leads elsewhere; none where it leads there, or the mount is gone.
     */
    public Optional<Mount> coverOf(Mount mount) {
        int at = mounts.indexOf(mount);
        return at < 0
                ? Optional.empty()
                : mounts.subList(at + 1, mounts.size()).stream()
                        .filter(later -> isCovering(later.directory(), mount.directory()))
                        .findFirst();
    }

    private static boolean isCovering(String directory, String other) {
        return other.equals(directory) || other.startsWith(directory.equals("/") ? "/" : directory + "/");
    }

    /** What satisfies a condition, in the order in which it was mounted. */
    public List<Mount> where(Predicate<Mount> condition) {
        return mounts.stream().filter(condition).toList();
    }

    /** The same in an order in which it can be unmounted: what lies deeper, or was mounted later, first. */
    public static List<Mount> unmountable(List<Mount> mounts) {
        List<Mount> order = new ArrayList<>(mounts.reversed());
        order.sort(Comparator.comparingInt(MountTable::depth).reversed());
        return order;
    }

    private static int depth(Mount mount) {
        return Path.of(mount.where()).getNameCount();
    }
}
