package ramback.fuse;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import ramback.device.Outcome;
import ramback.nbd.RamDevice;
import ramback.posix.Errno;
import ramback.traffic.ClientKind;
import ramback.traffic.RequestKind;
import ramback.traffic.TrafficCounts;

/** Requests for {@code disk} are counted, timed and recorded; those for text files are not. */
@Timeout(60)
final class FuseTrafficTest {

    private static final int SIZE = 1 << 20;
    private static final int PUNCH = 3;
    private static final int ZERO = 0x11;

    private final RamDevice device = RamDevice.ofSize(SIZE);
    private final List<FuseFile> files = List.of(new FuseFile("status", () -> "text\n", null));

    /** A request is counted right after its answer has left, and before the next one is received. */
    private static TrafficCounts counts(FakeKernel kernel) throws Exception {
        kernel.call(FuseProtocol.GETATTR, FuseProtocol.ROOT_NODE, FakeKernel.body(16));
        return kernel.traffic.counts();
    }

    private static void assertTimed(FakeKernel kernel, Map<RequestKind, Integer> expected) throws Exception {
        kernel.call(FuseProtocol.GETATTR, FuseProtocol.ROOT_NODE, FakeKernel.body(16));
        for (RequestKind kind : RequestKind.SHOWN) {
            assertThat(kernel.traffic.latencies().of(kind).count())
                    .as(kind.word())
                    .isEqualTo(expected.getOrDefault(kind, 0).longValue());
        }
    }

    private static TrafficCounts.Tally tally(long requestCount, long bytes) {
        return new TrafficCounts.Tally(requestCount, bytes);
    }

    @Test
    void requestsAndBytesAreCountedByKindAndTimed() throws Exception {
        try (FakeKernel kernel = new FakeKernel(device, files)) {
            kernel.read(0, 4096);
            kernel.read(SIZE - 100, 4096);
            kernel.read(SIZE, 4096); // the end of the file is known without the device
            kernel.write(4096, new byte[512]);
            kernel.allocate(PUNCH, 0, 8192);
            kernel.allocate(ZERO, 0, 4096);
            kernel.call(FuseProtocol.FSYNC, Tree.DISK_NODE, FakeKernel.body(16));
            kernel.call(FuseProtocol.READ, Tree.DISK_NODE + 1, FakeKernel.body(40)); // a text file
            TrafficCounts counts = counts(kernel);
            assertThat(counts.clients()).isEqualTo(Map.of(ClientKind.NBD, 0, ClientKind.UBLK, 0, ClientKind.FUSE, 1));
            assertThat(counts.read()).isEqualTo(tally(2, 4196));
            assertThat(counts.write()).isEqualTo(tally(1, 512));
            assertThat(counts.trim()).isEqualTo(tally(1, 8192));
            assertThat(counts.zero()).isEqualTo(tally(1, 4096));
            assertThat(counts.flush()).isEqualTo(tally(1, 0));
            assertThat(counts.failedCount()).isZero();
            assertTimed(
                    kernel,
                    Map.of(
                            RequestKind.READ,
                            2,
                            RequestKind.WRITE,
                            1,
                            RequestKind.TRIM,
                            1,
                            RequestKind.ZERO,
                            1,
                            RequestKind.FLUSH,
                            1));
        }
    }

    @Test
    void whatIsRefusedOrFailsIsCountedAsFailed() throws Exception {
        try (FakeKernel kernel = new FakeKernel(device, files)) {
            assertThat(kernel.write(SIZE, new byte[1]).error()).isEqualTo(Errno.ENOSPC);
            assertThat(kernel.allocate(0, 0, 4096).error()).isEqualTo(Errno.EOPNOTSUPP);
            assertThat(kernel.read(-1, 1).error()).isEqualTo(Errno.EINVAL);
            device.failWith = request -> Outcome.IO_ERROR;
            assertThat(kernel.read(0, 1).error()).isEqualTo(Errno.EIO);
            TrafficCounts counts = counts(kernel);
            assertThat(counts.failedCount()).isEqualTo(4);
            assertThat(counts.read()).isEqualTo(tally(1, 1));
            assertThat(counts.write()).isEqualTo(tally(0, 0));
            assertTimed(kernel, Map.of(RequestKind.READ, 1));
        }
    }

    @Test
    void aRequestThatWaitsIsCountedAtOnceAndTimedUntilItIsAnswered() throws Exception {
        try (FakeKernel kernel = new FakeKernel(device, files)) {
            device.deferWhere = request -> true;
            long flush = kernel.send(FuseProtocol.FSYNC, Tree.DISK_NODE, FakeKernel.body(16));
            RamDevice.Waiting waiting = device.waiting.take();
            assertThat(counts(kernel).flush()).isEqualTo(tally(1, 0));
            assertTimed(kernel, Map.of());
            long beginNanos = System.nanoTime();
            long waitedNanos = 0;
            while (waitedNanos < 20_000_000) {
                Thread.sleep(1);
                waitedNanos = System.nanoTime() - beginNanos;
            }
            waiting.finish(Outcome.DONE);
            kernel.await(flush);
            while (kernel.traffic.latencies().of(RequestKind.FLUSH).count() == 0) {
                Thread.sleep(1);
            }
            assertThat(kernel.traffic.latencies().of(RequestKind.FLUSH).sumNanos())
                    .isGreaterThanOrEqualTo(waitedNanos);
        }
    }

    @Test
    void whatWasCountedStaysWhenTheDirectoryIsUnmounted() throws Exception {
        FakeKernel kernel = new FakeKernel(device, files);
        kernel.read(0, 4096);
        kernel.close();
        assertThat(kernel.traffic.counts().clientCount()).isZero();
        assertThat(kernel.traffic.counts().read()).isEqualTo(tally(1, 4096));
        assertThat(kernel.traffic.latencies().of(RequestKind.READ).count()).isEqualTo(1);
    }

    @Test
    void recordedRequestsAreEvents(@TempDir Path directory) throws Exception {
        Path file = directory.resolve("requests.jfr");
        try (Recording recording = new Recording();
                FakeKernel kernel = new FakeKernel(device, files)) {
            recording.enable("ramback.Request");
            recording.start();
            kernel.traffic.recordRequests(true);
            kernel.write(4096, new byte[512]);
            device.deferWhere = request -> true;
            long read = kernel.sendRead(Tree.DISK_NODE, 0, 0, 100);
            device.waiting.take().finish(Outcome.IO_ERROR);
            assertThat(kernel.await(read).error()).isEqualTo(Errno.EIO);
            while (kernel.traffic.latencies().of(RequestKind.READ).count() == 0) {
                Thread.sleep(1);
            }
            kernel.traffic.recordRequests(false);
            recording.stop();
            recording.dump(file);
        }
        List<RecordedEvent> events = RecordingFile.readAllEvents(file).stream()
                .filter(event -> event.getEventType().getName().equals("ramback.Request"))
                .toList();
        assertThat(events)
                .extracting(event -> event.getString("kind") + " " + event.getLong("offset") + " "
                        + event.getLong("length") + " " + event.getBoolean("deferred") + " " + event.getInt("error"))
                .containsExactlyInAnyOrder("write 4096 512 false 0", "read 0 100 true " + Errno.EIO);
    }
}
