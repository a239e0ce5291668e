package ramback.control;

import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import ramback.attach.AttachedDisk;
import ramback.engine.DeviceStatus;
import ramback.traffic.TrafficCounts;

/**
 * What {@code status} tells about a served device: the same on both sides of the control socket. {@link StatusJson}
 * writes and reads it. A snapshot; bytes, seconds, counts.
 *
 * @param mode the mode in force, as a word
 * @param configuredMode what {@code up} was given, as a word
 * @param state loading, ready, flushing, degraded or stopping
 * @param light the light's colour, as a word
 * @param commitTime ISO 8601, or null when nothing has been committed since the start
 * @param tcpUri the URI on TCP, or null when it is not served there
 * @param tls whether NBD clients may or must encrypt, as a word: off, allow, require
 * @param httpUri where the dashboard is on TCP, or null when it is not served there
 * @param backingFailing what is wrong with the image or the journal now, and why; null if nothing is
 * @param lockWaits how often a writer waited for a chunk's lock, by powers of two of microseconds from 1 on
 * @param ringWaits how often a writer waited for room for a captured version, likewise
 * @param backingChangedBytes of the image that somebody else changed since its clean stop, and that are not served
 * @param exportGeneration how often a start had to go on without acknowledged writes
 * @param modeByHand whether somebody has chosen the mode, so that the power does not change it
 * @param power how the device stands with its power
 * @param latencies how long requests took in the last ten seconds, by kind; a kind without requests is left out
 * @param pid the daemon's
 * @param uptimeSeconds since the daemon began to serve
 * @param clients how many there are now, of whatever kind
 * @param clientsVia how many of them there are of each kind, by its word; none of a daemon that does not say
 * @param readCount requests since the start, and so on for the other kinds; CACHE counts as neither
 * @param process how the daemon stands on its machine
 * @param attached as what this machine has the device, or null when it is not attached
 */
public record StatusReport(
        String name,
        String uri,
        @Nullable String tcpUri,
        String tls,
        @Nullable String httpUri,
        long pid,
        double uptimeSeconds,
        String mode,
        String configuredMode,
        String state,
        boolean greenLight,
        String light,
        long sizeBytes,
        long chunkBytes,
        long chunks,
        long loadedChunks,
        long savedChunks,
        long dirtyChunks,
        long dirtyBytes,
        long dirtyMaxBytes,
        long inflight,
        double intervalSeconds,
        long lossBytes,
        double lossSeconds,
        long commitEpoch,
        @Nullable String commitTime,
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
        boolean throttling,
        @Nullable String snapshotPath,
        long snapshotDoneBytes,
        List<Long> lockWaits,
        List<Long> ringWaits,
        boolean directIo,
        long backingChangedBytes,
        long exportGeneration,
        boolean verifying,
        long verifyDoneBytes,
        long verifyDifferingBytes,
        boolean readOnly,
        boolean trace,
        int clients,
        Map<String, Integer> clientsVia,
        long readCount,
        long readBytes,
        long writeCount,
        long writeBytes,
        long flushCount,
        long trimCount,
        long zeroCount,
        long failedCount,
        boolean modeByHand,
        PowerReport power,
        List<LatencyReport> latencies,
        ProcessReport process,
        @Nullable AttachedDisk attached) {

    static StatusReport of(
            DeviceStatus device,
            TrafficCounts counts,
            String uri,
            @Nullable String tcpUri,
            String tls,
            @Nullable String httpUri,
            long pid,
            double uptimeSeconds,
            List<LatencyReport> latencies,
            ProcessReport process,
            @Nullable AttachedDisk attached) {
        return new StatusReport(
                device.name(),
                uri,
                tcpUri,
                tls,
                httpUri,
                pid,
                uptimeSeconds,
                device.mode().word(),
                device.configuredMode().word(),
                device.state().word(),
                device.greenLight(),
                Light.of(device).word(),
                device.sizeBytes(),
                device.chunkBytes(),
                device.chunks(),
                device.loadedChunks(),
                device.savedChunks(),
                device.dirtyChunks(),
                device.dirtyBytes(),
                device.dirtyMaxBytes(),
                device.inflight(),
                device.intervalSeconds(),
                device.lossBytes(),
                device.lossSeconds(),
                device.commitEpoch(),
                device.commitTime() == null ? null : device.commitTime().toString(),
                device.journalPath(),
                device.journalSizeBytes(),
                device.journalUsedBytes(),
                device.backingUri(),
                device.backingErrors(),
                device.backingLastError(),
                device.backingFailing(),
                device.backingWriteBytesPerSecond(),
                device.loadBytesPerSecond(),
                device.loadRemainingBytes(),
                device.throttling(),
                device.snapshotPath(),
                device.snapshotDoneBytes(),
                device.lockWaits(),
                device.ringWaits(),
                device.directIo(),
                device.changedBytes(),
                device.exportGeneration(),
                device.verifying(),
                device.verifyDoneBytes(),
                device.verifyDifferingBytes(),
                device.readOnly(),
                device.trace(),
                counts.clientCount(),
                clientsVia(counts),
                counts.read().requestCount(),
                counts.read().bytes(),
                counts.write().requestCount(),
                counts.write().bytes(),
                counts.flush().requestCount(),
                counts.trim().requestCount(),
                counts.zero().requestCount(),
                counts.failedCount(),
                device.modeByHand(),
                PowerReport.of(device.power()),
                latencies,
                process,
                attached);
    }

    private static Map<String, Integer> clientsVia(TrafficCounts counts) {
        Map<String, Integer> clients = new TreeMap<>();
        counts.clients().forEach((kind, count) -> clients.put(kind.word(), count));
        return clients;
    }

    /** Returns whether every chunk is in RAM. */
    public boolean fullyLoaded() {
        return loadedChunks >= chunks;
    }

    /** The light as one of its values; amber for a word this version does not know. */
    public Light lightColour() {
        for (Light colour : Light.values()) {
            if (colour.word().equals(light.toLowerCase(Locale.ROOT))) {
                return colour;
            }
        }
        return Light.AMBER;
    }
}
