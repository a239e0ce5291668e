package ramback.model.journal;

import java.util.ArrayList;
import java.util.List;

/** When the power fails, which sync does, and what must be there after it. */
final class Power {

    /** The power has failed. */
    static final class Failure extends RuntimeException {

        private static final long serialVersionUID = 1L;

        Failure() {
            super(null, null, false, false);
        }
    }

    final DiskMutant mutant;
    private final int failsAtStep;
    private final int failingSync;
    private final boolean isWrittenAllTheSame;
    private int step;
    private int syncCount;

    /** The content at each cut, by epoch. */
    final List<int[]> contents = new ArrayList<>();

    /** The newest epoch that was promised. */
    int committed;
    /** The newest epoch that may be there. */
    int begun;
    /** Whether a recovery may say that the image is torn. */
    boolean mayBeTorn;
    /** Whether it must say so. */
    boolean isTorn;

    /**
     * A run.
     *
     * @param failsAtStep the write or sync at which the power fails, from 1 on
     * @param failingSync the sync that fails, from 1 on; 0: none does
     * @param isWrittenAllTheSame whether what that was for has reached the disk
     */
    Power(DiskMutant mutant, int failsAtStep, int failingSync, boolean isWrittenAllTheSame) {
        this.mutant = mutant;
        this.failsAtStep = failsAtStep;
        this.failingSync = failingSync;
        this.isWrittenAllTheSame = isWrittenAllTheSame;
    }

    /** The power stays on. */
    Power(DiskMutant mutant) {
        this(mutant, 0, 0, false);
    }

    /** Something is about to be written or synced. */
    void tick() {
        if (++step == failsAtStep) {
            throw new Failure();
        }
    }

    /** Syncs a disk; returns false when that fails. */
    boolean sync(Disk disk) {
        tick();
        if (++syncCount == failingSync) {
            disk.failSync(isWrittenAllTheSame);
            return false;
        }
        disk.sync();
        return true;
    }

    int syncCount() {
        return syncCount;
    }

    void beginCommit(int epoch) {
        begun = epoch;
        isTorn = false;
    }

    void endCommit(int epoch) {
        committed = epoch;
        mayBeTorn = false;
    }

    void beginSuspend() {
        mayBeTorn = true;
    }

    void endSuspend() {
        isTorn = true;
    }
}
