package ramback.power;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.OptionalDouble;
import org.junit.jupiter.api.Test;

class DrainBudgetTest {

    @Test
    void theFormula() {
        // (180 − 5 − 30) s · 150 MB/s · ½
        assertThat(DrainBudget.limitBytes(OptionalDouble.of(180), OptionalDouble.empty(), 150e6))
                .isEqualTo(10_875_000_000L);
        // (180 − 5 − 120) s · 150 MB/s · ½
        assertThat(DrainBudget.limitBytes(OptionalDouble.of(180), OptionalDouble.of(120), 150e6))
                .isEqualTo(4_125_000_000L);
        assertThat(DrainBudget.limitBytes(OptionalDouble.of(180), OptionalDouble.of(10), 150e6))
                .isEqualTo(10_875_000_000L);
    }

    @Test
    void aBatteryThatCarriesNoMoreThanTheShutdownGivesNothing() {
        assertThat(DrainBudget.limitBytes(OptionalDouble.of(35), OptionalDouble.empty(), 1e9))
                .isZero();
        assertThat(DrainBudget.limitBytes(OptionalDouble.of(0), OptionalDouble.empty(), 1e9))
                .isZero();
        assertThat(DrainBudget.limitBytes(OptionalDouble.of(35.1), OptionalDouble.empty(), 1e9))
                .isPositive();
    }

    @Test
    void aBatteryThatSaysNothingIsNoLimit() {
        assertThat(DrainBudget.limitBytes(OptionalDouble.empty(), OptionalDouble.empty(), 1))
                .isEqualTo(Long.MAX_VALUE);
        assertThat(DrainBudget.limitBytes(OptionalDouble.of(1e300), OptionalDouble.empty(), 1e9))
                .isEqualTo(Long.MAX_VALUE);
    }

    @Test
    void whatSavingTakes() {
        assertThat(DrainBudget.drainSeconds(0, 1e6)).isZero();
        assertThat(DrainBudget.drainSeconds(300_000_000, 150e6)).isCloseTo(2.005, within(1e-9));
    }
}
