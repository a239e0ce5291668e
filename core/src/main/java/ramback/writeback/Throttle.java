package ramback.writeback;

import java.util.concurrent.atomic.AtomicLong;
import ramback.clock.Clock;
import ramback.image.Admission;
import ramback.image.DirtyCount;

/**
 * Keeps dirty data under its hard limit, smoothly: from 60 % of the limit on, each write is delayed by what write-behind
 * needs for as much, times a factor that grows from 0 without bound towards the limit (the curve of the ZFS write
 * throttle). Delays are reserved on one clock for all sessions, so that more sessions don't get a greater rate. Safe for
 * use by many threads.
 */
public final class Throttle implements Admission {

    /** The share of the limit, in percent, from which on writes are delayed. */
    static final int DELAY_PERCENT = 60;

    /** The share from which on write-behind does not wait for the lag. */
    static final int MUCH_PERCENT = 30;

    private static final long DELAY_NANOS_MAX = 100_000_000L;
    private static final long ROOM_RETRY_NANOS = 2_000_000L;
    private static final long TOO_SHORT_NANOS = 20_000L;
    private static final long QUEUE_NANOS_MAX = 1_000_000_000L;
    private static final double RATE_ASSUMED = 100e6;

    private final Clock clock;
    private final DirtyCount dirty;
    private final int chunkBytes;
    private final Runnable onMuch;
    private final Runnable onPressure;
    private final AtomicLong nextNanos = new AtomicLong();
    private volatile long limitChunks;
    private volatile long muchChunks;
    private volatile long delayChunks;
    private volatile double bytesPerSecond = RATE_ASSUMED;
    private volatile long throttledNanos = -QUEUE_NANOS_MAX;

    /**
     * A throttle with this limit.
     *
     * @param onMuch called by a writer when dirty data is on the way to be delayed; must not block
     * @param onPressure called by a writer who is delayed, so that write-behind does its utmost; must not block
     */
    public Throttle(
            Clock clock, DirtyCount dirty, int chunkBytes, long limitBytes, Runnable onMuch, Runnable onPressure) {
        this.clock = clock;
        this.dirty = dirty;
        this.chunkBytes = chunkBytes;
        this.onMuch = onMuch;
        this.onPressure = onPressure;
        setLimit(limitBytes);
    }

    /** Changes the limit; at least {@link WriteBehind#DIRTY_CHUNKS_MIN} chunks. */
    public void setLimit(long limitBytes) {
        long chunks = Math.max(WriteBehind.DIRTY_CHUNKS_MIN, limitBytes / chunkBytes);
        muchChunks = chunks * MUCH_PERCENT / 100;
        delayChunks = chunks * DELAY_PERCENT / 100;
        limitChunks = chunks;
    }

    /** The limit in bytes. */
    public long limitBytes() {
        return limitChunks * chunkBytes;
    }

    /** Tells how fast dirty bytes become clean. */
    void noteRate(double newBytesPerSecond) {
        bytesPerSecond = Math.max(chunkBytes, newBytesPerSecond);
    }

    /** Whether a write was delayed within the last second. */
    public boolean isThrottling() {
        return clock.nanoTime() - throttledNanos < QUEUE_NANOS_MAX;
    }

    @Override
    public long admit(long chunkCount, boolean isDelayed) {
        long before = dirty.dataChunkCount();
        if (before + chunkCount > muchChunks) {
            onMuch.run();
        }
        if (before + chunkCount > delayChunks) {
            long now = clock.nanoTime();
            onPressure.run();
            // Without room there is nothing to be had by a delay.
            if (!isDelayed && before + chunkCount <= limitChunks) {
                long until = reserveDelay(now, delayNanos(before, chunkCount));
                if (until - now >= TOO_SHORT_NANOS) {
                    throttledNanos = now;
                    return until;
                }
            }
        }
        if (dirty.reserve(chunkCount, limitChunks) >= 0) {
            return GO;
        }
        long now = clock.nanoTime();
        throttledNanos = now;
        return -(now + ROOM_RETRY_NANOS);
    }

    /** One clock for all: each delayed write takes the next free time on it. */
    private long reserveDelay(long now, long delayNanos) {
        return nextNanos.accumulateAndGet(delayNanos, (next, own) -> Math.max(next, now) + own);
    }

    private long delayNanos(long dirtyChunks, long chunkCount) {
        double share = (double) (dirtyChunks - delayChunks) / Math.max(1, limitChunks - dirtyChunks);
        double nanos = chunkCount * (double) chunkBytes / bytesPerSecond * 1e9 * Math.max(0, share);
        return (long) Math.min(DELAY_NANOS_MAX, nanos);
    }
}
