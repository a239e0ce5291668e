package ramback.traffic;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicLong;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

final class PendingAnswersTest {

    private final Latencies latencies = new Latencies();
    private final AtomicLong clock = new AtomicLong(1_000_000);
    private int readCount;
    private final PendingAnswers answers = new PendingAnswers(latencies, false, () -> {
        readCount++;
        return clock.get();
    });

    private static final RequestKind[] KINDS = RequestKind.values();

    private record Waiting(RequestKind kind, long receivedNanos) {}

    private record Ended(int error, boolean isDeferred, long latencyNanos) {}

    @Test
    void aBatchCostsOneReadingOfTheClockAndOneEntryAKind() {
        for (int i = 0; i < 1000; i++) {
            answers.add(RequestKind.READ, 990_000, 0, null);
            answers.add(RequestKind.WRITE, 990_000, 0, null);
            assertThat(answers.isFull()).isFalse();
        }
        answers.sent();
        assertThat(readCount).isEqualTo(1);
        assertThat(latencies.of(RequestKind.READ).count()).isEqualTo(1000);
        assertThat(latencies.of(RequestKind.WRITE).sumNanos()).isEqualTo(10_000_000);
        answers.sent();
        assertThat(readCount).as("nothing was to be sent").isEqualTo(1);
    }

    @Test
    void requestsThatCameAtDifferentTimesAreToldApart() {
        answers.add(RequestKind.WRITE, 900_000, 0, null);
        answers.add(RequestKind.WRITE, 990_000, 0, null);
        answers.sent();
        assertThat(latencies.of(RequestKind.WRITE).count()).isEqualTo(2);
        assertThat(latencies.of(RequestKind.WRITE).sumNanos()).isEqualTo(110_000);
        assertThat(latencies.of(RequestKind.WRITE).countUpTo(1 << 14)).isEqualTo(1);
    }

    @Test
    void aRecordedRequestHearsOfItsEndOnce() {
        List<Ended> ended = new ArrayList<>();
        PendingAnswers deferred = new PendingAnswers(latencies, true, clock::get);
        deferred.add(
                RequestKind.FLUSH,
                970_000,
                5,
                (error, isDeferred, nanos) -> ended.add(new Ended(error, isDeferred, nanos)));
        deferred.add(RequestKind.FLUSH, 970_000, 0, null);
        assertThat(ended).isEmpty();
        deferred.sent();
        deferred.sent();
        assertThat(ended).containsExactly(new Ended(5, true, 30_000));
        assertThat(latencies.of(RequestKind.FLUSH).count()).isEqualTo(2);
    }

    /** Whatever comes in whatever order, with a full one sent as its user does: the same as counting one by one. */
    @Property(tries = 200)
    void nothingIsLostOrCountedTwice(@ForAll @IntRange(max = 1 << 30) int seed) {
        Random random = new Random(seed);
        Latencies latencies = new Latencies();
        AtomicLong clock = new AtomicLong(1_000_000);
        PendingAnswers answers = new PendingAnswers(latencies, false, clock::get);
        Latencies naive = new Latencies();
        List<Waiting> waiting = new ArrayList<>();
        for (int i = 0; i < 500; i++) {
            if (answers.isFull() || random.nextInt(20) == 0) {
                clock.addAndGet(random.nextInt(100_000));
                answers.sent();
                waiting.forEach(one -> naive.record(one.kind(), clock.get() - one.receivedNanos(), 1));
                waiting.clear();
            }
            RequestKind kind = KINDS[random.nextInt(KINDS.length)];
            long received = clock.get() - random.nextInt(4) * 10_000L;
            answers.add(kind, received, 0, random.nextInt(3) == 0 ? (error, isDeferred, nanos) -> {} : null);
            waiting.add(new Waiting(kind, received));
        }
        answers.sent();
        waiting.forEach(one -> naive.record(one.kind(), clock.get() - one.receivedNanos(), 1));
        for (RequestKind kind : RequestKind.values()) {
            assertThat(latencies.of(kind)).isEqualTo(naive.of(kind));
        }
    }
}
