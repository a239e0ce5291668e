package ramback.engine;

import java.nio.file.Path;
import ramback.remote.RemoteUri;

/** Which image is meant. As text it is what was named, or for a URI its one spelling. */
public sealed interface ImageName {

    /**
     * A raw file or a block device.
     *
     * @param path absolute
     */
    record Local(Path path) implements ImageName {
        @Override
        public String toString() {
            return path.toString();
        }
    }

    /** An export of an NBD server. */
    record Remote(RemoteUri uri) implements ImageName {
        @Override
        public String toString() {
            return uri.toString();
        }
    }

    /** Whether a text is meant as a URI, good or bad, and not as a path. */
    static boolean isUri(String text) {
        return RemoteUri.isMeant(text);
    }

    /**
     * The export that a URI names.
     *
     * @throws Refusal of kind USAGE when it can't be read
     */
    static ImageName ofUri(String text) throws Refusal {
        try {
            return new Remote(RemoteUri.parse(text));
        } catch (IllegalArgumentException e) {
            throw new Refusal(Refusal.Kind.USAGE, "bad IMAGE '" + text.replace('\0', '?') + "': " + e.getMessage(), e);
        }
    }

    /** The file's name, or the export's, by which a device is called that nobody gives another one. */
    default String fileName() {
        String whole = switch (this) {
            case Local(Path path) -> path.toString();
            case Remote(RemoteUri uri) -> uri.export();
        };
        return whole.substring(whole.lastIndexOf('/') + 1);
    }
}
