package ramback.fuse;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What is mounted where this process sees it, at one moment, in the kernel's order (proc_pid_mountinfo(5)). Names are
 * bytes there, and whoever mounts chooses them: one that is no UTF-8 is a mount like any other. What is no line of a
 * mount table is passed over.
 *
 * @param mounts all of them
 */
record MountTable(List<Mount> mounts) {

    private static final Path FILE = Path.of("/proc/self/mountinfo");

    private static final int DEVICE_FIELD = 2;
    private static final int DIRECTORY_FIELD = 4;
    /** Behind these come as many others as there are, and a hyphen. */
    private static final int FIXED_FIELD_COUNT = 6;

    /**
     * A line of it.
     *
     * @param device MAJOR:MINOR
     * @param directory where, a character a byte
     * @param type the filesystem's
     */
    record Mount(String device, String directory, String type) {}

    /** Reads that of this process's mount namespace. */
    static MountTable read() throws IOException {
        return parse(Files.readAllBytes(FILE));
    }

    /** The table of such text. */
    static MountTable parse(byte[] text) {
        List<Mount> mounts = new ArrayList<>();
        new String(text, ISO_8859_1).lines().forEach(line -> addTo(mounts, line.split(" ", -1)));
        return new MountTable(List.copyOf(mounts));
    }

    private static void addTo(List<Mount> mounts, String[] fields) {
        int separator = FIXED_FIELD_COUNT;
        while (separator < fields.length && !fields[separator].equals("-")) {
            separator++;
        }
        if (separator + 1 < fields.length) {
            mounts.add(new Mount(fields[DEVICE_FIELD], unescaped(fields[DIRECTORY_FIELD]), fields[separator + 1]));
        }
    }

    /** Space, tab, line feed and backslash stand there as octal numbers. */
    private static String unescaped(String field) {
        return field.replace("\\040", " ")
                .replace("\\011", "\t")
                .replace("\\012", "\n")
                .replace("\\134", "\\");
    }

    /** What is mounted exactly on a directory, the last one on top. */
    List<Mount> at(Path directory) {
        String name = new String(directory.toString().getBytes(UTF_8), ISO_8859_1);
        return mounts.stream().filter(mount -> mount.directory.equals(name)).toList();
    }

    /** What was mounted last on a directory, or null. */
    @Nullable
    Mount top(Path directory) {
        List<Mount> all = at(directory);
        return all.isEmpty() ? null : all.getLast();
    }
}
