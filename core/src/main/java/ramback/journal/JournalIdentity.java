package ramback.journal;

import java.util.UUID;

/**
 * What a journal belongs to.
 *
 * @param device the device's UUID
 * @param chunkBytes a power of two, 4 KiB to 1 MiB
 * @param imageBytes the image's size, 1 to 2^44
 * @param imageDevice number of the device that the image's file is on, or of the block device that it is
 * @param imageInode the image file's inode, 0 for a block device
 */
public record JournalIdentity(UUID device, int chunkBytes, long imageBytes, long imageDevice, long imageInode) {

    private static final int CHUNK_BYTES_MIN = 4 << 10;
    private static final int CHUNK_BYTES_MAX = 1 << 20;
    private static final long IMAGE_BYTES_MAX = 1L << 44;

    /** Checks the ranges; a violation is a programmer's error. */
    public JournalIdentity {
        if (!isValid(chunkBytes, imageBytes)) {
            throw new IllegalArgumentException(
                    "chunk size " + chunkBytes + " is not a power of two of 4 KiB to 1 MiB, or" + " image size "
                            + imageBytes + " is not within 1 to " + IMAGE_BYTES_MAX);
        }
    }

    /** Whether the sizes are within their ranges. */
    static boolean isValid(int chunkBytes, long imageBytes) {
        return Integer.bitCount(chunkBytes) == 1
                && chunkBytes >= CHUNK_BYTES_MIN
                && chunkBytes <= CHUNK_BYTES_MAX
                && imageBytes >= 1
                && imageBytes <= IMAGE_BYTES_MAX;
    }

    /** How many chunks the image has; the last one may be shorter than the others. */
    public long chunkCount() {
        return (imageBytes + chunkBytes - 1) / chunkBytes;
    }
}
