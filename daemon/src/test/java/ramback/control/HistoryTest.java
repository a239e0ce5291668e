package ramback.control;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class HistoryTest {

    private final History history = new History();

    private Map<String, Object> all() throws IOException {
        return Json.readObject(Json.write(history::writeAll));
    }

    private static List<?> series(Map<String, Object> told, String name) {
        return (List<?>) ((Map<?, ?>) told.get("v")).get(name);
    }

    @Test
    void nothingIsToldOfATimeBeforeTheFirstSample() throws IOException {
        assertThat((List<?>) all().get("t")).isEmpty();
        assertThat(series(all(), "writeBytes")).isEmpty();
    }

    @Test
    void aSampleHasEverySeriesAndWhereThereIsNoNumberNone() throws IOException {
        StatusReport status = SampleStatus.loading();
        history.add(status, status, 1_000);
        Map<String, Object> told = all();
        assertThat(told.get("t")).isEqualTo(List.of(1_000L));
        ((Map<?, ?>) told.get("v"))
                .values()
                .forEach(values -> assertThat((List<?>) values).hasSize(1));
        assertThat(series(told, "readP99").getFirst()).isEqualTo(2e-4);
        assertThat(series(told, "writeP99").getFirst()).isNull();
        assertThat(series(told, "power").getFirst()).isEqualTo(2L);
        assertThat(series(told, "batterySeconds").getFirst()).isEqualTo(840L);
        assertThat(series(told, "lossBytes").getFirst()).isEqualTo(104900000d);
    }

    @Test
    void theOldestGoWhenTheRingIsFull() throws IOException {
        StatusReport status = SampleStatus.loading();
        for (int i = 0; i < History.SAMPLE_COUNT_MAX + 7; i++) {
            history.add(status, status, i);
        }
        List<?> times = (List<?>) all().get("t");
        assertThat(times).hasSize(History.SAMPLE_COUNT_MAX);
        assertThat(times.getFirst()).isEqualTo(7L);
        assertThat(times.getLast()).isEqualTo(History.SAMPLE_COUNT_MAX + 6L);
        Map<String, Object> newest = Json.readObject(Json.write(history::writeNewest));
        assertThat((List<?>) newest.get("t")).isEqualTo(List.of(History.SAMPLE_COUNT_MAX + 6L));
    }

    @Test
    void allOfItFitsALine() {
        StatusReport status = SampleStatus.loading();
        for (int i = 0; i < History.SAMPLE_COUNT_MAX; i++) {
            history.add(status, status, 1_800_000_000_000L + i);
        }
        assertThat(Json.write(history::writeAll).length()).isLessThan(150_000);
    }
}
