package ramback.power;

/** How the machine is powered, as far as anybody has said. */
public enum PowerState {
    /** No source of power news was named. */
    NONE("none"),
    /** Line power. */
    ONLINE("online"),
    /** The line is gone, and a battery carries the machine. */
    ON_BATTERY("on-battery"),
    /** The battery is nearly empty, or a shutdown was announced: the power may go at any moment. */
    LOW_BATTERY("low-battery"),
    /** A source was named, and has not been heard for too long, or says nothing that can be relied on. */
    UNKNOWN("unknown");

    private final String word;

    PowerState(String word) {
        this.word = word;
    }

    /** The word in the status. */
    public String word() {
        return word;
    }
}
