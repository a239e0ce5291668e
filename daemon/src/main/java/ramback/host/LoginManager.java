package ramback.host;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.Locale;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** systemd-logind, which removes what a user left in {@code /dev/shm} with their last session (logind.conf(5), RemoveIPC). */
final class LoginManager {

    /** The greatest number of a user that logind counts as the system's, and leaves alone. */
    private static final int SYSTEM_USER_ID_MAX = 999;

    /** In the order in which they win. */
    private static final String[] CONFIGURATION_DIRECTORIES = {
        "etc/systemd", "run/systemd", "usr/local/lib/systemd", "usr/lib/systemd"
    };

    private static final Set<String> NO = Set.of("no", "false", "off", "0", "n", "f");

    private final Path root;

    LoginManager(Path root) {
        this.root = root;
    }

    /** Whether the files of this user are removed when they log out. */
    boolean removesMemoryOf(int userId, String userName) {
        return userId > SYSTEM_USER_ID_MAX
                && Files.isDirectory(root.resolve("run/systemd/users"))
                && !Files.exists(root.resolve("var/lib/systemd/linger/" + userName))
                && removesMemory();
    }

    private boolean removesMemory() {
        boolean removes = true; // when nothing else is said
        for (Path file : files()) {
            String value = valueIn(file);
            if (value != null) {
                removes = !NO.contains(value.toLowerCase(Locale.ROOT));
            }
        }
        return removes;
    }

    /** The files that configure it, the last one wins: one logind.conf, then the parts by their names. */
    private Collection<Path> files() {
        TreeMap<String, Path> files = new TreeMap<>();
        for (String directory : CONFIGURATION_DIRECTORIES) {
            Path main = root.resolve(directory).resolve("logind.conf");
            if (Files.isRegularFile(main)) {
                files.putIfAbsent("", main);
            }
            try (DirectoryStream<Path> parts =
                    Files.newDirectoryStream(root.resolve(directory).resolve("logind.conf.d"), "*.conf")) {
                parts.forEach(part -> files.putIfAbsent(part.getFileName().toString(), part));
            } catch (IOException e) {
                // most of these directories don't exist
            }
        }
        return files.values();
    }

    private static @Nullable String valueIn(Path file) {
        try {
            String value = null;
            for (String line : Files.readAllLines(file)) {
                String[] words = line.strip().split("\\s*=\\s*", 2);
                if (words.length == 2 && words[0].equals("RemoveIPC")) {
                    value = words[1];
                }
            }
            return value;
        } catch (IOException e) {
            return null; // not ours to read: then what holds without it is the best guess
        }
    }
}
