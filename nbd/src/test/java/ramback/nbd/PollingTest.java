package ramback.nbd;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import org.junit.jupiter.api.Test;

final class PollingTest {

    private final Polling polling = new Polling(new PollingLimits(1000, 4, 16));

    private int shortWaitsUntilPolling() {
        int count = 0;
        while (!polling.isPolling()) {
            polling.blockedFor(1000);
            count++;
        }
        return count;
    }

    @Test
    void aRunOfShortWaitsStartsPolling() {
        assertThat(polling.isPolling()).isFalse();
        assertThat(shortWaitsUntilPolling()).isEqualTo(4);
    }

    @Test
    void oneLongWaitBreaksTheRun() {
        polling.blockedFor(10);
        polling.blockedFor(10);
        polling.blockedFor(10);
        polling.blockedFor(1001);
        assertThat(shortWaitsUntilPolling()).isEqualTo(4);
    }

    @Test
    void oneMissEndsPollingAndEachMissAsksForALongerRun() {
        int[] runs = new int[5];
        for (int i = 0; i < runs.length; i++) {
            runs[i] = shortWaitsUntilPolling();
            polling.missed();
            assertThat(polling.isPolling()).isFalse();
        }
        assertThat(runs).containsExactly(4, 8, 16, 16, 16);
    }

    @Test
    void hitsMakeTheNextRunShorterAgain() {
        for (int i = 0; i < 3; i++) {
            shortWaitsUntilPolling();
            polling.missed();
        }
        assertThat(shortWaitsUntilPolling()).isEqualTo(16);
        for (int hit = 0; hit < 16 + 8; hit++) {
            polling.hit();
        }
        polling.missed();
        assertThat(shortWaitsUntilPolling()).isEqualTo(8);
    }

    @Test
    void aWindowOfZeroNeverPolls() {
        Polling off = new Polling(PollingLimits.OFF);
        for (int i = 0; i < 100; i++) {
            off.blockedFor(0);
        }
        assertThat(off.isPolling()).isFalse();
    }

    @Test
    void senselessLimitsAreRefused() {
        assertThatIllegalArgumentException().isThrownBy(() -> new PollingLimits(-1, 1, 1));
        assertThatIllegalArgumentException().isThrownBy(() -> new PollingLimits(1, 0, 1));
        assertThatIllegalArgumentException().isThrownBy(() -> new PollingLimits(1, 2, 1));
    }
}
