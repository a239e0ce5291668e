package ramback.writeback;

import ramback.image.DirtyCount;

/**
 * What epochs cost in the journal, at most. Whoever makes data dirty reserves its share beforehand, so that an epoch that was
 * cut always fits, and a commit never waits for a retire.
 *
 * @param chunkBytes a chunk of data, with its extent and its share of the descriptors
 */
record JournalSpace(long chunkBytes) {

    /** A commit record and a descriptor that is not full. */
    static final long EPOCH_BYTES = 8192;

    /** Room that is kept for cuts: small enough not to be missed. */
    static final long KEPT_BYTES = 8 * EPOCH_BYTES;

    /**
     * A run of zeroes: its extent, and two more of the sealed epoch, when it is zeroed in the middle of a run there, whose parts are then
     * captured one by one. Each is a 160th of a descriptor, 25.6 bytes; what is left is for pieces of a run that others' entries in
     * the ring keep apart.
     */
    static final long ZERO_RUN_BYTES = 96;

    /** A chunk's extent, and its share of descriptors that are full of extents. */
    private static final long EXTENT_BYTES = 64;

    private static final long DESCRIPTOR_BYTES = 4096;

    /**
     * Descriptors for as much data as makes a batch: one, and one more each for an entry that was just being copied and for
     * the ring's end.
     */
    private static final int DESCRIPTORS_PER_BATCH = 3;

    /** For chunks of a size, that come through a ring of a size. */
    static JournalSpace of(int chunkBytes, long ringBytes) {
        long batchBytes = Math.min(JournalWriter.BATCH_BYTES_MAX, ringBytes / 2);
        long batchChunks = Math.max(1, batchBytes / chunkBytes);
        long share = DESCRIPTORS_PER_BATCH * DESCRIPTOR_BYTES / batchChunks;
        return new JournalSpace(chunkBytes + EXTENT_BYTES + share);
    }

    /** What the journal has still to take of what is dirty, with what is reserved. */
    long reservedBytes(DirtyCount dirty) {
        return dirty.logDataChunkCount() * chunkBytes + dirty.logZeroRunCount() * ZERO_RUN_BYTES;
    }
}
