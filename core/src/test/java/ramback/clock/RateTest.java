package ramback.clock;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;

class RateTest {
    private final ManualClock clock = new ManualClock();
    private final Rate rate = new Rate(clock);

    @Test
    void nothingIsNoRate() {
        assertThat(rate.perSecond()).isZero();
        clock.pass(10_000_000_000L);
        assertThat(rate.perSecond()).isZero();
    }

    @Test
    void aSteadyStreamIsItsRate() {
        for (int i = 0; i < 1000; i++) {
            rate.add(50);
            clock.pass(10_000_000);
        }
        assertThat(rate.perSecond()).isCloseTo(5000, within(200.0));
    }

    @Test
    void theRateIsThatOfThePartSinceTheFirst() {
        for (int i = 0; i < 50; i++) {
            rate.add(100);
            clock.pass(10_000_000);
        }
        assertThat(rate.perSecond()).isCloseTo(10_000, within(200.0));
    }

    @Test
    void whatIsLongAgoDoesNotCount() {
        rate.add(1_000_000);
        clock.pass(3_000_000_000L);
        assertThat(rate.perSecond()).isZero();
        rate.add(100);
        assertThat(rate.perSecond()).isBetween(50.0, 60.0);
    }
}
