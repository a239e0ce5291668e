package ramback.power;

/** What a power management script tells: {@code ramback power on-line|on-battery|low}. */
public enum PowerEvent {
    /** Line power is back. */
    ON_LINE("on-line"),
    /** The battery carries the machine. */
    ON_BATTERY("on-battery"),
    /** The battery is nearly empty, or the machine is about to be shut down. */
    LOW("low");

    private final String word;

    PowerEvent(String word) {
        this.word = word;
    }

    /** The word of the command. */
    public String word() {
        return word;
    }
}
