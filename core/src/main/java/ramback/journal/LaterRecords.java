package ramback.journal;

import static ramback.journal.JournalFormat.BLOCK_BYTES;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * Looks in the part of the ring where no record should be for signs of epochs that were committed: a commit record, or a descriptor
 * that names the epoch before its own, which was durable before it was written. Only records with the newest salt count:
 * others are left from former laps and former starts.
 */
final class LaterRecords {
    private final RingReader reader;
    private final Superblock superblock;
    private final long lastEpoch;
    private final long salt;
    private long highestEpoch;

    // The commit records from the last good epoch on, without a gap.
    private long chainEpoch;
    private long chainApplyEpoch;

    LaterRecords(RingReader reader, Superblock superblock, long lastEpoch) {
        this.reader = reader;
        this.superblock = superblock;
        this.lastEpoch = lastEpoch;
        this.chainEpoch = lastEpoch;
        this.salt = superblock.salts().getLast().value();
    }

    /** The newest epoch after the last good one that was committed for certain; 0 if there is no sign of any. */
    long highestEpoch() {
        return highestEpoch;
    }

    /** The newest of the later epochs that the image may hold parts of; the newest of all if not all commit records are there. */
    long applyEpoch() {
        return chainEpoch >= highestEpoch ? chainApplyEpoch : highestEpoch;
    }

    /** Looks at every block from one position to another. */
    void search(long from, long to) throws IOException {
        for (long at = from; at < to; at += BLOCK_BYTES) {
            MemorySegment block = reader.block(at);
            Commit commit = commit(block, at);
            if (commit != null) {
                highestEpoch = Math.max(highestEpoch, commit.epoch());
                if (commit.epochBefore() == chainEpoch) {
                    chainEpoch = commit.epoch();
                    chainApplyEpoch = commit.mayBeApplied() ? chainEpoch : chainApplyEpoch;
                }
            } else if (isLater(new Descriptor(block), at)) {
                highestEpoch = Math.max(highestEpoch, new Descriptor(block).epochBefore());
            }
        }
    }

    /** The first commit record of a later epoch; null if there is none. */
    @Nullable
    Commit firstCommit(long from, long to) throws IOException {
        for (long at = from; at < to; at += BLOCK_BYTES) {
            Commit commit = commit(reader.block(at), at);
            if (commit != null) {
                return commit;
            }
        }
        return null;
    }

    private @Nullable Commit commit(MemorySegment block, long at) {
        for (int copy = 0; copy < Commit.COPY_COUNT; copy++) {
            Commit commit = Commit.decode(block, copy);
            if (commit != null
                    && commit.salt() == salt
                    && commit.device().equals(superblock.identity().device())
                    && commit.epoch() > lastEpoch
                    && belongs(commit.position(), at)) {
                return commit;
            }
        }
        return null;
    }

    private boolean isLater(Descriptor descriptor, long at) {
        return descriptor.claims(salt)
                && descriptor.isValid(superblock.identity())
                && descriptor.epochBefore() > lastEpoch
                && belongs(descriptor.position(), at);
    }

    /** Whether a record that says its position may be at another: that one, or whole laps later, if the superblock is an old one. */
    private boolean belongs(long recordPosition, long at) {
        return recordPosition >= at && (recordPosition - at) % superblock.ringBytes() == 0;
    }
}
