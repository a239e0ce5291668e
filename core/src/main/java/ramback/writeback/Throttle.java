package ramback.writeback;

import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongSupplier;
import ramback.clock.Clock;
import ramback.clock.MeasuredRate;
import ramback.image.Admission;
import ramback.image.DirtyCount;
import ramback.journal.EpochLog;
import ramback.mutant.Mutant;

/**
 * Keeps dirty data under its hard limits, smoothly: from 60 % of a limit on, each write is delayed by what write-behind
 * needs for as much, times a factor that grows from 0 without bound towards the limit (the curve of the ZFS write
 * throttle). Delays are reserved on one clock for all sessions, so that more sessions don't get a greater rate.
 *
 * <p>In {@code unsafe} there is no limit unless somebody gave one: nothing is promised that it would bound. Then no more is dirty
 * than the device holds.
 *
 * <p>Without a journal the limit is on what the image lacks. With one there are two: what is not committed, which comes back
 * at the rate of the journal, and the journal's space, which comes back at the rate of retiring. Safe for use by many threads.
 */
public final class Throttle implements Admission {

    /** No limit, in bytes: writers wait for nothing but the journal's space. */
    public static final long UNLIMITED = Long.MAX_VALUE;

    /** The share of the limit, in percent, from which on writes are delayed. */
    static final int DELAY_PERCENT = 60;

    /** The share from which on write-behind does not wait for the lag. */
    static final int MUCH_PERCENT = 30;

    private static final long DELAY_NANOS_MAX = 100_000_000L;
    private static final long ROOM_RETRY_NANOS = 2_000_000L;
    private static final long TOO_SHORT_NANOS = 20_000L;
    /** For so long after a delay the device counts as throttling. */
    private static final long SHOWN_NANOS = 1_000_000_000L;

    /**
     * What writers may use of the journal until what the image lacks has been carried into an epoch: so much less than the half
     * that this has to fit that under any load the moment comes when it does.
     */
    private static final int LEAVING_EIGHTHS = 3;

    private static final double RATE_ASSUMED = 100e6;

    /** What a disk takes in sequence at the least, and how many writes in place, while nothing has been measured. */
    private static final double LOG_RATE_ASSUMED = 20e6;

    private static final double WRITES_PER_SECOND_ASSUMED = 100;

    /**
     * What the image lacked when the journal was suspended: as much as the journal had let be, with no regard to the limit.
     *
     * @param dataCount how many chunks of it held data
     * @param endCount how many chunks the image will have got since the start when it has all of that, zeroes too
     */
    private record Backlog(long dataCount, long endCount, LongSupplier carriedCount) {
        static final Backlog NONE = new Backlog(0, 0, () -> 0);

        /** How many chunks of data may be left of it; when chunks are carried again meanwhile, too few. */
        long chunkCount() {
            return dataCount == 0 ? 0 : Math.clamp(endCount - carriedCount.getAsLong(), 0, dataCount);
        }
    }

    private final Standing standing;
    private final Clock clock;
    private final DirtyCount dirty;
    private final JournalSpace space;
    private final int chunkBytes;
    private final EpochLog log;
    private final Versions versions;
    private final Runnable onMuch;
    private final Runnable onPressure;
    private final AtomicLong nextNanos = new AtomicLong();
    private volatile long limitChunks;
    private volatile double bytesPerSecond = RATE_ASSUMED;
    private volatile double logBytesPerSecond = RATE_ASSUMED;
    private volatile double spaceBytesPerSecond = RATE_ASSUMED;
    private final MeasuredRate measuredLog = new MeasuredRate(LOG_RATE_ASSUMED);
    private final MeasuredRate measuredImage;
    private volatile long throttledNanos = -SHOWN_NANOS;
    private volatile boolean isLeavingUnsafe;
    private volatile Backlog backlog = Backlog.NONE;

