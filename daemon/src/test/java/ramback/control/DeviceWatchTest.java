package ramback.control;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import ramback.engine.Refusal;

class DeviceWatchTest {

    private final FakeDevice device = new FakeDevice();
    private final EventLog events = new EventLog();

    private String lastText() {
        return events.after(0).getLast().text();
    }

    @Test
    void aFaultOfOursCostsOneTurnAndNotTheWatch() throws Refusal {
        boolean[] isBroken = {true};
        DeviceWatch watch = new DeviceWatch(device, events, _ -> {}, (_, _) -> {
            if (isBroken[0]) {
                throw new IllegalStateException("a fault in this test, printed on purpose");
            }
        });
        watch.turn();
        watch.turn();
        device.status = SampleStatus.of("ready", 100, 0, 0);
        watch.turn();
        isBroken[0] = false;
        assertThat(lastText()).startsWith("state ready (was loading)");
        device.status = SampleStatus.of("degraded", 100, 0, 0);
        watch.turn();
        assertThat(lastText()).startsWith("state degraded (was ready)");
    }

    @Test
    void theEndIsTheReasonOfWhatChangesThen() throws Refusal {
        DeviceWatch watch = new DeviceWatch(device, events, _ -> {}, (_, _) -> {});
        watch.turn();
        device.status = SampleStatus.of("stopping", 100, 0, 0);
        watch.ends(DeviceLog.Reason.STOP);
        assertThat(events.after(0).getLast().subject()).isEqualTo("stop");
    }
}
