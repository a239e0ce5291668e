package ramback.power;

import java.util.OptionalDouble;

/**
 * How much may be unsaved for a battery's sake, and how long saving takes.
 *
 * <pre>
 *   limit = (runtime − detection − reserve) · rate · ½
 * </pre>
 *
 * The runtime is what the battery would last from now on. Detection is how late an outage is heard of: a poll of the UPS, and one of
 * its driver. The reserve is for the machine's own shutdown; it begins when the UPS
 * calls itself low, so no later than that. Half, because batteries and disks are both worse than they say.
 */
public final class DrainBudget {

    /** From the line's failure until it is known here. */
    public static final double DETECTION_SECONDS = 5;

    /** What the shutdown of the machine takes, besides us, at the least. */
    public static final double RESERVE_SECONDS_MIN = 30;

    private static final double SHARE = 0.5;

    /** A commit takes that long, whatever is in it: a seal, two syncs. */
    private static final double FIXED_SECONDS = 0.005;

    private DrainBudget() {}

    /**
     * How many bytes may be uncommitted.
     *
     * @param runtimeSeconds what the battery says, or empty when it says nothing: then there is no limit for its sake
     * @param lowSeconds from which runtime on the battery counts as low, or empty when it does not say
     * @param bytesPerSecond at which they are saved at the least
     * @return 0 when the battery carries no more than the shutdown; {@link Long#MAX_VALUE} for no limit
     */
    public static long limitBytes(OptionalDouble runtimeSeconds, OptionalDouble lowSeconds, double bytesPerSecond) {
        if (runtimeSeconds.isEmpty()) {
            return Long.MAX_VALUE;
        }
        double reserveSeconds = Math.max(RESERVE_SECONDS_MIN, lowSeconds.orElse(0));
        double seconds = runtimeSeconds.getAsDouble() - DETECTION_SECONDS - reserveSeconds;
        return seconds <= 0 ? 0 : (long) Math.min(Long.MAX_VALUE, seconds * bytesPerSecond * SHARE);
    }

    /** How long it takes to save so many bytes. */
    public static double drainSeconds(long bytes, double bytesPerSecond) {
        return bytes <= 0 ? 0 : FIXED_SECONDS + bytes / bytesPerSecond;
    }
}
