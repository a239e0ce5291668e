package ramback.image;

/** Whoever keeps the dirty chunks under their limit. Safe for use by many threads. */
public interface Admission {

    /** Go ahead: the room is reserved. */
    long GO = 0;

    /**
     * Asks for room for data chunks about to be stored. Only with {@link #GO} is it reserved: whoever waits holds none,
     * because how long that lasts may be up to a client that does not read its replies.
     *
     * @param isDelayed whether this store has waited its delay already and needs only room
     * @return {@link #GO}; or a positive time of the clock: the store must wait until then, and then ask again as delayed;
     *     or the negative of a time: there is no room, ask again then
     */
    long admit(long chunkCount, boolean isDelayed);

    /**
     * Asks whether chunks of one word may be made zeroes. Nothing is reserved: what a log needs for that is small, and room
     * for it is kept.
     *
     * @return {@link #GO}, or the negative of a time: ask again then
     */
    default long admitZeroes() {
        return GO;
    }
}
