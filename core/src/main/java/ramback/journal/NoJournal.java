package ramback.journal;

import java.lang.foreign.MemorySegment;

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
    public void append(long epoch, long chunk, MemorySegment content) {
        throw new IllegalStateException("no versions are kept, so none may be appended");
    }

    @Override
    public void commit(long epoch, long chunkCount) {
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
    public void close() {
        // Nothing is open.
    }
}
