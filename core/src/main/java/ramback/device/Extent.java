package ramback.device;

/**
 * A run of bytes of a {@link Device} that are in the same states, packed into a long, so that looking one up allocates
 * nothing: where it ends, and below that a bit a state.
 *
 * <pre>
 *   63             3 2          0
 *   |  end in bytes  |  states  |
 * </pre>
 */
public final class Extent {

    /** It reads as zeroes, and no memory is needed to know that. */
    public static final int ZERO = 1;
    /** The image lacks what the device holds there. */
    public static final int DIRTY = 1 << 1;
    /** It is not in RAM yet; what the image has there counts as data until it has been looked at. */
    public static final int UNLOADED = 1 << 2;

    private static final int STATE_BITS = 3;

    private Extent() {}

    /** Packs an extent. */
    public static long of(long endBytes, int states) {
        return endBytes << STATE_BITS | states;
    }

    /** The offset of the first byte behind it. */
    public static long endBytes(long extent) {
        return extent >>> STATE_BITS;
    }

    /** The bits of its states. */
    public static int states(long extent) {
        return (int) extent & (1 << STATE_BITS) - 1;
    }
}
