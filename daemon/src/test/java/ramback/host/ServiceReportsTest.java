package ramback.host;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import ramback.clock.Clock;

class ServiceReportsTest {

    private static final long SECOND = 1_000_000_000L;
    private static final long PID = 4711;
    private static final String EXTENSION = "EXTEND_TIMEOUT_USEC=" + ServiceReports.PATIENCE_MICROS;

    private final List<List<String>> told = new ArrayList<>();
    private long now = SECOND;

    private final Clock clock = new Clock() {
        @Override
        public long nanoTime() {
            return now;
        }

        @Override
        public Instant now() {
            return Instant.EPOCH;
        }

        @Override
        public void park(Object blocker, long deadlineNanos) {
            throw new IllegalStateException("nobody waits here");
        }
    };

    private ServiceReports reports(Map<String, String> environment) {
        ServiceReports.Manager manager = new ServiceReports.Manager() {
            @Override
            public void tell(List<String> assignments) {
                told.add(List.copyOf(assignments));
            }

            @Override
            public void close() {
                // Nothing to close.
            }
        };
        return new ServiceReports(manager, clock, environment, PID);
    }

    /** Steps, and returns what that told. */
    private List<String> step(ServiceReports reports) {
        told.clear();
        reports.step();
        assertThat(told).hasSizeLessThanOrEqualTo(1);
        return told.isEmpty() ? List.of() : told.getFirst();
    }

    private static ServiceReports.Pulse pulse(String status, long progress) {
        return new ServiceReports.Pulse(status, progress, true);
    }

    @Test
    void aStartAsksForMoreTimeAsLongAsItGetsOn() {
        ServiceReports reports = reports(Map.of());
        assertThat(step(reports)).containsExactly("STATUS=starting");
        reports.starting("recovering disk, 1 %", 1);
        assertThat(step(reports)).as("once a second").isEmpty();
        now += SECOND;
        assertThat(step(reports)).containsExactly(EXTENSION, "STATUS=recovering disk, 1 %");
        now += SECOND;
        assertThat(step(reports)).as("nothing was done").isEmpty();
        reports.starting("recovering disk, 1 %", 2);
        now += SECOND;
        assertThat(step(reports)).containsExactly(EXTENSION);
    }

    @Test
    void readyIsToldAtOnceAndWithTheProcess() {
        ServiceReports reports = reports(Map.of());
        step(reports);
        reports.serving(() -> pulse("loading 45 %", 0));
        assertThat(step(reports)).containsExactly("READY=1", "MAINPID=4711", "STATUS=loading 45 %");
        assertThat(step(reports)).isEmpty();
    }

    @Test
    void aStatusIsToldWhenItChangesAndOnceASecondAtMost() {
        ServiceReports reports = reports(Map.of());
        String[] status = {"loading 45 %"};
        reports.serving(() -> pulse(status[0], 0));
        step(reports);
        status[0] = "loading 46 %";
        now += SECOND / 2;
        assertThat(step(reports)).isEmpty();
        now += SECOND / 2;
        assertThat(step(reports)).containsExactly("STATUS=loading 46 %");
        now += 100 * SECOND;
        assertThat(step(reports)).isEmpty();
    }

    @Test
    void aServedDeviceAsksForNoTime() {
        ServiceReports reports = reports(Map.of());
        long[] progress = {0};
        reports.serving(() -> pulse("green", progress[0]));
        step(reports);
        progress[0]++;
        now += SECOND;
        assertThat(step(reports)).isEmpty();
    }

    @Test
    void theWatchdogHearsTwiceInItsTime() {
        ServiceReports reports = reports(Map.of("WATCHDOG_USEC", "30000000"));
        reports.serving(() -> pulse("green", 0));
        assertThat(step(reports)).contains("READY=1", "WATCHDOG=1");
        int count = 0;
        for (int second = 1; second <= 60; second++) {
            now += SECOND;
            count += step(reports).contains("WATCHDOG=1") ? 1 : 0;
        }
        assertThat(count).isEqualTo(4);
    }

    @Test
    void aWatchdogOfLessThanASecondIsAnsweredInTime() {
        ServiceReports reports = reports(Map.of("WATCHDOG_USEC", "200000", "WATCHDOG_PID", "4711"));
        reports.serving(() -> pulse("green", 0));
        reports.step();
        assertThat(reports.step() - now).isEqualTo(SECOND / 10);
    }

