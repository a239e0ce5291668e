package ramback.nbd;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import ramback.device.Outcome;
import ramback.protocol.Protocol;
import ramback.traffic.RequestKind;

/** Who is timed, and who is not, by a server with clients. */
@Timeout(120)
final class RequestLatenciesTest {

    private static final int DEFERRED_MAX = 4;

    @TempDir
    Path directory;

    private ServerFixture fixture = null;

    @BeforeEach
    void serve() throws Exception {
        RamDevice device = new RamDevice("disk", RamDevice.ofSize(1 << 20).memory, 4096, false, 16, DEFERRED_MAX);
        fixture = new ServerFixture(device, ServerLimits.DEFAULT);
    }

    @AfterEach
    void stop() throws Exception {
        fixture.close();
    }

    /** A request of each kind; its answer has been received when this returns. */
    private void oneOfEachKind(NbdClient client) throws Exception {
        client.request(Protocol.CMD_READ, 1, 0, 100);
        client.expect(1, 0);
        client.receive(100);
        client.write(2, 0, new byte[5000]);
        client.expect(2, 0);
        client.request(Protocol.CMD_FLUSH, 3, 0, 0);
        client.expect(3, 0);
        client.request(Protocol.CMD_TRIM, 4, 0, 5);
        client.expect(4, 0);
        client.request(Protocol.CMD_WRITE_ZEROES, 5, 0, 5);
        client.expect(5, 0);
    }

    private Map<RequestKind, Long> counts() {
        Map<RequestKind, Long> counts = new TreeMap<>();
        for (RequestKind kind : RequestKind.SHOWN) {
            counts.put(kind, fixture.server.traffic().latencies().of(kind).count());
        }
        return counts;
    }

    private static Map<RequestKind, Long> each(long count) {
        Map<RequestKind, Long> counts = new TreeMap<>();
        for (RequestKind kind : RequestKind.SHOWN) {
            counts.put(kind, count);
        }
        return counts;
    }

    /** A client may have its answer before the server has counted that it was sent. */
    private void awaitCounts(Map<RequestKind, Long> expected) throws InterruptedException {
        while (!counts().equals(expected)) {
            Thread.sleep(1);
        }
    }

    @Test
    void everyAnsweredRequestIsTimedOnceByItsKindAlsoWhenItsClientHasGone() throws Exception {
        NbdClient first = fixture.transmitting();
        oneOfEachKind(first);
        awaitCounts(each(1));
        oneOfEachKind(fixture.transmitting());
        awaitCounts(each(2));
        first.close();
        while (fixture.server.clientCount() > 1) {
            Thread.sleep(1);
        }
        assertThat(counts()).isEqualTo(each(2));
    }

    @Test
    void aRequestThatWaitsIsTimedUntilItIsAnswered() throws Exception {
        NbdClient client = fixture.transmitting();
        fixture.device.deferWhere = request -> true;
        client.request(Protocol.CMD_FLUSH, 1, 0, 0);
        RamDevice.Waiting waiting = fixture.device.waiting.take();
        assertThat(counts()).isEqualTo(each(0));
        long beginNanos = System.nanoTime();
        long waitedNanos = 0;
        while (waitedNanos < 20_000_000) {
            Thread.sleep(1);
            waitedNanos = System.nanoTime() - beginNanos;
        }
        waiting.finish(Outcome.DONE);
        client.expect(1, 0);
        Map<RequestKind, Long> one = each(0);
        one.put(RequestKind.FLUSH, 1L);
        awaitCounts(one);
        assertThat(fixture.server.traffic().latencies().of(RequestKind.FLUSH).sumNanos())
                .isGreaterThanOrEqualTo(waitedNanos);
    }

    @Test
    void whatIsRefusedBeforeItReachesTheDeviceIsNotTimed() throws Exception {
        NbdClient client = fixture.transmitting();
        client.request(Protocol.CMD_READ, 1, 1 << 20, 1);
        client.expect(1, Protocol.EINVAL);
        oneOfEachKind(client);
        awaitCounts(each(1));
    }

    @Test
    void recordedRequestsAreEventsWithTheirFields() throws Exception {
        Path file = directory.resolve("requests.jfr");
        try (Recording recording = new Recording()) {
            recording.enable("ramback.Request");
            recording.start();
            fixture.server.traffic().recordRequests(true);
            NbdClient client = fixture.transmitting();
            oneOfEachKind(client);
            fixture.device.deferWhere = request -> true;
            client.request(Protocol.CMD_READ, 6, 4096, 512);
            fixture.device.waiting.take().finish(Outcome.IO_ERROR);
            client.expect(6, Protocol.EIO);
            Map<RequestKind, Long> all = each(1);
            all.put(RequestKind.READ, 2L);
            awaitCounts(all);
            fixture.server.traffic().recordRequests(false);
            client.request(Protocol.CMD_FLUSH, 7, 0, 0);
            fixture.device.waiting.take().finish(Outcome.DONE);
            client.expect(7, 0);
            recording.stop();
            recording.dump(file);
        }
        List<RecordedEvent> events = new ArrayList<>(RecordingFile.readAllEvents(file));
        events.removeIf(event -> !event.getEventType().getName().equals("ramback.Request"));
        Map<String, RecordedEvent> byKind = new HashMap<>();
        events.stream()
                .filter(event -> !event.getBoolean("deferred"))
                .forEach(event -> byKind.put(event.getString("kind"), event));
        assertThat(events).hasSize(6);
        assertThat(byKind).containsOnlyKeys("read", "write", "flush", "trim", "zero");
        assertThat(byKind.get("write").getLong("length")).isEqualTo(5000);
        assertThat(byKind.get("read").getLong("offset")).isZero();
        assertThat(events).allSatisfy(event -> {
            assertThat(event.getDuration("latency").toNanos()).isPositive();
            assertThat(event.getStackTrace()).isNull();
            assertThat(event.getThread().getJavaName())
                    .matches(event.getBoolean("deferred") ? "reply-[0-9]+" : "nbd-[0-9]+");
        });
        assertThat(events)
                .filteredOn(event -> event.getBoolean("deferred"))
                .singleElement()
                .satisfies(event -> {
                    assertThat(event.getString("kind")).isEqualTo("read");
                    assertThat(event.getLong("offset")).isEqualTo(4096);
                    assertThat(event.getLong("length")).isEqualTo(512);
                    assertThat(event.getInt("error")).isEqualTo(Protocol.EIO);
                });
    }
}
