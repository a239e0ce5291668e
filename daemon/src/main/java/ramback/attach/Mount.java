package ramback.attach;

/**
 * A mounted filesystem, as a line of {@code /proc/self/mountinfo} has it. Source: proc_pid_mountinfo(5).
 *
 * @param id the mount's number, which a later mount may have again
 * @param major of the device of the files on it; 0 for a filesystem that is on no device, or on several
 * @param minor likewise; with FUSE the number of the connection
 * @param root what of the filesystem is mounted, from its own root
 * @param directory where
 * @param type the filesystem's
 * @param source what was mounted, in the filesystem's own words: often a device
 */
public record Mount(int id, int major, int minor, String root, String directory, String type, String source) {

    private static final int OPTIONAL_FIELDS_AT = 6;
    private static final int FIELD_COUNT_BEHIND = 3;

    /**
     * Reads a line of mountinfo.
     *
     * @throws IllegalArgumentException when it is none
     */
    static Mount parse(String line) {
        String[] fields = line.split(" ", -1);
        int separator = OPTIONAL_FIELDS_AT;
        while (separator < fields.length && !fields[separator].equals("-")) {
            separator++;
        }
        if (fields.length < separator + FIELD_COUNT_BEHIND) {
            throw new IllegalArgumentException("not a line of mountinfo: " + line);
        }
        int colon = fields[2].indexOf(':');
        if (colon < 0) {
            throw new IllegalArgumentException("no device in a line of mountinfo: " + line);
        }
        return new Mount(
                Integer.parseInt(fields[0]),
                Integer.parseInt(fields[2].substring(0, colon)),
                Integer.parseInt(fields[2].substring(colon + 1)),
                unescaped(fields[3]),
                unescaped(fields[4]),
                unescaped(fields[separator + 1]),
                unescaped(fields[separator + 2]));
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
