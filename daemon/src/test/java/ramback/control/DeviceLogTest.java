package ramback.control;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.ResourceBundle;
import java.util.regex.Matcher;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class DeviceLogTest {

    private static final long SECOND = 1_000_000_000L;
    private static final String NO_POWER = "{\"state\":\"none\",\"sinceSeconds\":0,\"toSaveBytes\":0}";

    private final List<String> lines = new ArrayList<>();
    private final StatusReport loading = SampleStatus.of("loading", 25, 0, 0);
    private final StatusReport ready = SampleStatus.of("ready", 100, 0, 0);
    private final StatusReport degraded = SampleStatus.of("degraded", 100, 0, 0);
    private final EventLog events = new EventLog();
    private final DeviceLog log = new DeviceLog(new Noting(), events, loading, 0);

    /** A logger that writes down level and message. */
    private final class Noting implements System.Logger {
        @Override
        public String getName() {
            return "noting";
        }

        @Override
        public boolean isLoggable(Level level) {
            return true;
        }

        @Override
        public void log(Level level, ResourceBundle bundle, String message, Throwable thrown) {
            lines.add(level + " " + message);
        }

        @Override
        public void log(Level level, ResourceBundle bundle, String format, Object... parameters) {
            assertThat(parameters).as("a message is no format").isNull();
            lines.add(level + " " + format);
        }
    }

    @Test
    void aChangeIsOneLineWithWhatItWasAndWhy() {
        log.look(loading, SECOND, null);
        assertThat(lines).isEmpty();
        log.look(ready, 2 * SECOND, null);
        log.look(ready, 3 * SECOND, null);
        assertThat(lines)
                .containsExactly(
                        "INFO disk: state ready (was loading), light green (was amber): all of the image is loaded;"
                                + " event=change device=disk state=ready light=green mode=unsafe power=on-battery reason=loaded");
    }

    @Test
    void redIsAWarningAtOnceWithItsCauseAndSoIsItsEndAtOnce() {
        log.look(ready, SECOND, null);
        log.look(degraded, SECOND + 1, null);
        log.look(ready, SECOND + 2, null);
        assertThat(lines.get(1))
                .isEqualTo(
                        "WARNING disk: state degraded (was ready), light red (was green): cannot write: no space left;"
                                + " event=change device=disk state=degraded light=red mode=unsafe power=on-battery reason=fault");
        assertThat(lines.get(2))
                .startsWith("INFO disk: state ready (was degraded)")
                .endsWith("reason=cured");
    }

    @Test
    void aLightThatFlickersIsToldOfOnceInTenSeconds() {
        StatusReport amber = withLight(ready, "amber");
        log.look(ready, SECOND, null);
        lines.clear();
        for (int i = 0; i < 100; i++) {
            log.look(i % 2 == 0 ? amber : ready, SECOND + i * SECOND / 10, null);
        }
        assertThat(lines).isEmpty();
        log.look(amber, 12 * SECOND, null);
        assertThat(lines)
                .singleElement()
                .asString()
                .startsWith("INFO disk: light amber (was green): ")
                .endsWith("reason=mode");
    }

    @Test
    void whoeverChangesSomethingSaysWhy() {
        log.look(ready, SECOND, DeviceLog.Reason.COMMAND);
        assertThat(lines)
                .singleElement()
                .asString()
                .contains(": somebody asked for it; ")
                .endsWith("reason=command");
    }

    @Test
    void theGravestChangeIsTheReason() {
        log.look(degraded, SECOND, null);
        assertThat(lines).singleElement().asString().endsWith("reason=fault");
    }

    @Test
    void aModeThatNobodyChoseIsThePolicys() {
        StatusReport quiet = with(ready, "modeByHand", "false", "power", NO_POWER);
        log.look(quiet, SECOND, null);
        log.look(with(quiet, "mode", "\"writeback\""), 2 * SECOND, null);
        log.look(quiet, 3 * SECOND, null);
        assertThat(lines.get(1))
                .contains("mode writeback (was unsafe): as configured;")
                .endsWith("reason=policy");
        assertThat(lines.get(2)).contains("mode unsafe (was writeback): not as").endsWith("reason=policy");
    }

    @Test
    void aModeThatThePowerMadeHasThePowersWords() {
        StatusReport onBattery = with(ready, "modeByHand", "false");
        log.look(onBattery, SECOND, null);
        log.look(with(onBattery, "mode", "\"writethrough\""), 2 * SECOND, null);
        log.look(with(onBattery, "mode", "\"writeback\""), 3 * SECOND, null);
        assertThat(lines.get(1))
                .contains("mode writethrough (was unsafe): ups@localhost says so: self-test;")
                .endsWith("mode=writethrough power=on-battery reason=power");
        assertThat(lines.get(2))
                .contains("mode writeback (was writethrough): as configured, which the power allows;")
                .endsWith("reason=power");
    }

    @Test
    void thePowersOwnChangeIsALineAndAWarningUnlessItIsWellAgain() {
        log.look(with(ready, "power", NO_POWER), SECOND, null);
        log.look(ready, 2 * SECOND, null);
        assertThat(lines.getFirst()).startsWith("INFO ").contains("power none (was on-battery)");
        assertThat(lines.get(1))
                .isEqualTo("WARNING disk: power on-battery (was none): ups@localhost says so: self-test; event=change"
                        + " device=disk state=ready light=green mode=unsafe power=on-battery reason=power");
    }

    @Test
    void whatChangesAtTheEndDoesSoBecauseOfItUnlessItIsAFault() {
        log.look(ready, SECOND, null);
        log.ends(DeviceLog.Reason.STOP);
        log.look(SampleStatus.of("stopping", 100, 0, 0), SECOND + 1, null);
        log.look(degraded, SECOND + 2, null);
        assertThat(lines.get(1))
                .isEqualTo("INFO disk: state stopping (was ready), light amber (was green): it stops, and carries"
                        + " everything dirty to the image first; event=change device=disk state=stopping light=amber"
                        + " mode=unsafe power=on-battery reason=stop");
        assertThat(lines.get(2)).endsWith("reason=fault");
    }

    @Test
    void whatWasDoneHasItsFields() {
        log.done("snapshot-end", "the snapshot is whole", "file", "/x/a b.img", "bytes", 4096L);
        log.failed("verify-end", "RAM and image differ", "differing_bytes", 1L);
        assertThat(lines)
                .containsExactly(
                        "INFO disk: the snapshot is whole; event=snapshot-end device=disk file=\"/x/a b.img\" bytes=4096",
                        "WARNING disk: RAM and image differ; event=verify-end device=disk differing_bytes=1");
    }

    @Test
    void theEventLogHearsOfEveryLineAndOfHowItBegan() {
        log.look(ready, SECOND, null);
        log.look(degraded, 2 * SECOND, null);
        log.done("flush", "all that was dirty is in the image", "seconds", 2);
        log.failed("verify-end", "RAM and image differ");
        assertThat(events.after(0).stream()
                        .map(entry -> entry.level().word() + " " + entry.subject() + ": " + entry.text()))
                .containsExactly(
                        "info serving: in unsafe, pid 4711",
                        "warning serving: swap is on",
                        "warning serving: the tmpfs is small",
                        "warning light: " + "amber: " + LightReason.of(loading),
                        "good loaded: state ready (was loading), light green (was amber): all of the image is loaded",
                        "bad fault: state degraded (was ready), light red (was green): cannot write: no space left",
                        "info flush: all that was dirty is in the image (seconds 2)",
                        "bad verify-end: RAM and image differ");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "plain-1.0/x|plain-1.0/x",
                "a b|\"a b\"",
                "say \"x\"|\"say \\\"x\\\"\"",
                "back\\slash|\"back\\\\slash\""
            })
    void aValueIsQuotedWhenItHasAnythingUnusual(String value, String written) {
        assertThat(new LogLine("d", "e", "s").with("k", value).toString())
                .isEqualTo("d: s; event=e device=d k=" + written);
    }

    @Test
    void aLineIsOneLine() {
        assertThat(new LogLine("d", "e", "one\n  two\r\nthree")
                        .with("k", "x\ny")
                        .toString())
                .isEqualTo("d: one two three; event=e device=d k=\"x y\"");
    }

    /** A status with other values, in JSON, for the first fields of these names. */
    private static StatusReport with(StatusReport status, String... namesAndValues) {
        try {
            String text = StatusJson.write(status);
            for (int i = 0; i < namesAndValues.length; i += 2) {
                String field = "\"" + namesAndValues[i] + "\":";
                assertThat(text).contains(field);
                text = text.replaceFirst(
                        field + "(\\{[^}]*}|\"[^\"]*\"|[a-z]+)",
                        Matcher.quoteReplacement(field + namesAndValues[i + 1]));
            }
            return StatusJson.read(text);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private static StatusReport withLight(StatusReport status, String light) {
        try {
            String text = StatusJson.write(status)
                    .replace("\"light\":\"" + status.light() + "\"", "\"light\":\"" + light + "\"")
                    .replace("\"greenLight\":true", "\"greenLight\":" + light.equals("green"));
            return StatusJson.read(text);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }
}
