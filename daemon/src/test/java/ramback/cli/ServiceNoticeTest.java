package ramback.cli;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import ramback.control.Ending;
import ramback.control.SampleStatus;
import ramback.engine.Successor;

class ServiceNoticeTest {

    @Test
    void aDeviceIsOneLineThatStaysAsItIsWhileNothingHappens() {
        assertThat(ServiceNotice.line(SampleStatus.loading()))
                .isEqualTo("loading 25 %, unsafe (configured: writeback), power on-battery");
        assertThat(ServiceNotice.line(SampleStatus.of("ready", 100, 0, 0)))
                .startsWith("green, unsafe")
                .isEqualTo(ServiceNotice.line(SampleStatus.of("ready", 100, 4096, 1 << 20)));
    }

    @Test
    void workThatGoesOnSaysHowMuchIsLeft() {
        assertThat(ServiceNotice.line(SampleStatus.of("flushing", 100, 3 << 20, 0)))
                .startsWith("flushing, 3.00 MiB left, ");
        assertThat(ServiceNotice.line(SampleStatus.of("stopping", 100, 3 << 20, 0)))
                .isEqualTo("stopping, 3.00 MiB to write");
        assertThat(ServiceNotice.line(SampleStatus.of("stopping", 100, 0, 0)))
                .isEqualTo("stopping, all is in the image");
    }

    @Test
    void aDeviceThatIsHandedOverSaysSoAndWhatThatWaitsFor() {
        Ending.HandOver sameLayout = new Ending.HandOver("/opt/ramback", Successor.LAYOUT_VERSION);
        Ending.HandOver otherLayout = new Ending.HandOver("/opt/ramback", Successor.LAYOUT_VERSION + 1);
        assertThat(ServiceNotice.line(SampleStatus.of("ready", 100, 3 << 20, 0), sameLayout))
                .isEqualTo("another program takes the device over");
        assertThat(ServiceNotice.line(SampleStatus.of("degraded", 100, 3 << 20, 0), sameLayout))
                .isEqualTo("another program takes the device over; waits for the disk: cannot write: no space left");
        assertThat(ServiceNotice.line(SampleStatus.of("stopping", 100, 3 << 20, 0), otherLayout))
                .isEqualTo("another program takes the device over; stopping, 3.00 MiB to write");
    }

    @Test
    void aDiskThatFailsIsNamed() {
        assertThat(ServiceNotice.line(SampleStatus.of("degraded", 100, 0, 0)))
                .isEqualTo("degraded: cannot write: no space left");
    }
}
