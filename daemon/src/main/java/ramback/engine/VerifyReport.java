package ramback.engine;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a comparison of RAM with the image found. Bytes.
 *
 * @param comparedBytes of chunks that were compared
 * @param unloadedBytes of chunks that were not in RAM yet
 * @param busyBytes of chunks that were being changed: the image gets them anyway
 * @param unreadableBytes of chunks that could not be read from the image
 * @param lastError why, or null if all could be read
 * @param differingBytes of chunks that differ
 * @param repairedBytes of those, what is alike now
 * @param differences where they are, ascending; not all of them if there are many
 * @param differenceCount how many ranges differ
 */
public record VerifyReport(
        long comparedBytes,
        long unloadedBytes,
        long busyBytes,
        long unreadableBytes,
        @Nullable String lastError,
        long differingBytes,
        long repairedBytes,
        List<Range> differences,
        long differenceCount) {

    /** Which side is right where they differ. */
    public enum Repair {
        /** Nobody says: differences are only reported. */
        NONE,
        /** RAM is. */
        RAM,
        /** The image is. */
        IMAGE
    }

    /** Bytes of the device. */
    public record Range(long offsetBytes, long lengthBytes) {}
}
