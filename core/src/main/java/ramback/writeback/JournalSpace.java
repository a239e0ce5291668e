package ramback.writeback;

import ramback.image.DirtyCount;
import ramback.memory.SegmentLayout;

/**
 * What epochs cost in the journal, at most. Whoever makes data dirty reserves its share beforehand, so that an epoch that was
 * cut always fits, and a commit never waits for a retire.
 */
final class JournalSpace {

    /** A commit record and a descriptor that is not full. */
    static final long EPOCH_BYTES = 8192;

    /** Room that is kept for cuts: small enough not to be missed. */
    static final long KEPT_BYTES = 8 * EPOCH_BYTES;

    /** A run of zeroes: one extent of a descriptor. */
    private static final long ZERO_RUN_BYTES = 32;

    /** A chunk of data, besides itself: its extent, and its share of the descriptors. */
    private static final long CHUNK_EXTRA_BYTES = 64;

    private static final int CHUNK_SHARE = 128;

    private JournalSpace() {}

    /** A chunk of data. */
    static long chunkBytes(SegmentLayout layout) {
        return layout.chunkBytes() + layout.chunkBytes() / CHUNK_SHARE + CHUNK_EXTRA_BYTES;
    }

    /** What the journal has still to take of what is dirty, with what is reserved. */
    static long reservedBytes(SegmentLayout layout, DirtyCount dirty) {
        return dirty.logDataChunkCount() * chunkBytes(layout) + dirty.logZeroRunCount() * ZERO_RUN_BYTES;
    }
}
