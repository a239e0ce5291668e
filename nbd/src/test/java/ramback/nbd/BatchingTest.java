package ramback.nbd;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

final class BatchingTest {

    private static final long SHORT = Batching.WAIT_NANOS_MAX;
    private static final long LONG = Batching.WAIT_NANOS_MAX + 32 * Batching.REQUEST_NANOS_MAX + 1;

    private final Batching batching = new Batching();

    private int receivesUntil(boolean isOn, int requestCount, long waitNanos) {
        int count = 0;
        while (batching.isOn() != isOn) {
            boolean hasChanged = batching.received(requestCount, waitNanos);
            count++;
            assertThat(hasChanged).as("receive %d", count).isEqualTo(batching.isOn() == isOn);
            assertThat(count).isLessThan(1 << 20);
        }
        return count;
    }

    @Test
    void receivesOfSeveralRequestsBeginIt() {
        assertThat(receivesUntil(true, 2, SHORT)).isEqualTo(Batching.RUN_MIN);
    }

    @Test
    void singleRequestsNeverDo() {
        for (int i = 0; i < 10_000; i++) {
            assertThat(batching.received(1, SHORT)).isFalse();
        }
        assertThat(batching.isOn()).isFalse();
    }

    @Test
    void singleRequestsInBetweenDoNotHinderIt() {
        for (int i = 1; i < Batching.RUN_MIN; i++) {
            assertThat(batching.received(2, SHORT)).isFalse();
            assertThat(batching.received(1, SHORT)).isFalse();
        }
        assertThat(batching.received(2, SHORT)).isTrue();
    }

    @Test
    void aLongWaitBreaksTheRun() {
        for (int i = 1; i < Batching.RUN_MIN; i++) {
            batching.received(2, SHORT);
        }
        batching.received(2, LONG);
        assertThat(receivesUntil(true, 2, SHORT)).isEqualTo(Batching.RUN_MIN);
    }

    @Test
    void aClientThatHasOneRequestAtATimeEndsItWithoutBlame() {
        receivesUntil(true, 32, SHORT);
        assertThat(receivesUntil(false, 1, SHORT)).isEqualTo(Batching.SINGLE_COUNT_MAX);
        assertThat(receivesUntil(true, 32, SHORT)).isEqualTo(Batching.RUN_MIN);
    }

    @Test
    void waitsInVainMakeTheNextTryComeLaterUpToALimit() {
        int[] runs = new int[10];
        for (int i = 0; i < runs.length; i++) {
            runs[i] = receivesUntil(true, 32, SHORT);
            assertThat(receivesUntil(false, 32, LONG)).isEqualTo(1);
        }
        assertThat(runs).containsExactly(8, 16, 32, 64, 128, 256, 512, 1024, 1024, 1024);
    }

    @Test
    void aPauseOfAClientThatWasServedWellIsNoBlameAndWhatPaysOffIsTriedSooner() {
        for (int i = 0; i < 3; i++) {
            receivesUntil(true, 32, SHORT);
            receivesUntil(false, 32, LONG);
        }
        assertThat(receivesUntil(true, 32, SHORT)).isEqualTo(64);
        for (int i = 0; i < 2 * Batching.TRIAL_COUNT; i++) {
            assertThat(batching.received(32, SHORT)).isFalse();
        }
        assertThat(receivesUntil(false, 1, LONG)).isEqualTo(1);
        assertThat(receivesUntil(true, 32, SHORT)).isEqualTo(16);
    }

    @Test
    void whatAClientNeedsToSendManyRequestsIsNoLongWait() {
        receivesUntil(true, 128, SHORT);
        assertThat(batching.received(128, Batching.WAIT_NANOS_MAX + 128 * Batching.REQUEST_NANOS_MAX))
                .isFalse();
        assertThat(batching.received(127, Batching.WAIT_NANOS_MAX + 128 * Batching.REQUEST_NANOS_MAX))
                .isTrue();
    }

    @Test
    void whereItCannotBeDoneItIsNotTriedAgain() {
        receivesUntil(true, 2, SHORT);
        batching.giveUp();
        assertThat(batching.isOn()).isFalse();
        for (int i = 0; i < 10_000; i++) {
            assertThat(batching.received(32, SHORT)).isFalse();
        }
    }
}
