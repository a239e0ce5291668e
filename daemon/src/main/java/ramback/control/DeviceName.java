package ramback.control;

import java.util.regex.Pattern;
import ramback.engine.ImageName;
import ramback.engine.Refusal;

/** What a device may be called. A name is a directory's name and a part of a URI, so it needs no quoting in either. */
public final class DeviceName {

    /** The longest name, in characters. */
    public static final int LENGTH_MAX = 64;

    private static final Pattern VALID = Pattern.compile("[a-z0-9._-]{1," + LENGTH_MAX + "}");

    private DeviceName() {}

    /** Returns whether a device may have this name. */
    public static boolean isValid(String name) {
        return VALID.matcher(name).matches() && !name.equals(".") && !name.equals("..");
    }

    /**
     * Returns the name when a device may have it.
     *
     * @throws Refusal of kind USAGE when it may not
     */
    public static String check(String name) throws Refusal {
        if (isValid(name)) {
            return name;
        }
        throw new Refusal(Refusal.Kind.USAGE, "bad name " + quoted(name) + rule());
    }

    /**
     * Returns the name a device gets from its image: the name of the file, or the export, without its suffix.
     *
     * @throws Refusal of kind USAGE when that is not a name; it says to pass one
     */
    public static String ofImage(ImageName image) throws Refusal {
        String whole = image.fileName();
        int dot = whole.lastIndexOf('.');
        String name = dot > 0 ? whole.substring(0, dot) : whole;
        if (isValid(name)) {
            return name;
        }
        throw new Refusal(
                Refusal.Kind.USAGE,
                "the image's name gives the bad name " + quoted(name) + rule() + "; pass one with --name");
    }

    private static String rule() {
        return ": 1 to " + LENGTH_MAX + " characters of a-z 0-9 . _ -, not '.' or '..'";
    }

    private static String quoted(String name) {
        return name.length() <= LENGTH_MAX
                ? "'" + name + "'"
                : "'" + name.substring(0, LENGTH_MAX) + "...' (" + name.length() + " characters)";
    }
}
