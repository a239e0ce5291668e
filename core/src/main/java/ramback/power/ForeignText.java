package ramback.power;

/**
 * Text that somebody else has said, a NUT server or another daemon, on its way into a log, a status or a terminal: whoever is at the
 * other end must not move a cursor there, begin a line that looks like ours, or fill a disk.
 */
public final class ForeignText {

    /** Of a NUT server's own words, so many characters are shown. */
    static final int CHARACTERS_MAX = 120;

    private ForeignText() {}

    /** A NUT server's words, shortened, each character one that can be shown. */
    static String shown(String text) {
        // Cut first, so that a line of any length costs no more.
        boolean isLong = text.codePointCount(0, text.length()) > CHARACTERS_MAX;
        return printable(isLong ? text.substring(0, text.offsetByCodePoints(0, CHARACTERS_MAX)) + "..." : text);
    }

    /**
     * The same text with a question mark for each character that does something else than to be seen: control characters of either
     * kind, line separators, what turns the direction of writing, and halves of characters.
     */
    public static String printable(String text) {
        StringBuilder printable = new StringBuilder(text.length());
        text.codePoints().forEach(c -> {
            switch (Character.getType(c)) {
                case Character.CONTROL,
                        Character.FORMAT,
                        Character.LINE_SEPARATOR,
                        Character.PARAGRAPH_SEPARATOR,
                        Character.SURROGATE,
                        Character.PRIVATE_USE,
                        Character.UNASSIGNED -> printable.append('?');
                default -> printable.appendCodePoint(c);
            }
        });
        return printable.toString();
    }
}
