package ramback.backing;

/**
 * What has become of a disk as a whole, behind the back of who has it open.
 *
 * @param text one phrase for the operator, with what to do
 */
public record Damage(Kind kind, String text) {

    /** What has happened to it. */
    public enum Kind {
        /** It is shorter than it was. It takes no writes until it has its size again, and what was cut off is lost. */
        CUT,
        /** It is another file that lies where it was opened; its own is elsewhere, and goes on working. */
        MOVED,
        /** Nobody finds it any more; it goes on working until it is closed, and is lost then. */
        DELETED
    }
}