    /**
     * A throttle with this limit.
     *
     * @param onMuch called by a writer when dirty data is on the way to be delayed; must not block
     * @param onPressure called by a writer who is delayed, so that write-behind does its utmost; must not block
     */
    Throttle(
            Standing standing,
            DirtyCount dirty,
            int chunkBytes,
            EpochLog log,
            Versions versions,
            long limitBytes,
            Runnable onMuch,
            Runnable onPressure) {
        this.standing = standing;
        this.clock = standing.clock;
        this.dirty = dirty;
        this.space = versions.journalSpace();
        this.chunkBytes = chunkBytes;
        this.log = log;
        this.versions = versions;
        this.onMuch = onMuch;
        this.onPressure = onPressure;
        this.measuredImage = new MeasuredRate(WRITES_PER_SECOND_ASSUMED * chunkBytes);
        setLimit(limitBytes);
    }

    /** Changes the limit; at least {@link WriteBehind#DIRTY_CHUNKS_MIN} chunks, or {@link #UNLIMITED}. */
    public void setLimit(long limitBytes) {
        // Of no limit a chunk's size leaves a number small enough for a percentage.
        limitChunks = Math.max(WriteBehind.DIRTY_CHUNKS_MIN, limitBytes / chunkBytes);
    }

    /** The limit in bytes, in whole chunks. */
    public long limitBytes() {
        return limitChunks * chunkBytes;
    }

    /** Tells how fast dirty bytes reach the image. */
    void noteRate(double newBytesPerSecond) {
        bytesPerSecond = Math.max(chunkBytes, newBytesPerSecond);
    }

    /** Tells the same of so much that it says what the image takes. */
    void noteImageRate(double newBytesPerSecond) {
        measuredImage.add(newBytesPerSecond, clock.nanoTime());
    }

    /** Tells how fast dirty bytes reach the journal. */
    void noteLogRate(double newBytesPerSecond) {
        logBytesPerSecond = Math.max(chunkBytes, newBytesPerSecond);
        measuredLog.add(logBytesPerSecond, clock.nanoTime());
    }

    /** Tells what the journal takes, which is not how fast dirty bytes reach it: a rehearsal, or an epoch that had time. */
    void noteJournalRate(double newBytesPerSecond) {
        measuredLog.add(newBytesPerSecond, clock.nanoTime());
    }

    /**
     * How many bytes a second become durable at the least, of those that a loss of power would cost: in the journal, which also takes
     * what {@code unsafe} leaves behind, or in place where there is none. A low percentile of what was measured.
     */
    public double floorBytesPerSecond() {
        return measured().lowPerSecond(clock.nanoTime());
    }

    /** The same, as is to be expected: the middle one of what was measured. */
    public double typicalBytesPerSecond() {
        return measured().typicalPerSecond(clock.nanoTime());
    }

    private MeasuredRate measured() {
        return log.keepsVersions() ? measuredLog : measuredImage;
    }

    /** Tells how fast the journal's space is given back. */
    void noteSpaceRate(double newBytesPerSecond) {
        spaceBytesPerSecond = Math.max(chunkBytes, newBytesPerSecond);
    }

    /**
     * Says that the device is about to leave {@code unsafe}: what is dirty counts against the journal's space from now on, of
     * which writers get a share, because half of it has to take them and what the image lacks from before.
     */
    void leaveUnsafe(boolean leaving) {
        isLeavingUnsafe = leaving;
    }

    /**
     * Says that from now on the limit is on what the image lacks, and what it lacks already comes on top of it until it is carried:
     * otherwise nobody could write before most of that is in the image.
     *
     * @param carriedCount how many chunks the image has got since the start
     */
    void allowBacklog(LongSupplier carriedCount) {
        long endCount = carriedCount.getAsLong() + dirty.chunkCount();
        backlog = new Backlog(Math.max(0, dirty.dataChunkCount()), endCount, carriedCount);
    }

    /** Whether a write was delayed within the last second. */
    public boolean isThrottling() {
        return clock.nanoTime() - throttledNanos < SHOWN_NANOS;
    }

    @Override
    public long admit(long chunkCount, boolean isDelayed) {
        if (isClosed()) {
            return noRoom();
        }
        return isCountedAgainstLog() ? admitToLog(chunkCount, isDelayed) : admitToImage(chunkCount, isDelayed);
    }

    @Override
    public long admitZeroes() {
        if (isClosed() || (isCountedAgainstLog() && freeBytes() < space.chunkBytes())) {
            onPressure.run();
            return noRoom();
        }
        return GO;
    }

