package ramback.memory;

/** How much of a segment is locked, so that it can't be swapped out. */
public enum MemoryLock {
    /** All of it. */
    ALL("all"),
    /** Header and chunk states, but not the device's data. */
    STATES("states"),
    /** Nothing: the process may not lock as much. */
    NONE("none");

    private final String word;

    MemoryLock(String word) {
        this.word = word;
    }

    /** The word for it in {@code status}. */
    public String word() {
        return word;
    }
}
