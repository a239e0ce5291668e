package ramback.ublk;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import ramback.device.Outcome;
import ramback.nbd.RamDevice;
import ramback.posix.Errno;
import ramback.traffic.ClientKind;
import ramback.traffic.RequestKind;
import ramback.traffic.Traffic;
import ramback.traffic.TrafficCounts;

/** What the driver asks for is counted, timed and recorded. */
@Timeout(60)
final class QueueTrafficTest {

    /** More than answers are gathered at once. */
    private static final int DEPTH = 128;

    private final RamDevice device = RamDevice.ofSize(1 << 20);
    private ServedQueue served = null;
    private Traffic traffic = null;

    @BeforeEach
    void serve() throws Exception {
        served = new ServedQueue(device, DEPTH, 2);
        traffic = served.traffic;
    }

    @AfterEach
    void leave() throws Exception {
        served.group.enter(QueueGroup.Phase.LEAVING);
        served.join();
        assertThat(traffic.counts().clientCount()).isZero();
    }

    private int ask(int operation, long offsetBytes, int lengthBytes) throws Exception {
        return served.queue
                .submit(new FakeQueue.Request(operation, offsetBytes, lengthBytes))
                .await();
    }

    private static TrafficCounts.Tally tally(long requestCount, long bytes) {
        return new TrafficCounts.Tally(requestCount, bytes);
    }

    /** A request is timed when its answer is given to the driver, which a test may hear of a moment earlier. */
    private void awaitTimed(RequestKind kind, long count) throws InterruptedException {
        while (traffic.latencies().of(kind).count() < count) {
            Thread.sleep(1);
        }
        assertThat(traffic.latencies().of(kind).count()).isEqualTo(count);
    }

    @Test
    void requestsAndBytesAreCountedByKindAndTimed() throws Exception {
        ask(Uapi.OP_READ, 0, 4096);
        ask(Uapi.OP_WRITE, 4096, 512);
        ask(Uapi.OP_DISCARD, 0, 8192);
        ask(Uapi.OP_WRITE_ZEROES, 0, 4096);
        ask(Uapi.OP_FLUSH, 0, 0);
        served.queues
                .getLast()
                .submit(new FakeQueue.Request(Uapi.OP_READ, 0, 1024))
                .await();
        TrafficCounts counts = traffic.counts();
        assertThat(counts.clients()).isEqualTo(Map.of(ClientKind.NBD, 0, ClientKind.UBLK, 1, ClientKind.FUSE, 0));
        assertThat(counts.read()).isEqualTo(tally(2, 5120));
        assertThat(counts.write()).isEqualTo(tally(1, 512));
        assertThat(counts.trim()).isEqualTo(tally(1, 8192));
        assertThat(counts.zero()).isEqualTo(tally(1, 4096));
        assertThat(counts.flush()).isEqualTo(tally(1, 0));
        assertThat(counts.failedCount()).isZero();
        for (RequestKind kind : RequestKind.SHOWN) {
            awaitTimed(kind, kind == RequestKind.READ ? 2 : 1);
        }
    }

    @Test
    void whatIsRefusedOrFailsIsCountedAsFailed() throws Exception {
        assertThat(ask(13, 0, 4096)).isEqualTo(-Errno.EOPNOTSUPP);
        device.failWith = request -> Outcome.IO_ERROR;
        assertThat(ask(Uapi.OP_READ, 0, 4096)).isEqualTo(-Errno.EIO);
        awaitTimed(RequestKind.READ, 1);
        assertThat(traffic.counts().failedCount()).isEqualTo(2);
        assertThat(traffic.counts().read()).isEqualTo(tally(1, 4096));
    }

    @Test
    void aRequestThatWaitsIsCountedAtOnceAndTimedUntilItIsAnswered() throws Exception {
        device.deferWhere = request -> true;
        FakeQueue.Request flush = served.queue.submit(new FakeQueue.Request(Uapi.OP_FLUSH, 0, 0));
        RamDevice.Waiting waiting = device.waiting.take();
        assertThat(traffic.counts().flush()).isEqualTo(tally(1, 0));
        assertThat(traffic.latencies().of(RequestKind.FLUSH).count()).isZero();
        long beginNanos = System.nanoTime();
        long waitedNanos = 0;
        while (waitedNanos < 20_000_000) {
            Thread.sleep(1);
            waitedNanos = System.nanoTime() - beginNanos;
        }
        waiting.finish(Outcome.DONE);
        flush.await();
        awaitTimed(RequestKind.FLUSH, 1);
        assertThat(traffic.latencies().of(RequestKind.FLUSH).sumNanos()).isGreaterThanOrEqualTo(waitedNanos);
    }

    @Test
    void recordedRequestsAreEvents(@TempDir Path directory) throws Exception {
        Path file = directory.resolve("requests.jfr");
        try (Recording recording = new Recording()) {
            recording.enable("ramback.Request");
            recording.start();
            traffic.recordRequests(true);
            ask(Uapi.OP_WRITE | Uapi.IO_F_FUA, 4096, 512);
            device.deferWhere = request -> true;
            FakeQueue.Request read = served.queue.submit(new FakeQueue.Request(Uapi.OP_READ, 0, 512));
            device.waiting.take().finish(Outcome.IO_ERROR);
            assertThat(read.await()).isEqualTo(-Errno.EIO);
            awaitTimed(RequestKind.READ, 1);
            traffic.recordRequests(false);
            recording.stop();
            recording.dump(file);
        }
        List<RecordedEvent> events = RecordingFile.readAllEvents(file).stream()
                .filter(event -> event.getEventType().getName().equals("ramback.Request"))
                .toList();
        assertThat(events)
                .extracting(event -> event.getString("kind") + " " + event.getLong("offset") + " "
                        + event.getBoolean("forceUnitAccess") + " " + event.getBoolean("deferred") + " "
                        + event.getInt("error"))
                .containsExactlyInAnyOrder("write 4096 true false 0", "read 0 false true " + Errno.EIO);
    }

    /** Each recorded request is an entry of its own: more of them than there is room for. */
    @Test
    void moreAnswersAtOnceThanAreGatheredAreAllTimed() throws Exception {
        CountDownLatch gate = new CountDownLatch(1);
        device.failWith = request -> {
            try {
                gate.await();
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
            return null;
        };
        try (Recording recording = new Recording()) {
            recording.enable("ramback.Request");
            recording.start();
            traffic.recordRequests(true);
            List<FakeQueue.Request> requests = new ArrayList<>();
            for (int i = 0; i < DEPTH; i++) {
                requests.add(served.queue.submit(new FakeQueue.Request(Uapi.OP_READ, 0, 512)));
            }
            gate.countDown();
            for (FakeQueue.Request request : requests) {
                assertThat(request.await()).isEqualTo(512);
            }
            awaitTimed(RequestKind.READ, DEPTH);
        }
    }
}
