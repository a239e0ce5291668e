package ramback.posix;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;

import java.util.Optional;

/**
 * A mounted filesystem, as a line of {@code /proc/PID/mountinfo} has it. Names are bytes there, and whoever mounts
 * chooses them: each is kept as a character a byte, so that two of them are the same only if their bytes are. Source:
 * proc_pid_mountinfo(5).
 *
 * @param id the mount's number, which a later mount may have again
 * @param device MAJOR:MINOR of the device of the files on it; MAJOR is 0 for a filesystem that is on no device, or on
 *     several; with FUSE MINOR is the number of the connection
 * @param root what of the filesystem is mounted, from its own root; a character a byte
 * @param directory where; a character a byte
 * @param type the filesystem's
 * @param source what was mounted, in the filesystem's own words: often a device; a character a byte
 */
public record Mount(int id, String device, String root, String directory, String type, String source) {

    private static final int DEVICE_FIELD = 2;
    private static final int ROOT_FIELD = 3;
    private static final int DIRECTORY_FIELD = 4;
    /** Behind these come as many others as there are, and a hyphen. */
    private static final int FIXED_FIELD_COUNT = 6;

    private static final int FIELD_COUNT_BEHIND = 3;

    /** Reads a line of mountinfo, a character a byte; what is none gives nothing. */
    static Optional<Mount> parse(String line) {
        String[] fields = line.split(" ", -1);
        int separator = FIXED_FIELD_COUNT;
        while (separator < fields.length && !fields[separator].equals("-")) {
            separator++;
        }
        if (fields.length < separator + FIELD_COUNT_BEHIND || fields[DEVICE_FIELD].indexOf(':') < 0) {
            return Optional.empty();
        }
        try {
            return Optional.of(new Mount(
                    Integer.parseInt(fields[0]),
                    fields[DEVICE_FIELD],
                    unescaped(fields[ROOT_FIELD]),
                    unescaped(fields[DIRECTORY_FIELD]),
                    unescaped(fields[separator + 1]),
                    unescaped(fields[separator + 2])));
        } catch (NumberFormatException e) {
            return Optional.empty();
        }
    }

    /** A name as it is in the table. */
    static String ofText(String name) {
        return new String(name.getBytes(UTF_8), ISO_8859_1);
    }

    private static String text(String name) {
        return new String(name.getBytes(ISO_8859_1), UTF_8);
    }

    /** Where, for people and programs; a name that is no UTF-8 can't be told exactly. */
    public String where() {
        return text(directory);
    }

    /** What was mounted, for people. */
    public String what() {
        return text(source);
    }

    /**
     * Space, tab, newline, backslash and hash are written as three octal digits behind a backslash; anything else
     * stands for itself.
     */
    static String unescaped(String field) {
        if (field.indexOf('\\') < 0) {
            return field;
        }
        StringBuilder text = new StringBuilder(field.length());
        for (int i = 0; i < field.length(); i++) {
            int code = field.charAt(i) == '\\' ? octal(field, i + 1) : -1;
            text.append(code < 0 ? field.charAt(i) : (char) code);
            i += code < 0 ? 0 : 3;
        }
        return text.toString();
    }

    private static int octal(String text, int from) {
        if (from + 3 > text.length()) {
            return -1;
        }
        int code = 0;
        for (int i = from; i < from + 3; i++) {
            int digit = Character.digit(text.charAt(i), 8);
            if (digit < 0) {
                return -1;
            }
            code = code << 3 | digit;
        }
        return code < 128 ? code : -1;
    }
}
