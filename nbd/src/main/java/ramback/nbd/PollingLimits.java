package ramback.nbd;

/**
 * How much a connection may poll its socket before it blocks in it.
 *
 * @param windowNanos the longest poll, and the longest wait that counts as short; 0 turns polling off
 * @param shortWaitsMin the run of short waits that starts polling while it pays off, at least 1
 * @param shortWaitsMax the run that starts it after many polls in vain
 */
public record PollingLimits(long windowNanos, int shortWaitsMin, int shortWaitsMax) {

    /** Never poll. */
    public static final PollingLimits OFF = new PollingLimits(0, 1, 1);

    /** A window just over the round trip to a client that sleeps on another CPU of a virtual machine (60 to 90 µs). */
    public static final PollingLimits DEFAULT = new PollingLimits(100_000, 8, 1024);

    /** Refuses a negative window and runs out of order. */
    public PollingLimits {
        if (windowNanos < 0 || shortWaitsMin < 1 || shortWaitsMax < shortWaitsMin) {
            throw new IllegalArgumentException(
                    "polling limits " + windowNanos + " ns, " + shortWaitsMin + " to " + shortWaitsMax);
        }
    }
}
