package ramback.image;

import java.util.concurrent.atomic.AtomicLongArray;

/**
 * How long writers waited for a chunk's lock and for room for a captured version: counts by powers of two, from the first
 * microsecond on. Waits that did not happen are not counted. Safe for use by many threads.
 */
public final class WaitTimes {

    /** Bucket i counts waits of less than 2^i µs that no smaller bucket has; the last one counts all longer ones. */
    public static final int BUCKET_COUNT = 24;

    private final AtomicLongArray locks = new AtomicLongArray(BUCKET_COUNT);
    private final AtomicLongArray rooms = new AtomicLongArray(BUCKET_COUNT);

    WaitTimes() {}

    void noteLock(long nanos) {
        locks.incrementAndGet(bucket(nanos));
    }

    void noteRoom(long nanos) {
        rooms.incrementAndGet(bucket(nanos));
    }

    private static int bucket(long nanos) {
        return Math.min(BUCKET_COUNT - 1, 64 - Long.numberOfLeadingZeros(Math.max(0, nanos) / 1000));
    }

    /** Waits for a chunk's lock, by bucket. */
    public long[] lockCounts() {
        return copy(locks);
    }

    /** Waits for room for a captured version, by bucket. */
    public long[] roomCounts() {
        return copy(rooms);
    }

    private static long[] copy(AtomicLongArray counts) {
        long[] copy = new long[BUCKET_COUNT];
        for (int i = 0; i < BUCKET_COUNT; i++) {
            copy[i] = counts.get(i);
        }
        return copy;
    }
}
