package ramback.engine;

import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;
import ramback.device.Mode;

/**
 * Everything {@code status} tells about a device, except what belongs to its exports (URI, clients). Bytes, seconds,
 * counts. A snapshot: the numbers were each true at about the same moment.
 *
 * @param loadedChunks chunks whose content is in RAM
 * @param savedChunks chunks carried to the image since the start, counted each time
 * @param dirtyChunks chunks whose newest content is not yet durable in the image
 * @param dirtyBytes the same in bytes
 * @param inflight requests that wait for a load, for room or for a commit
 * @param intervalSeconds how old the durable image may be in {@code checkpoint}
 * @param lossBytes what acknowledged bytes a power failure at this moment would cost (in {@code unsafe}: the device)
 * @param lossSeconds the age of the oldest of them (in {@code unsafe}: since the image was last whole)
 * @param commitEpoch the newest epoch that is durable; 0 as long as commitTime is null
 * @param commitTime when it became so, or null if nothing has been committed since the start
 * @param journalPath the journal's file, or null if none is kept
 * @param journalSizeBytes the size of that file
 * @param journalUsedBytes how much of it the image still lacks
 * @param loadBytesPerSecond how fast the image is being loaded, averaged over the last second or two
 * @param loadRemainingBytes what is still to be loaded
 * @param backingErrors failed calls to the backing store since the start
 * @param backingLastError the newest failure in words, or null
 * @param backingFailing what is wrong with the image or the journal now, and why; null if nothing is
 * @param backingWriteBytesPerSecond how fast the image is being written, averaged over the last second or two
 * @param throttling whether writes are being slowed down
 * @param snapshotPath the file of the snapshot that is being taken, or null if none is
 * @param snapshotDoneBytes how much of the device it has been around
 * @param lockWaits how often a writer waited for a chunk's lock, by powers of two of microseconds from 1 on
 * @param ringWaits how often a writer waited for room for a captured version, likewise
 * @param changedBytes of the image that somebody else changed since its clean stop, and that are not served
 * @param exportGeneration how often a start had to go on without acknowledged writes
 * @param verifying whether RAM is being compared with the image
 * @param verifyDoneBytes how much of the device that has been around
 * @param verifyDifferingBytes of that, what differs
 * @param modeByHand whether somebody has chosen the mode, so that the power does not change it
 * @param power how it stands with its power
 * @param directIo whether the image is read and written past the page cache
 */
public record DeviceStatus(
        String name,
        Mode mode,
        Mode configuredMode,
        DeviceState state,
        boolean greenLight,
        long sizeBytes,
        int chunkBytes,
        long chunks,
        long loadedChunks,
        long savedChunks,
        long dirtyChunks,
        long dirtyBytes,
        long inflight,
        double intervalSeconds,
        long lossBytes,
        double lossSeconds,
        long commitEpoch,
        @Nullable Instant commitTime,
        @Nullable String journalPath,
        long journalSizeBytes,
        long journalUsedBytes,
        String backingUri,
        long backingErrors,
        @Nullable String backingLastError,
        @Nullable String backingFailing,
        double backingWriteBytesPerSecond,
        double loadBytesPerSecond,
        long loadRemainingBytes,
        long dirtyMaxBytes,
        boolean throttling,
        @Nullable String snapshotPath,
        long snapshotDoneBytes,
        List<Long> lockWaits,
        List<Long> ringWaits,
        boolean directIo,
        long changedBytes,
        long exportGeneration,
        boolean verifying,
        long verifyDoneBytes,
        long verifyDifferingBytes,
        boolean modeByHand,
        PowerStatus power,
        boolean readOnly,
        boolean trace) {}
