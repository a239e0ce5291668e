package ramback.image;

/** Whoever keeps the dirty chunks under their limit. Safe for use by many threads. */
public interface Admission {

    /** Go ahead: the room is reserved. */
    long GO = 0;

    /**
     * Asks for room for data chunks about to be stored.
     *
     * @return {@link #GO}; or a positive time of the clock: the room is reserved, but the store must wait until then; or
     *     the negative of a time: there is no room, ask again then
     */
    long admit(long chunkCount);
}
