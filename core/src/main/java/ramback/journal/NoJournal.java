package ramback.journal;

import java.time.Instant;

/**
 * A log that keeps nothing: an epoch is durable when the image has it. What the device then promises is what an ordinary
 * disk with a volatile cache promises.
 */
public final class NoJournal implements EpochLog {

    /** A log that keeps nothing. */
    public NoJournal() {}

    @Override
    public boolean keepsVersions() {
        return false;
    }

    @Override
    public void append(long epoch, VersionBatch batch) {
        throw new IllegalStateException("no versions are kept, so none may be appended");
    }

    @Override
    public void barrier() {
        // Nothing was appended.
    }

    @Override
    public void commit(long epoch, Instant time) {
        // The image has it by now: there is nothing else to make durable.
    }

    @Override
    public void fence() {
        // Nothing can be appended by anybody.
    }

    @Override
    public long tail() {
        return -1;
    }

    @Override
    public void truncate(long epoch) {
        // Nothing was kept.
    }

    @Override
    public void suspend() {
        // It keeps nothing anyway.
    }

    @Override
    public boolean isSuspended() {
        return true;
    }

    @Override
    public void markClean() {
        // There is nothing to recover from here.
    }

    @Override
    public long capacityBytes() {
        return 0;
    }

    @Override
    public long usedBytes() {
        return 0;
    }

    @Override
    public void close() {
        // Nothing is open.
    }
}
