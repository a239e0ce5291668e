package ramback.power;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.OptionalDouble;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import ramback.device.Mode;

class PowerPolicyTest {

    private static final long DIRTY_MAX = 256L << 20;
    private static final long UNSAFE_MAX = Long.MAX_VALUE;
    private static final double RATE = 100e6;

    private static PowerView view(PowerState state, boolean wasOnBattery, OptionalDouble runtimeSeconds) {
        return view(state, wasOnBattery, runtimeSeconds, OptionalDouble.empty(), false);
    }

    private static PowerView view(
            PowerState state,
            boolean wasOnBattery,
            OptionalDouble runtimeSeconds,
            OptionalDouble lowSeconds,
            boolean isWeak) {
        return new PowerView(
                state, 0, wasOnBattery, runtimeSeconds, OptionalDouble.empty(), lowSeconds, isWeak, "ups@host", null);
    }

    private static PowerPolicy.Decision decide(Mode configured, PowerView view, Mode chosen) {
        return new PowerPolicy(configured, DIRTY_MAX, UNSAFE_MAX).decide(view, chosen, RATE);
    }

    @ParameterizedTest
    @CsvSource({
        // configured, state, was on battery, mode, applying held
        "CHECKPOINT, NONE, false, CHECKPOINT, false",
        "UNSAFE, NONE, false, UNSAFE, false",
        "CHECKPOINT, ONLINE, false, CHECKPOINT, false",
        "UNSAFE, ONLINE, false, UNSAFE, false",
        "WRITEBACK, ONLINE, true, WRITEBACK, false",
        "WRITETHROUGH, ONLINE, false, WRITETHROUGH, false",
        "CHECKPOINT, ON_BATTERY, true, WRITETHROUGH, true",
        "UNSAFE, ON_BATTERY, true, WRITETHROUGH, true",
        "CHECKPOINT, LOW_BATTERY, true, WRITETHROUGH, true",
        "CHECKPOINT, UNKNOWN, false, WRITEBACK, false",
        "UNSAFE, UNKNOWN, false, WRITEBACK, false",
        "WRITEBACK, UNKNOWN, false, WRITEBACK, false",
        "WRITETHROUGH, UNKNOWN, false, WRITETHROUGH, false",
        "CHECKPOINT, UNKNOWN, true, WRITETHROUGH, true"
    })
    void theModeOfEachState(Mode configured, PowerState state, boolean wasOnBattery, Mode mode, boolean holds) {
        PowerPolicy.Decision decision = decide(configured, view(state, wasOnBattery, OptionalDouble.of(600)), null);
        assertThat(decision.mode()).isEqualTo(mode);
        assertThat(decision.holdsApplying()).isEqualTo(holds);
        assertThat(decision.reason() == null).isEqualTo(state == PowerState.NONE || state == PowerState.ONLINE);
    }

    @ParameterizedTest
    @CsvSource({"ONLINE", "ON_BATTERY", "LOW_BATTERY", "UNKNOWN"})
    void whatSomebodyChoseHoldsWhateverThePower(PowerState state) {
        PowerView view = view(state, false, OptionalDouble.of(10));
        assertThat(decide(Mode.CHECKPOINT, view, Mode.UNSAFE).mode()).isEqualTo(Mode.UNSAFE);
    }

    @Test
    void theLimitIsTheBatterysOrTheDevicesWhicheverIsLess() {
        assertThat(decide(Mode.CHECKPOINT, view(PowerState.ONLINE, false, OptionalDouble.of(600)), null)
                        .limitBytes())
                .isEqualTo(DIRTY_MAX);
        // (37 − 35) s · 100 MB/s · ½
        PowerPolicy.Decision little =
                decide(Mode.CHECKPOINT, view(PowerState.ONLINE, false, OptionalDouble.of(37)), null);
        assertThat(little.limitBytes()).isEqualTo(100_000_000L);
        assertThat(little.mode()).isEqualTo(Mode.CHECKPOINT);
    }

    @Test
    void inUnsafeTheLimitIsAnotherAndTheBatterysIfThatIsLess() {
        PowerView without = view(PowerState.NONE, false, OptionalDouble.empty());
        assertThat(decide(Mode.UNSAFE, without, null).limitBytes()).isEqualTo(UNSAFE_MAX);
        assertThat(decide(Mode.CHECKPOINT, without, Mode.UNSAFE).limitBytes()).isEqualTo(UNSAFE_MAX);
        assertThat(decide(Mode.UNSAFE, without, Mode.WRITEBACK).limitBytes()).isEqualTo(DIRTY_MAX);
        PowerView little = view(PowerState.ONLINE, false, OptionalDouble.of(37));
        assertThat(decide(Mode.UNSAFE, little, null).limitBytes()).isEqualTo(100_000_000L);
    }

    @Test
    void aBatteryThatIsTooWeakIsNone() {
        PowerPolicy.Decision weak =
                decide(Mode.CHECKPOINT, view(PowerState.ONLINE, false, OptionalDouble.of(35)), null);
        assertThat(weak.mode()).isEqualTo(Mode.WRITETHROUGH);
        assertThat(weak.limitBytes()).isEqualTo(PowerPolicy.BUDGET_BYTES_MIN);
        assertThat(weak.reason()).isEqualTo("the battery is too weak");
    }

    @Test
    void aBatteryThatIsLowOrIsToBeReplacedIsNone() {
        PowerPolicy.Decision weak = decide(
                Mode.CHECKPOINT,
                view(PowerState.ONLINE, false, OptionalDouble.empty(), OptionalDouble.empty(), true),
                null);
        assertThat(weak.mode()).isEqualTo(Mode.WRITETHROUGH);
        assertThat(weak.reason()).isEqualTo("the battery is too weak");
    }

    @Test
    void theReserveBeginsWhereTheUpsCallsItselfLow() {
        // (127 − 5 − 120) s · 100 MB/s · ½
        PowerView view = view(PowerState.ONLINE, false, OptionalDouble.of(127), OptionalDouble.of(120), false);
        assertThat(decide(Mode.CHECKPOINT, view, null).limitBytes()).isEqualTo(100_000_000L);
    }

    @Test
    void aBatteryThatWasTooWeakHasToLastFiveSecondsMore() {
        PowerPolicy policy = new PowerPolicy(Mode.CHECKPOINT, DIRTY_MAX, UNSAFE_MAX);
        for (double[] step : new double[][] {{36, 0}, {35, 1}, {36, 1}, {39.9, 1}, {40.1, 0}, {36, 0}, {34, 1}}) {
            PowerView view = view(PowerState.ONLINE, false, OptionalDouble.of(step[0]));
            assertThat(policy.decide(view, null, RATE).mode())
                    .as("%s s", step[0])
                    .isEqualTo(step[1] == 1 ? Mode.WRITETHROUGH : Mode.CHECKPOINT);
        }
    }

    @Test
    void aBatteryThatSaysNothingIsNoLimit() {
        assertThat(decide(Mode.CHECKPOINT, view(PowerState.ONLINE, false, OptionalDouble.empty()), null))
                .isEqualTo(new PowerPolicy.Decision(Mode.CHECKPOINT, DIRTY_MAX, false, null));
    }
}
