package ramback.image;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import ramback.clock.Backoff;
import ramback.clock.Clock;

/**
 * The open epoch, and who is inside it. A writer enters, locks, reads the open epoch, stores, unlocks and leaves; the
 * sealer increments the open epoch and then waits until everybody who was inside has left once: from then on nobody
 * stores into the sealed epoch (design: epochs, "grace"). Writers never wait for the sealer.
 */
public final class Epochs {

    /** Entries are this many longs apart, two cache lines, so that workers don't share one. */
    private static final int STRIDE = 16;

    private static final VarHandle BUSY = MethodHandles.arrayElementVarHandle(long[].class);
    private static final VarHandle FIRST_DIRTY = MethodHandles.arrayElementVarHandle(long[].class);

    private final long[] busy;
    private final int workerCount;
    private final Clock clock;
    private final Runnable onFirstDirty;
    private final long[] firstDirtyNanos = new long[2 * STRIDE];
    private volatile long open;

    /**
     * Epochs beginning with 0.
     *
     * @param workerCount how many threads may be inside at once
     * @param onFirstDirty called, by the writer, when an epoch gets its first dirty chunk; must not block
     */
    public Epochs(int workerCount, Clock clock, Runnable onFirstDirty) {
        this(workerCount, clock, onFirstDirty, 0);
    }

    /** As above, beginning with another epoch than 0: numbers of epochs in a journal go on across restarts. */
    public Epochs(int workerCount, Clock clock, Runnable onFirstDirty, long firstEpoch) {
        this.open = firstEpoch;
        this.workerCount = workerCount;
        this.clock = clock;
        this.onFirstDirty = onFirstDirty;
        this.busy = new long[(workerCount + 1) * STRIDE];
    }

    Clock clock() {
        return clock;
    }

    /** Enters. Full volatile, as is {@link #open()} and {@link #cut()}: the two sides form Dekker's pattern. */
    void enter(int worker) {
        int at = (worker + 1) * STRIDE;
        BUSY.setVolatile(busy, at, (long) BUSY.getOpaque(busy, at) + 1);
    }

    /** Leaves. Release would do for the sealer; volatile, so that what follows is not moved before it. */
    void leave(int worker) {
        int at = (worker + 1) * STRIDE;
        BUSY.setVolatile(busy, at, (long) BUSY.getOpaque(busy, at) + 1);
    }

    /** The open epoch. Writers read it after they have locked, never before. */
    public long open() {
        return open;
    }

    /** Notes that the open epoch has a dirty chunk; by a writer that is inside. */
    void noteDirty(long epoch) {
        int at = (int) (epoch & 1) * STRIDE;
        if ((long) FIRST_DIRTY.getOpaque(firstDirtyNanos, at) == 0
                && FIRST_DIRTY.compareAndSet(firstDirtyNanos, at, 0L, clock.nanoTime())) {
            onFirstDirty.run();
        }
    }

    /**
     * Another number than before when somebody has stored meanwhile, or, in a device that gives memory back, read; says nothing else.
     */
    public long entryCount() {
        long count = 0;
        for (int worker = 0; worker < workerCount; worker++) {
            count += (long) BUSY.getOpaque(busy, (worker + 1) * STRIDE);
        }
        return count;
    }

    /** When the oldest change of an epoch was made, or 0 if it has none; only for the open epoch and the one before. */
    public long firstDirtyNanos(long epoch) {
        return (long) FIRST_DIRTY.getVolatile(firstDirtyNanos, (int) (epoch & 1) * STRIDE);
    }

    /**
     * Seals the open epoch and opens the next one; only the sealer, and only when the epoch before the open one has been
     * captured completely.
     *
     * @return the sealed epoch
     */
    public long cut() {
        long sealed = open;
        // The next epoch shares its parity with the one before the sealed one, whose capture is complete.
        FIRST_DIRTY.setVolatile(firstDirtyNanos, (int) (sealed + 1 & 1) * STRIDE, 0L);
        open = sealed + 1;
        return sealed;
    }

    /** Waits until everybody who was inside when this was called has left once. Never with a lock held. */
    public void awaitGrace(Backoff backoff) {
        for (int worker = 0; worker < workerCount; worker++) {
            int at = (worker + 1) * STRIDE;
            long seen = (long) BUSY.getVolatile(busy, at);
            if ((seen & 1) != 0) {
                backoff.reset();
                while ((long) BUSY.getVolatile(busy, at) == seen) {
                    backoff.idle();
                }
            }
        }
    }
}
