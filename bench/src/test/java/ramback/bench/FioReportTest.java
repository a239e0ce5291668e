package ramback.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import org.junit.jupiter.api.Test;

class FioReportTest {

    private static final String REPORT = """
            fio: connected to NBD server
            {
              "fio version" : "fio-3.33",
              "jobs" : [
                {
                  "jobname" : "bench",
                  "error" : %d,
                  "read" : {
                    "total_ios" : %d,
                    "bw_bytes" : 409600000,
                    "iops" : 100000.5,
                    "clat_ns" : {
                      "min" : 900,
                      "percentile" : { "50.000000" : 9000, "99.000000" : 30000, "99.900000" : 1200000 }
                    }
                  },
                  "write" : { "total_ios" : 0 }
                }
              ]
            }
            """;

    @Test
    void readsWhatWasMeasuredThoughTheEngineSpeaksBeforeTheReport() throws IOException {
        Measurement found = new FioReport(REPORT.formatted(0, 300_000)).measurement(false);

        assertThat(found).isEqualTo(new Measurement(100000.5, 409_600_000, 9_000, 30_000, 1_200_000));
    }

    @Test
    void refusesARunWithAnError() throws IOException {
        FioReport report = new FioReport(REPORT.formatted(5, 300_000));

        assertThatThrownBy(() -> report.measurement(false))
                .isInstanceOf(IOException.class)
                .hasMessage("error 5");
    }

    @Test
    void refusesARunWithoutRequests() throws IOException {
        FioReport report = new FioReport(REPORT.formatted(0, 300_000));

        assertThatThrownBy(() -> report.measurement(true))
                .isInstanceOf(IOException.class)
                .hasMessage("no request was finished");
    }

    @Test
    void refusesTextWithoutAReportAndAReportCutShort() {
        assertThatThrownBy(() -> new FioReport("fio: connected to NBD server")).isInstanceOf(IOException.class);
        String whole = REPORT.formatted(0, 1);
        assertThatThrownBy(() -> new FioReport(whole.substring(0, whole.length() / 2)))
                .isInstanceOf(IOException.class);
    }
}