    @Test
    void theWatchdogOfAnotherProcessAndOneThatIsNoNumberAreNotAnswered() {
        for (Map<String, String> environment : List.of(
                Map.<String, String>of(),
                Map.of("WATCHDOG_USEC", "0"),
                Map.of("WATCHDOG_USEC", "30000000", "WATCHDOG_PID", "1"),
                Map.of("WATCHDOG_USEC", "soon"),
                Map.of("WATCHDOG_USEC", "30000000", "WATCHDOG_PID", "me"))) {
            ServiceReports reports = reports(environment);
            reports.serving(() -> pulse("green", 0));
            assertThat(step(reports)).as("%s", environment).doesNotContain("WATCHDOG=1");
        }
    }

    @Test
    void aProcessThatIsNotAliveDoesNotAnswerTheWatchdogAndSaysWhatItIs() {
        ServiceReports reports = reports(Map.of("WATCHDOG_USEC", "2000000"));
        boolean[] isAlive = {true};
        reports.serving(() -> new ServiceReports.Pulse("as it is", 0, isAlive[0]));
        assertThat(step(reports)).contains("WATCHDOG=1");
        isAlive[0] = false;
        now += SECOND;
        assertThat(step(reports)).isEmpty();
        isAlive[0] = true;
        now += SECOND;
        assertThat(step(reports)).containsExactly("WATCHDOG=1");
    }

    @Test
    void anErrorInTheStatusIsNoLife() {
        ServiceReports reports = reports(Map.of("WATCHDOG_USEC", "2000000"));
        reports.serving(() -> {
            throw new IllegalStateException("broken");
        });
        assertThat(step(reports))
                .contains("STATUS=internal error: java.lang.IllegalStateException: broken")
                .doesNotContain("WATCHDOG=1");
    }

    @Test
    void aStopIsToldAtOnceAndAsksForTimeAsLongAsItGetsOn() {
        ServiceReports reports = reports(Map.of("WATCHDOG_USEC", "2000000"));
        long[] progress = {5};
        reports.serving(() -> pulse("stopping", progress[0]));
        step(reports);
        reports.stopping();
        assertThat(step(reports)).startsWith("STOPPING=1", EXTENSION);
        now += SECOND;
        assertThat(step(reports)).as("the disk takes nothing").containsExactly("WATCHDOG=1");
        progress[0]++;
        now += SECOND;
        assertThat(step(reports)).containsExactly(EXTENSION, "WATCHDOG=1");
    }

    @Test
    void whatTakesOverHasTheTimeOfAStart() {
        ServiceReports reports = reports(Map.of("WATCHDOG_USEC", "60000000"));
        reports.serving(() -> pulse("green", 0));
        assertThat(step(reports)).contains("WATCHDOG=1");
        reports.serving(() -> pulse("another program takes the device over", 0));
        told.clear();
        reports.closeForSuccessor();
        reports.last();
        assertThat(told)
                .containsExactly(List.of(
                        "STATUS=another program takes the device over",
                        "WATCHDOG=1",
                        "WATCHDOG_USEC=" + ServiceReports.PATIENCE_MICROS));
        ServiceReports successor = reports(Map.of("WATCHDOG_USEC", "60000000"));
        successor.serving(() -> pulse("green", 0));
        assertThat(step(successor)).contains("READY=1", "WATCHDOG_USEC=60000000", "WATCHDOG=1");
    }

    @Test
    void aStatusIsOneLineOfBoundedLength() {
        ServiceReports reports = reports(Map.of());
        reports.serving(() -> pulse("degraded: cannot read /srv/a\nREADY=1\u0007 " + "x".repeat(5_000), 0));
        assertThat(step(reports))
                .last()
                .asString()
                .startsWith("STATUS=degraded: cannot read /srv/a READY=1 xxx")
                .hasSizeLessThan(1_000);
    }

    @Test
    void withoutAManagerNothingRunsAndNothingIsOpened() {
        try (ServiceReports reports = ServiceReports.start(Map.of("WATCHDOG_USEC", "1000"))) {
            reports.serving(() -> {
                throw new AssertionError("asked");
            });
            reports.stopping();
        }
        assertThat(told).isEmpty();
    }

    @Test
    void aSocketThatIsNoneIsPassedOver() {
        for (String name : List.of("relative/path", "vsock:2:1", "/nowhere/at/all")) {
            try (ServiceReports reports = ServiceReports.start(Map.of("NOTIFY_SOCKET", name))) {
                reports.serving(() -> pulse("green", 0));
            }
        }
    }
}
