package ramback.journal;

/**
 * How far the writing of an epoch has come, record by record; where to go back to when something fails.
 *
 * @param position behind the last whole record
 * @param descriptorCount of the epoch so far
 * @param descriptorHash over their checksums
 */
record EpochProgress(
        long position, int descriptorCount, long dataChunkCount, long zeroChunkCount, long descriptorHash) {

    /** An epoch of which nothing has been written. */
    static EpochProgress at(long position) {
        return new EpochProgress(position, 0, 0, 0, 0);
    }

    /** With one more record. */
    EpochProgress plus(long recordBytes, long dataChunks, long zeroChunks, int descriptorChecksum) {
        return new EpochProgress(
                position + recordBytes,
                descriptorCount + 1,
                dataChunkCount + dataChunks,
                zeroChunkCount + zeroChunks,
                JournalFormat.extendHash(descriptorHash, descriptorChecksum));
    }

    /** How many chunks were written. */
    long chunkCount() {
        return dataChunkCount + zeroChunkCount;
    }
}
