package ramback.writeback;

import java.util.function.BooleanSupplier;
import ramback.clock.Clock;

/**
 * The balance between population and applications: how much background reading may be queued at the disk. While nobody
 * asks for unloaded chunks, as much as keeps any disk busy, but no more than it reads in a moment: the first demand waits
 * behind all that. While somebody does, or waits for write-behind, and the disk is slow, only one range, of the smallest size
 * that still keeps the disk busy. Guarded by the population's lock.
 */
final class Courtesy {

    /** A range while applications wait for a slow disk, and the smallest one there is. */
    static final int RANGE_BYTES_MIN = 1 << 20;
    /** A range otherwise, of a disk that reads it and those queued with it in a moment. */
    static final int RANGE_BYTES_MAX = 4 << 20;
    /** What is queued while nobody waits is there after this long; a disk that needs longer for a range gets smaller ones. */
    static final long MOMENT_NANOS = 500_000_000L;
    /** For how long after a demand applications are taken into account. */
    private static final long DEMAND_MEMORY_NANOS = 2_000_000_000L;
    /** A disk that needs longer than this for its smallest range is slow. */
    private static final long SLOW_RANGE_NANOS = 2_000_000L;

    private final Clock clock;
    private final BooleanSupplier writeBehindIsUrgent;
    private long lastDemandNanos = -DEMAND_MEMORY_NANOS;
    private double nanosPerByte;

    /**
     * A balance.
     *
     * @param writeBehindIsUrgent whether somebody waits for write-behind, on the same disk
     */
    Courtesy(Clock clock, BooleanSupplier writeBehindIsUrgent) {
        this.clock = clock;
        this.writeBehindIsUrgent = writeBehindIsUrgent;
    }

    void noteDemand() {
        lastDemandNanos = clock.nanoTime();
    }

    void noteRange(long bytes, long nanos) {
        double sample = (double) nanos / bytes;
        nanosPerByte = nanosPerByte == 0 ? sample : nanosPerByte * 0.8 + sample * 0.2;
    }

    private boolean isCareful() {
        return nanosPerByte * RANGE_BYTES_MIN > SLOW_RANGE_NANOS
                && (clock.nanoTime() - lastDemandNanos < DEMAND_MEMORY_NANOS || writeBehindIsUrgent.getAsBoolean());
    }

    /** The length of the next background range; of a disk that is not known yet, the smallest. */
    int rangeBytes() {
        int bytes = nanosPerByte == 0 || isCareful() ? RANGE_BYTES_MIN : RANGE_BYTES_MAX;
        while (bytes > RANGE_BYTES_MIN && !isReadInAMoment(bytes)) {
            bytes /= 2;
        }
        return bytes;
    }

    /** Returns whether one more background range may be queued beside so many others. */
    boolean mayQueue(int queuedCount) {
        return queuedCount == 0 || (!isCareful() && isReadInAMoment(RANGE_BYTES_MIN));
    }

    /** From a range's beginning to its end, which takes in what is queued with it. */
    private boolean isReadInAMoment(int rangeBytes) {
        return nanosPerByte * rangeBytes <= MOMENT_NANOS;
    }
}
