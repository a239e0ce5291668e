package ramback.cli;

import java.nio.file.Path;
import java.util.Map;
import ramback.engine.Refusal;

/** Paths as they are given on the command line. */
final class ImageFiles {

    /** The variable that names the directory of the states of images that can't have them beside them. */
    static final String STATE_DIRECTORY_VARIABLE = "RAMBACK_STATE_DIR";

    /** Where the memory of devices lies unless somebody says otherwise. */
    static final Path RAM_DIRECTORY_DEFAULT = Path.of("/dev/shm/ramback");

    private static final Path STATE_DIRECTORY_DEFAULT = Path.of("/var/lib/ramback");

    private ImageFiles() {}

    /** The path of an image; refuses what can't be one. */
    static Path image(String text) throws Refusal {
        if (text.startsWith("nbd://") || text.startsWith("nbd+unix://")) {
            throw usage(
                    "bad IMAGE '" + text + "': this version serves no remote image; name a raw file or a block device");
        }
        if (text.isEmpty() || text.indexOf('\0') >= 0) {
            throw usage("bad IMAGE '" + text.replace('\0', '?') + "': not a path; name a raw file or a block device");
        }
        return Path.of(text).toAbsolutePath();
    }

    /** The path of another file. */
    static Path path(String what, String text) throws Refusal {
        if (text.isEmpty() || text.indexOf('\0') >= 0) {
            throw usage("bad " + what + " '" + text.replace('\0', '?') + "': not a path; name a file");
        }
        return Path.of(text).toAbsolutePath();
    }

    static Path stateDirectory(Map<String, String> environment) {
        String variable = environment.get(STATE_DIRECTORY_VARIABLE);
        return variable == null || variable.isEmpty()
                ? STATE_DIRECTORY_DEFAULT
                : Path.of(variable).toAbsolutePath();
    }

    private static Refusal usage(String message) {
        return new Refusal(Refusal.Kind.USAGE, message);
    }
}
