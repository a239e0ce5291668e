package ramback.cli;

import java.nio.file.Path;
import java.util.Map;
import ramback.engine.ImageName;
import ramback.engine.Refusal;

/** Images and paths as they are given on the command line. */
final class ImageFiles {

    /** The variable that names the directory of the states of images that can't have them beside them. */
    static final String STATE_DIRECTORY_VARIABLE = "RAMBACK_STATE_DIR";

    /** Where the memory of devices lies unless somebody says otherwise. */
    static final Path RAM_DIRECTORY_DEFAULT = Path.of("/dev/shm/ramback");

    private static final Path STATE_DIRECTORY_DEFAULT = Path.of("/var/lib/ramback");

    private ImageFiles() {}

    /** The image that is named; refuses what can't be one. */
    static ImageName image(String text) throws Refusal {
        if (ImageName.isUri(text)) {
            return ImageName.ofUri(text);
        }
        if (text.isEmpty() || text.indexOf('\0') >= 0) {
            throw usage("bad IMAGE '" + text.replace('\0', '?') + "': not a path; name a raw file or a block device");
        }
        return new ImageName.Local(Path.of(text).toAbsolutePath());
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
