package ramback.control;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class StatusJsonTest {

    @Test
    void allNamesOfTheContractAreThere() throws IOException {
        Map<String, Object> top = Json.readObject(StatusJson.write(SampleStatus.loading()));
        assertThat(top.keySet())
                .containsAll(List.of(
                        "name",
                        "uri",
                        "mode",
                        "configuredMode",
                        "state",
                        "greenLight",
                        "sizeBytes",
                        "chunkBytes",
                        "chunks",
                        "loadedChunks",
                        "savedChunks",
                        "dirtyChunks",
                        "dirtyBytes",
                        "inflight",
                        "lossIfPowerFailedNow",
                        "lastCommit",
                        "journal",
                        "backing",
                        "power",
                        "clients",
                        "clientsVia",
                        "trace"));
        assertThat(keys(top, "journal")).contains("path", "sizeBytes", "usedBytes");
        assertThat(keys(top, "lossIfPowerFailedNow")).contains("bytes", "seconds");
        assertThat(keys(top, "lastCommit")).contains("epoch", "time");
        assertThat(keys(top, "backing")).contains("uri", "errors", "writeBytesPerSecond", "lastError", "failing");
        assertThat(keys(top, "power")).contains("state", "batteryRuntimeSeconds", "drainSeconds");
        assertThat(((Map<?, ?>) top.get("power")).get("state")).isEqualTo("on-battery");
    }

    private static List<Object> keys(Map<String, Object> top, String name) {
        return List.copyOf(((Map<?, ?>) top.get(name)).keySet());
    }

    @Test
    void whatIsWrittenIsReadBack() throws IOException {
        StatusReport report = SampleStatus.loading();
        assertThat(StatusJson.read(StatusJson.write(report))).isEqualTo(report);
        StatusReport failing = SampleStatus.of("degraded", 100, 4096, 0);
        assertThat(StatusJson.read(StatusJson.write(failing)).backingFailing()).isEqualTo(failing.backingFailing());
    }

    @Test
    void itIsOneLine() {
        assertThat(StatusJson.write(SampleStatus.loading())).endsWith("}\n").containsOnlyOnce("\n");
    }

    @Test
    void anotherVersionsNamesAreSkippedAndMissingOnesDefaulted() throws IOException {
        StatusReport report = StatusJson.read("{\"name\":\"d\",\"later\":{\"a\":[1,{\"b\":2.5}]},\"sizeBytes\":5}");
        assertThat(report.name()).isEqualTo("d");
        assertThat(report.sizeBytes()).isEqualTo(5);
        assertThat(report.mode()).isEmpty();
        assertThat(report.commitTime()).isNull();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "[]",
                "{",
                "{}{}",
                "{\"a\":}",
                "<html>",
                "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{}}}}}}}}}"
            })
    void whatIsNotOneObjectOfBoundedDepthIsRefused(String text) {
        assertThatThrownBy(() -> StatusJson.read(text)).isInstanceOf(IOException.class);
    }
}
