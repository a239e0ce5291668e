package ramback.ublk;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assumptions.assumeThat;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import ramback.nbd.RamDevice;

/** What is said where there is no driver. Where there is one, section 83 of verify tries the rest. */
final class UblkDeviceTest {

    private static void assumeThatThereIsNoDriver() {
        assumeThat(Files.exists(Path.of("/dev/ublk-control"))).isFalse();
    }

    @Test
    void withoutTheDriverItSaysHowToGetIt() {
        assumeThatThereIsNoDriver();
        assertThat(UblkDevice.unavailable())
                .hasValueSatisfying(reason -> assertThat(reason)
                        .contains("/dev/ublk-control")
                        .contains("modprobe ublk_drv")
                        .doesNotContain("\n"));
    }

    @Test
    void withoutTheDriverNothingIsMadeFoundOrLeftOpen() throws Exception {
        assumeThatThereIsNoDriver();
        RamDevice device = RamDevice.ofSize(1 << 20);
        assertThatThrownBy(() -> UblkDevice.create(device, "test", 1))
                .isInstanceOf(UblkException.class)
                .hasMessageContaining("/dev/ublk-control");
        assertThatThrownBy(() -> UblkDevice.recover(device, "test", 0)).isInstanceOf(UblkException.class);
        assertThatThrownBy(() -> UblkDevice.remove(0)).isInstanceOf(UblkException.class);
        assertThat(UblkDevice.find("disk")).isEmpty();
        assertThat(device.openSessionCount).hasValue(0);
    }

    @Test
    void aDeviceOfLessThanASectorIsRefused() {
        assertThatThrownBy(() -> UblkDevice.create(RamDevice.ofSize(511), "test", 1))
                .isInstanceOf(UblkException.class)
                .hasMessage("device disk has 511 bytes; a block device needs a sector of 512 at least");
    }

    @Test
    void theBlockDeviceOfAnIdIsInDev() {
        assertThat(UblkDevice.pathOf(3)).isEqualTo(Path.of("/dev/ublkb3"));
    }
}
