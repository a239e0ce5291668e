package ramback.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;
import ramback.cli.StatusScreen.Style;

class DeviceTableTest {

    private static final Style PLAIN = new Style(false, false);

    @Test
    void columnsThatMatterLeastGoFirstAndTheNameGetsWhatIsLeft() {
        assertThat(String.join(" ", DeviceTable.fitting(200).titles()))
                .matches("NAME {60} .* P99 +RD B/s WR B/s POWER +ATTACHED");
        assertThat(String.join(" ", DeviceTable.fitting(93).titles()))
                .contains("POWER")
                .doesNotContain("RD B/s", "ATTACHED");
        assertThat(String.join(" ", DeviceTable.fitting(78).titles()))
                .contains("WR/s")
                .doesNotContain("POWER");
        assertThat(String.join(" ", DeviceTable.fitting(38).titles()))
                .contains("NAME", "LIGHT", "MODE", "STATE")
                .doesNotContain("LOAD");
        assertThat(String.join(" ", DeviceTable.fitting(20).titles())).matches("NAME +LIGHT *");
        assertThat(DeviceTable.fitting(5).titles()).containsExactly("NAME ");
    }

    @Test
    void everyLineIsAsWideAsTheTable() throws Exception {
        Watched device = new Watched("x".repeat(64));
        device.answer(Answer.status("x", "\"mode\":\"" + "m".repeat(300) + "\",\"dirtyBytes\":-1"), 0);
        for (int cellCount = 9; cellCount < 200; cellCount++) {
            DeviceTable table = DeviceTable.fitting(cellCount);
            int titles = String.join(" ", table.titles()).length();
            assertThat(titles).isLessThanOrEqualTo(cellCount);
            assertThat(String.join(" ", table.cells(device, 0, PLAIN))).hasSize(titles);
        }
    }

    @Test
    void aDeviceThatNeverAnsweredHasNothingToShow() {
        assertThat(DeviceTable.lines(List.of(new Watched("a")), 0, PLAIN).get(1))
                .matches("a +\\? none +- +asked( +-){10}");
    }

    @Test
    void whatIsAttachedSaysByWhatAndWhatIsLeftThatItIs() throws Exception {
        String attached = "\"attached\":{\"via\":\"fuse\",\"device\":\"/dev/loop0\",\"mounts\":[],\"left\":";
        Watched device = new Watched("a");
        device.answer(Answer.status("a", attached + "false}"), 0);
        assertThat(DeviceTable.lines(List.of(device), 0, PLAIN).get(1)).endsWith(" fuse");
        device.answer(Answer.status("a", attached + "true}"), 1);
        assertThat(DeviceTable.lines(List.of(device), 1, PLAIN).get(1)).endsWith(" (left)");
    }

    @Test
    void unsafeMayCostAll() throws Exception {
        Watched device = new Watched("a");
        device.answer(
                Answer.status("a", "\"mode\":\"unsafe\",\"lossIfPowerFailedNow\":{\"bytes\":1073741824,\"seconds\":3}"),
                0);
        assertThat(DeviceTable.lines(List.of(device), 0, PLAIN).get(1)).contains(" all ");
    }
}
