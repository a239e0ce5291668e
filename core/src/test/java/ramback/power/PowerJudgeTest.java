package ramback.power;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Map;
import java.util.OptionalDouble;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PowerJudgeTest {

    private static final long SECOND = 1_000_000_000L;
    private static final UpsAddress UPS = UpsAddress.parse("ups@localhost");

    private final PowerJudge judge = new PowerJudge(UPS, 0);

    private static UpsReading reading(String status) {
        return reading(status, "600");
    }

    private static UpsReading reading(String status, String runtime) {
        return UpsReading.of(Map.of("ups.status", status, "battery.runtime", runtime, "battery.charge", "93.5"));
    }

    private PowerView after(String status, long nanos) {
        judge.heard(reading(status), nanos);
        return judge.view(nanos);
    }

    @ParameterizedTest
    @CsvSource({
        "OL, ONLINE",
        "OL CHRG, ONLINE",
        "ol chrg, ONLINE",
        "OL TRIM, ONLINE",
        "OL BOOST, ONLINE",
        "OL CAL, ONLINE",
        "OL RB, ONLINE",
        "OL LB, ONLINE",
        "ALARM OL RB, ONLINE",
        "OB, ON_BATTERY",
        "OB DISCHRG, ON_BATTERY",
        "OB CAL, ON_BATTERY",
        "OB LB, ON_BATTERY",
        "OB OL, ON_BATTERY",
        "FSD OL, LOW_BATTERY",
        "FSD OB LB, LOW_BATTERY",
        "FSD, LOW_BATTERY",
        "OL OFF, UNKNOWN",
        "OFF, UNKNOWN",
        "OL BYPASS, UNKNOWN",
        "BYPASS, UNKNOWN",
        "WAIT, UNKNOWN",
        "'', UNKNOWN",
        "XYZ, UNKNOWN"
    })
    void whatOneReadingMeans(String status, PowerState state) {
        assertThat(after(status, SECOND).state()).isEqualTo(state);
    }

    @Test
    void lowIsBelievedWhenItLasts() {
        assertThat(after("OL", SECOND).state()).isEqualTo(PowerState.ONLINE);
        assertThat(after("OB LB", 2 * SECOND).state()).isEqualTo(PowerState.ON_BATTERY);
        assertThat(after("OB", 3 * SECOND).state()).isEqualTo(PowerState.ON_BATTERY);
        assertThat(after("OB LB", 4 * SECOND).state()).isEqualTo(PowerState.ON_BATTERY);
        assertThat(after("OB LB", 8 * SECOND).state()).isEqualTo(PowerState.ON_BATTERY);
        assertThat(after("OB LB", 9 * SECOND).state()).isEqualTo(PowerState.LOW_BATTERY);
        assertThat(after("OL LB", 10 * SECOND).state()).isEqualTo(PowerState.ONLINE);
        // The line was back meanwhile, but it was said all the time.
        assertThat(after("OB LB", 11 * SECOND).state()).isEqualTo(PowerState.LOW_BATTERY);
    }

    @Test
    void inATestOfTheBatteryLowIsNotBelieved() {
        after("OB CAL LB", SECOND);
        assertThat(after("OB CAL LB", 60 * SECOND).state()).isEqualTo(PowerState.ON_BATTERY);
        assertThat(after("OB LB", 61 * SECOND).state()).isEqualTo(PowerState.ON_BATTERY);
    }

    @ParameterizedTest
    @CsvSource({
        // status, runtime, is weak
        "OL, 600, false",
        "OL RB, 600, false",
        "OL RB, '', true",
        "OL LB, 600, true",
        "OL LB, '', true",
        "OB LB, 600, false",
        "OL CAL, '', false"
    })
    void whatBatteryCannotBeReliedOn(String status, String runtime, boolean isWeak) {
        judge.heard(reading(status, runtime), SECOND);
        assertThat(judge.view(SECOND).isBatteryWeak()).isEqualTo(isWeak);
    }

    @Test
    void whatTheServerItselfCallsStaleIsUnknownAtOnce() {
        after("OB", SECOND);
        judge.stale("ups@localhost: the server has not heard of the UPS for too long");
        PowerView stale = judge.view(2 * SECOND);
        assertThat(stale.state()).isEqualTo(PowerState.UNKNOWN);
        assertThat(stale.isOnBattery()).isTrue();
        assertThat(stale.runtimeSeconds()).isEmpty();
        assertThat(after("OL", 3 * SECOND).state()).isEqualTo(PowerState.ONLINE);
    }

    @Test
    void aScriptThatSaysTheLineIsBackIsBelievedWhereTheUpsIsSilent() {
        after("OB", SECOND);
        judge.told(PowerEvent.ON_BATTERY);
        assertThat(judge.view(30 * SECOND).state()).isEqualTo(PowerState.ON_BATTERY);
        judge.told(PowerEvent.ON_LINE);
        assertThat(judge.view(31 * SECOND).state()).isEqualTo(PowerState.UNKNOWN);
        assertThat(judge.view(31 * SECOND).isOnBattery()).isFalse();
    }

    @Test
    void nothingIsKnownBeforeTheFirstWordAndFifteenSecondsAfterTheLast() {
        assertThat(judge.view(0).state()).isEqualTo(PowerState.UNKNOWN);
        assertThat(judge.view(0).isOnBattery()).isFalse();
        assertThat(after("OL", SECOND).state()).isEqualTo(PowerState.ONLINE);
        judge.unheard("ups@localhost: Connection refused");
        PowerView still = judge.view(16 * SECOND);
        assertThat(still.state()).isEqualTo(PowerState.ONLINE);
        assertThat(still.detail()).contains("not heard this time: ups@localhost: Connection refused");
        PowerView unheard = judge.view(16 * SECOND + 1);
        assertThat(unheard.state()).isEqualTo(PowerState.UNKNOWN);
        assertThat(unheard.isOnBattery()).isFalse();
        assertThat(unheard.runtimeSeconds()).isEmpty();
        assertThat(unheard.detail()).isEqualTo("not heard: ups@localhost: Connection refused");
        assertThat(after("OL", 20 * SECOND).detail()).isNull();
    }

    @Test
    void aServerThatDiesInAnOutageLeavesTheMachineOnBattery() {
        after("OB", SECOND);
        PowerView unheard = judge.view(17 * SECOND);
        assertThat(unheard.state()).isEqualTo(PowerState.UNKNOWN);
        assertThat(unheard.isOnBattery()).isTrue();
        assertThat(after("OL", 18 * SECOND).isOnBattery()).isFalse();
        assertThat(judge.view(40 * SECOND).isOnBattery()).isFalse();
    }

    @Test
    void aUpsThatSaysItIsOffWasNotLeftAtWork() {
        after("OB", SECOND);
        assertThat(after("OL OFF", 2 * SECOND).isOnBattery()).isFalse();
    }

    @Test
    void theRuntimeIsLessByWhatHasPassedSinceAndAQuarterIfTheBatteryIsToBeReplaced() {
        assertThat(after("OL", SECOND).runtimeSeconds()).isEqualTo(OptionalDouble.of(600));
        assertThat(judge.view(5 * SECOND).runtimeSeconds()).isEqualTo(OptionalDouble.of(600));
        after("OB", 10 * SECOND);
        assertThat(judge.view(13 * SECOND).runtimeSeconds()).isEqualTo(OptionalDouble.of(597));
        assertThat(after("OL RB", 20 * SECOND).runtimeSeconds()).isEqualTo(OptionalDouble.of(150));
        judge.heard(reading("OB", "1"), 30 * SECOND);
        assertThat(judge.view(40 * SECOND).runtimeSeconds()).isEqualTo(OptionalDouble.of(0));
    }

    @Test
    void sinceIsWhenTheStateBegan() {
        after("OL", 3 * SECOND);
        after("OL CHRG", 9 * SECOND);
        assertThat(judge.view(10 * SECOND).sinceNanos()).isEqualTo(3 * SECOND);
        assertThat(after("OB", 11 * SECOND).sinceNanos()).isEqualTo(11 * SECOND);
    }

    @Test
    void aScriptsWordHoldsUntilItsNextAndTheWorseOneCounts() {
        after("OL", SECOND);
        judge.told(PowerEvent.ON_BATTERY);
        assertThat(judge.view(SECOND).state()).isEqualTo(PowerState.ON_BATTERY);
        judge.told(PowerEvent.LOW);
        assertThat(judge.view(SECOND).state()).isEqualTo(PowerState.LOW_BATTERY);
        judge.told(PowerEvent.ON_LINE);
        assertThat(judge.view(SECOND).state()).isEqualTo(PowerState.ONLINE);
        assertThat(after("OB", 2 * SECOND).state()).isEqualTo(PowerState.ON_BATTERY);
        assertThat(judge.view(2 * SECOND).source()).isEqualTo("ups@localhost, hooks");
    }

    @Test
    void scriptsAlone() {
        PowerJudge alone = new PowerJudge(null, 0);
        assertThat(alone.view(100 * SECOND)).isEqualTo(PowerView.NONE);
        alone.told(PowerEvent.ON_BATTERY);
        PowerView view = alone.view(101 * SECOND);
        assertThat(view.state()).isEqualTo(PowerState.ON_BATTERY);
        assertThat(view.source()).isEqualTo("hooks");
        alone.told(PowerEvent.ON_LINE);
        assertThat(alone.view(1000 * SECOND).state()).isEqualTo(PowerState.ONLINE);
    }

    @ParameterizedTest
    @CsvSource({"-1", "NaN", "soon", "''"})
    void aRuntimeThatIsNoneIsNotBelieved(String runtime) {
        judge.heard(reading("OL", runtime), SECOND);
        assertThat(judge.view(SECOND).runtimeSeconds()).isEmpty();
    }
}
