package ramback.traffic;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** The sums over clients that come and go. */
final class TrafficTest {

    private final Traffic traffic = new Traffic();

    private static void serve(SessionTraffic session, RequestKind kind, long lengthBytes) {
        PendingAnswers answers = session.answers();
        RequestSpan span = session.begin(kind, 0, lengthBytes, false);
        assertThat(span).as("nobody records").isNull();
        answers.add(kind, System.nanoTime(), 0, null);
        answers.sent();
    }

    @Test
    void aClientIsOneHoweverManySessionsItHasUntilTheLastIsClosed() {
        List<SessionTraffic> directory = traffic.join(ClientKind.FUSE, 2);
        SessionTraffic connection = traffic.join(ClientKind.NBD, 1).getFirst();
        assertThat(traffic.counts().clients())
                .isEqualTo(Map.of(ClientKind.NBD, 1, ClientKind.UBLK, 0, ClientKind.FUSE, 1));
        directory.getFirst().close();
        directory.getFirst().close();
        assertThat(traffic.counts().clientCount()).isEqualTo(2);
        directory.getLast().close();
        connection.close();
        assertThat(traffic.counts().clientCount()).isZero();
    }

    @Test
    void whatClientsAskedForStaysCountedWhenTheyHaveGone() {
        List<SessionTraffic> disk = traffic.join(ClientKind.UBLK, 2);
        serve(disk.getFirst(), RequestKind.READ, 4096);
        serve(disk.getLast(), RequestKind.READ, 512);
        disk.getLast().countFailed();
        TrafficCounts before = traffic.counts();
        RequestLatencies latenciesBefore = traffic.latencies();
        assertThat(before.read()).isEqualTo(new TrafficCounts.Tally(2, 4608));
        assertThat(before.failedCount()).isEqualTo(1);
        assertThat(latenciesBefore.of(RequestKind.READ).count()).isEqualTo(2);
        disk.forEach(SessionTraffic::close);
        assertThat(traffic.counts())
                .usingRecursiveComparison()
                .ignoringFields("clients")
                .isEqualTo(before);
        assertThat(traffic.latencies()).isEqualTo(latenciesBefore);
        assertThat(traffic.latencies()).as("of an idle device").isSameAs(traffic.latencies());
        serve(traffic.join(ClientKind.NBD, 1).getFirst(), RequestKind.READ, 1);
        assertThat(traffic.latencies().of(RequestKind.READ).count()).isEqualTo(3);
        assertThat(traffic.counts().read()).isEqualTo(new TrafficCounts.Tally(3, 4609));
    }
}
