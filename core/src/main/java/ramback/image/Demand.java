package ramback.image;

import org.jspecify.annotations.Nullable;

/**
 * A range of chunks that a request of a session needs. Made once and used again; between {@link Loading#demand} and
 * {@link #finished} it belongs to the loader.
 */
public abstract class Demand {

    /** The next chunk of the range that is to be looked at; moved on by the loader. */
    public long firstChunk;

    /** The last chunk of the range. */
    public long lastChunk;

    /** The next demand of the same session, in the loader's hands. */
    public @Nullable Demand next;

    /** The queue of the session's demands; the loader serves sessions in turn. */
    public abstract DemandQueue queue();

    /**
     * Says how it ended; called by the loader, once, holding no lock.
     *
     * @param loaded whether the whole range is in RAM; otherwise the backing store failed, or memory ran out
     */
    public abstract void finished(boolean loaded);
}
