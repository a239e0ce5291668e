package ramback.memory;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * The limit on the memory of this process's group (cgroups, version 2), in which the pages of a tmpfs count that it touches first.
 *
 * @param file the file that says so, of this group or of one that it lies in: the lowest of them counts
 * @param limitBytes the limit
 */
public record MemoryCgroup(Path file, long limitBytes) {

    private static final String OWN_GROUP = "0::/";

    /** Returns the limit, or null when there is none to be found. */
    public static @Nullable MemoryCgroup ofThisProcess() {
        return find(Path.of("/"));
    }

    /** The same under another root directory. */
    public static @Nullable MemoryCgroup find(Path root) {
        Path top = root.resolve("sys/fs/cgroup");
        MemoryCgroup lowest = null;
        try {
            for (String line : Files.readAllLines(root.resolve("proc/self/cgroup"))) {
                if (!line.startsWith(OWN_GROUP)) {
                    continue;
                }
                Path group = top.resolve(line.substring(OWN_GROUP.length())).normalize();
                while (group != null && group.startsWith(top)) {
                    MemoryCgroup limit = read(group.resolve("memory.max"));
                    if (limit != null && (lowest == null || limit.limitBytes() < lowest.limitBytes())) {
                        lowest = limit;
                    }
                    group = group.getParent();
                }
            }
        } catch (IOException e) {
            return lowest; // a system without cgroups has no such limit
        }
        return lowest;
    }

    private static @Nullable MemoryCgroup read(Path file) {
        try {
            String text = Files.readString(file).strip();
            return text.equals("max") ? null : new MemoryCgroup(file, Long.parseLong(text));
        } catch (IOException | NumberFormatException e) {
            return null; // the top group has no such file, and a group that is not delegated shows none
        }
    }
}
