package ramback.control;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import ramback.traffic.RequestKind;
import ramback.traffic.RequestLatencies;
import ramback.traffic.SampleLatencies;

final class LatencyWindowTest {

    private static final long SECOND = 1_000_000_000L;
    private static final long BEGIN = -5 * SECOND; // as System.nanoTime() may be

    private final LatencyWindow window = new LatencyWindow(BEGIN);
    private final SampleLatencies server = new SampleLatencies();

    private long reads(long atSecond) {
        return window.reports(BEGIN + atSecond * SECOND, server.counts()).stream()
                .filter(report -> report.kind().equals("read"))
                .mapToLong(LatencyReport::count)
                .sum();
    }

    @Test
    void theFirstSecondsCountFromTheStart() {
        server.with(RequestKind.READ, 10_000, 3);
        assertThat(reads(1)).isEqualTo(3);
    }

    @Test
    void whatIsOlderThanTheWindowIsNotInIt() {
        for (int second = 1; second <= 60; second++) {
            server.with(RequestKind.READ, 10_000, 5);
            window.note(BEGIN + second * SECOND, server.counts());
            assertThat(reads(second)).as("second %s", second).isEqualTo(5L * Math.min(second, 10));
        }
    }

    @Test
    void afterTenSecondsOfQuietThereIsNothing() {
        server.with(RequestKind.READ, 10_000, 5);
        window.note(BEGIN + SECOND, server.counts());
        assertThat(reads(9)).isEqualTo(5);
        assertThat(reads(12)).isZero();
        assertThat(window.reports(BEGIN + 13 * SECOND, server.counts())).isEmpty();
    }

    @Test
    void aStatusThatIsAskedForSeldomIsOfTheLastTellingBeforeTheWindow() {
        server.with(RequestKind.READ, 10_000, 5);
        window.note(BEGIN + SECOND, server.counts());
        server.with(RequestKind.READ, 10_000, 7);
        assertThat(reads(100)).isEqualTo(7);
    }

    @Test
    void theReportIsInSecondsAndOfEveryKindThatThereWas() {
        server.with(RequestKind.WRITE, 1 << 14, 990)
                .with(RequestKind.WRITE, 1 << 20, 10)
                .with(RequestKind.FLUSH, 1 << 24, 1);
        assertThat(window.reports(BEGIN + SECOND, server.counts()))
                .containsExactly(
                        new LatencyReport("write", 1000, 16384e-9, 16384e-9, 1048576e-9, 1048576e-9),
                        new LatencyReport("flush", 1, 16777216e-9, 16777216e-9, 16777216e-9, 16777216e-9));
    }

    @Test
    void aServerWithoutRequestsReportsNothing() {
        assertThat(window.reports(BEGIN, RequestLatencies.NONE)).isEmpty();
    }
}
