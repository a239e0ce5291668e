package ramback.attach;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;

/**
 * What is mounted where this process can see it, at one moment, in the kernel's order.
 *
 * @param mounts all of them
 */
record MountTable(List<Mount> mounts) {

    /**
     * Reads the table of this process's mount namespace.
     *
     * @param root the machine's root directory
     */
    static MountTable read(Path root) throws IOException {
        return readFile(root.resolve("proc/self/mountinfo"));
    }

    /** Reads any process's. */
    static MountTable readFile(Path file) throws IOException {
        // Names of directories are bytes; those that are no UTF-8 are none of ours.
        String text = new String(Files.readAllBytes(file), UTF_8);
        List<Mount> mounts = new ArrayList<>();
        for (String line : text.split("\n", -1)) {
            if (!line.isEmpty()) {
                mounts.add(parse(line));
            }
        }
        return new MountTable(List.copyOf(mounts));
    }

    private static Mount parse(String line) throws IOException {
        try {
            return Mount.parse(line);
        } catch (IllegalArgumentException e) {
            throw new IOException("a line of /proc/self/mountinfo that makes no sense: " + line, e);
        }
    }

    /** What is mounted exactly there, the topmost last. */
    List<Mount> at(Path directory) {
        String name = directory.toString();
        return where(mount -> mount.directory().equals(name));
    }

    /**
     * What lies over a mount, so that its directory leads elsewhere; none where it leads there, or the mount is gone.
     */
    Optional<Mount> coverOf(Mount mount) {
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
    List<Mount> where(Predicate<Mount> condition) {
        return mounts.stream().filter(condition).toList();
    }

    /** The same in an order in which it can be unmounted: what lies deeper, or was mounted later, first. */
    static List<Mount> unmountable(List<Mount> mounts) {
        List<Mount> order = new ArrayList<>(mounts.reversed());
        order.sort(Comparator.comparingInt(
                        (Mount mount) -> Path.of(mount.directory()).getNameCount())
                .reversed());
        return order;
    }
}
