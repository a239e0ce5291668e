package ramback.clock;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class MeasuredRateTest {

    private static final long HOUR = 3_600_000_000_000L;

    private final MeasuredRate rate = new MeasuredRate(7);

    @Test
    void whatIsAssumedHoldsUntilSomethingIsMeasured() {
        assertThat(rate.lowPerSecond(0)).isEqualTo(7);
        rate.add(100, 0);
        assertThat(rate.lowPerSecond(0)).isEqualTo(100);
    }

    @Test
    void nineOfTenMeasurementsReachIt() {
        for (int i = 1; i <= 21; i++) {
            rate.add(i * 10, 0);
        }
        assertThat(rate.lowPerSecond(0)).isEqualTo(30); // the third of 21: two are below
        assertThat(rate.typicalPerSecond(0)).isEqualTo(110);
    }

    @Test
    void fewMeasurementsCountHoweverOldTheyAre() {
        rate.add(5, 0);
        assertThat(rate.lowPerSecond(100 * HOUR)).isEqualTo(5);
    }

    @Test
    void whatIsOlderThanAnHourCountsNoMoreWhenThereIsEnoughThatIsNot() {
        rate.add(5, 0);
        for (int i = 0; i < 7; i++) {
            rate.add(50, 2 * HOUR);
        }
        assertThat(rate.lowPerSecond(2 * HOUR)).isEqualTo(5);
        rate.add(50, 2 * HOUR);
        assertThat(rate.lowPerSecond(2 * HOUR)).isEqualTo(50);
    }

    @Test
    void theOldestGiveWay() {
        rate.add(1, 0);
        for (int i = 0; i < 64; i++) {
            rate.add(20, 0);
        }
        assertThat(rate.lowPerSecond(0)).isEqualTo(20);
    }
}
