package ramback.image;

/** Whoever brings chunks from the image into RAM. Safe for use by many threads. */
public interface Loading {

    /**
     * Asks for chunks ahead of the background population. Ends, on another thread, with {@link Demand#finished}; does
     * not wait.
     */
    void demand(Demand demand);
}
