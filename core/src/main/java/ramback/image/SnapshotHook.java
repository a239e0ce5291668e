package ramback.image;

/**
 * Whoever takes a snapshot: keeps what chunks hold before they are changed. Asked by everyone who changes chunks from
 * {@link SnapshotCut#begin} on. Safe for use by many threads.
 */
public interface SnapshotHook {

    /**
     * Keeps what chunks of a word hold, those that have not been copied yet. Called inside the epochs and under the
     * chunks' locks, before any of their bytes or marks changes; must not wait.
     *
     * @return false when there is no room: the caller lets go of everything, calls {@link #awaitRoom} and begins again
     */
    boolean preserve(long word, long mask);

    /** Waits a moment for room. Called with nothing held; there need not be any when it returns. */
    void awaitRoom();
}