    /** Whether nobody is admitted: the promise could not be kept, or the journal is lost for now. */
    private boolean isClosed() {
        return standing.frozen || (standing.isOverdue() && !Mutant.NO_INTERVAL_WAIT.isOn());
    }

    private boolean isCountedAgainstLog() {
        return versions.keepsVersions() || isLeavingUnsafe;
    }

    private long noRoom() {
        long now = clock.nanoTime();
        throttledNanos = now;
        return -(now + ROOM_RETRY_NANOS);
    }

    // ------------------------------------------------------------------------------------------------------ image

    private long admitToImage(long chunkCount, boolean isDelayed) {
        long limit = limitChunks + backlog.chunkCount();
        long after = dirty.dataChunkCount() + chunkCount;
        if (after > limit * MUCH_PERCENT / 100) {
            onMuch.run();
        }
        if (after > limit * DELAY_PERCENT / 100) {
            onPressure.run();
            // Without room there is nothing to be had by a delay.
            if (!isDelayed && after <= limit) {
                long until = delayed(delayNanos(after - chunkCount, limit, chunkCount, bytesPerSecond));
                if (until != GO) {
                    return until;
                }
            }
        }
        return dirty.reserve(chunkCount, limit, Long.MAX_VALUE) ? GO : noRoom();
    }

    // -------------------------------------------------------------------------------------------------------- log

    private long admitToLog(long chunkCount, boolean isDelayed) {
        long cost = space.chunkBytes();
        long limit = limitChunks;
        long reserved = dirty.logDataChunkCount();
        long after = reserved + chunkCount;
        long spaceChunks = capacityBytes() / cost;
        long usedChunks = (log.usedBytes() + cost - 1) / cost;
        // What the rest of the journal holds, apart from the runs of zeroes that are on their way.
        long logCountMax = Math.min(limit, reserved + Math.max(0, freeBytes()) / cost);
        if (after > limit * MUCH_PERCENT / 100) {
            onMuch.run();
        }
        boolean isSpaceScarce = usedChunks + after > spaceChunks * DELAY_PERCENT / 100;
        if (after > limit * DELAY_PERCENT / 100 || isSpaceScarce) {
            if (isSpaceScarce) {
                standing.spacePressed = true;
            }
            onPressure.run();
            if (!isDelayed && after <= logCountMax) {
                long nanos = Math.max(
                        delayNanos(reserved, limit, chunkCount, logBytesPerSecond),
                        delayNanos(usedChunks + reserved, spaceChunks, chunkCount, spaceBytesPerSecond));
                long until = delayed(nanos);
                if (until != GO) {
                    return until;
                }
            }
        }
        if (after > logCountMax || !dirty.reserve(chunkCount, Long.MAX_VALUE, limit)) {
            return noRoom();
        }
        if (freeBytes() < 0) {
            // Others reserved in the same moment: whoever sees too little gives back.
            dirty.cancel(chunkCount);
            return noRoom();
        }
        return GO;
    }

    private long capacityBytes() {
        long capacity = log.capacityBytes() - JournalSpace.KEPT_BYTES;
        return isLeavingUnsafe && !versions.keepsVersions() ? capacity * LEAVING_EIGHTHS / 8 : capacity;
    }

    /** What of the journal nobody has used or reserved. */
    private long freeBytes() {
        return capacityBytes() - log.usedBytes() - space.reservedBytes(dirty);
    }

    // ------------------------------------------------------------------------------------------------------ delay

    /** Reserves a delay; returns its end, or {@link #GO} when it is too short to matter. */
    private long delayed(long nanos) {
        long now = clock.nanoTime();
        // One clock for all: each delayed write takes the next free time on it.
        long until = nextNanos.accumulateAndGet(nanos, (next, own) -> Math.max(next, now) + own);
        if (until - now < TOO_SHORT_NANOS) {
            return GO;
        }
        throttledNanos = now;
        return until;
    }

    private long delayNanos(long chunks, long limit, long chunkCount, double rate) {
        long delayChunks = limit * DELAY_PERCENT / 100;
        double share = (double) (chunks - delayChunks) / Math.max(1, limit - chunks);
        double nanos = chunkCount * (double) chunkBytes / rate * 1e9 * Math.max(0, share);
        return (long) Math.min(DELAY_NANOS_MAX, nanos);
    }
}
