package ramback.control;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import jdk.jfr.EventType;
import jdk.jfr.FlightRecorder;
import jdk.jfr.ValueDescriptor;
import org.junit.jupiter.api.Test;
import ramback.traffic.RequestKind;
import ramback.traffic.RequestLatencies;
import ramback.traffic.SampleLatencies;

/** The metrics as a scraper reads them, by a parser of our own (./verify has two of others), and the page that lists them. */
final class DeviceMetricsTest {

    private static final Pattern SAMPLE = Pattern.compile("([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\\{(.*)\\})? (\\S+)");
    private static final Pattern LABEL = Pattern.compile("([a-zA-Z_][a-zA-Z0-9_]*)=\"((?:[^\"\\\\]|\\\\.)*)\",?");

    /** One family: its samples by name and labels, in their order. */
    private record Family(String type, String help, Map<String, Double> samples) {}

    private static final RequestLatencies LATENCIES = new SampleLatencies()
            .with(RequestKind.READ, 3_000, 5)
            .with(RequestKind.READ, 5_000_000, 2)
            .with(RequestKind.WRITE, 120_000_000_000L, 1)
            .counts();

    private static String text(boolean isOpenMetrics, StatusReport status) {
        Exposition page = new Exposition(isOpenMetrics);
        DeviceMetrics.write(page, status, LATENCIES, ProcessMetrics.read());
        return new String(page.toBytes(), UTF_8);
    }

    private static Map<String, Family> families(String text) {
        Map<String, Family> families = new LinkedHashMap<>();
        String name = "";
        String help = "";
        for (String line : text.lines().toList()) {
            if (line.startsWith("# HELP ")) {
                name = line.split(" ", 4)[2];
                help = line.split(" ", 4)[3];
            } else if (line.startsWith("# TYPE ")) {
                assertThat(line.split(" ", 4)[2]).as("HELP before TYPE").isEqualTo(name);
                assertThat(families.put(name, new Family(line.split(" ", 4)[3], help, new LinkedHashMap<>())))
                        .as("%s only once", name)
                        .isNull();
            } else {
                Matcher sample = SAMPLE.matcher(line);
                assertThat(sample.matches()).as(line).isTrue();
                assertThat(sample.group(1)).as("sample of the family above it").startsWith(name);
                assertThat(families.get(name)
                                .samples()
                                .put(
                                        sample.group(1) + labels(sample.group(2)),
                                        Double.valueOf(sample.group(3).replace("+Inf", "Infinity"))))
                        .as("%s only once", line)
                        .isNull();
            }
        }
        return families;
    }

    private static Map<String, String> labels(String text) {
        Map<String, String> labels = new TreeMap<>();
        Matcher label = LABEL.matcher(text == null ? "" : text);
        int end = 0;
        while (label.find()) {
            assertThat(label.start()).as(text).isEqualTo(end);
            assertThat(labels.put(label.group(1), label.group(2))).isNull();
            end = label.end();
        }
        assertThat(end).as(text).isEqualTo(text == null ? 0 : text.length());
        return labels;
    }

    @Test
    void everyNumberOfTheStatusIsThere() throws Exception {
        Map<String, Family> families = families(text(false, SampleStatus.loading()));
        Map<String, Double> samples = new HashMap<>();
        families.values().forEach(family -> samples.putAll(family.samples()));
        assertThat(samples)
                .containsEntry("ramback_size_bytes{device=disk}", (double) (100 << 20))
                .containsEntry("ramback_loaded_chunks{device=disk}", 25.0)
                .containsEntry("ramback_saved_chunks_total{device=disk}", 77.0)
                .containsEntry("ramback_dirty_bytes{device=disk}", 12288.0)
                .containsEntry("ramback_loss_seconds{device=disk}", 1.5)
                .containsEntry("ramback_committed_epoch{device=disk}", 9.0)
                .containsEntry("ramback_last_commit_timestamp_seconds{device=disk}", 1767323045.0)
                .containsEntry("ramback_journal_used_bytes{device=disk}", (double) (16 << 20))
                .containsEntry("ramback_disk_errors_total{device=disk}", 1.0)
                .containsEntry("ramback_light{device=disk, light=amber}", 1.0)
                .containsEntry("ramback_light{device=disk, light=green}", 0.0)
                .containsEntry("ramback_mode{device=disk, mode=unsafe}", 1.0)
                .containsEntry("ramback_configured_mode{device=disk, mode=writeback}", 1.0)
                .containsEntry("ramback_power{device=disk, power=on-battery}", 1.0)
                .containsEntry("ramback_battery_runtime_seconds{device=disk}", 840.0)
                .containsEntry("ramback_battery_charge_ratio{device=disk}", 0.92)
                .containsEntry("ramback_power_drain_seconds{device=disk}", 2.1)
                .containsEntry("ramback_requests_total{device=disk, kind=read}", 1000.0)
                .containsEntry("ramback_request_bytes_total{device=disk, kind=write}", 2_048_000.0)
                .containsEntry("ramback_request_failures_total{device=disk}", 5.0)
                .containsEntry("ramback_memory_locked{device=disk, locked=states}", 1.0)
                .containsEntry("ramback_warnings{device=disk}", 2.0);
        assertThat(samples.get("process_resident_memory_bytes{}")).isGreaterThan(1e6);
        assertThat(samples.get("process_cpu_seconds_total{}")).isPositive();
        assertThat(samples.get("process_open_fds{}")).isGreaterThan(2);
        assertThat(samples.get("process_start_time_seconds{}")).isBetween(1.7e9, System.currentTimeMillis() / 1e3 + 1);
    }

    @Test
    void aDeviceIsAttachedInTheWayInWhichItIsServed() throws Exception {
        String attached =
                "{\"name\":\"disk\",\"attached\":{\"via\":\"ublk\",\"device\":\"/dev/ublkb0\",\"left\":false}}";
        assertThat(families(text(false, StatusJson.read(attached)))
                        .get("ramback_attached")
                        .samples())
                .isEqualTo(Map.of(
                        "ramback_attached{device=disk, via=ublk}", 1.0,
                        "ramback_attached{device=disk, via=nbd}", 0.0,
                        "ramback_attached{device=disk, via=fuse}", 0.0));
        // Of what a daemon has left, and nobody serves, nothing is attached.
        assertThat(families(text(false, SampleStatus.loading()))
                        .get("ramback_attached")
                        .samples()
                        .values())
                .containsOnly(0.0);
    }

    @Test
    void everyFamilyHasAHelpAndATypeAndANameByTheConventions() throws Exception {
        families(text(false, SampleStatus.loading())).forEach((name, family) -> {
            assertThat(family.help()).as(name).isNotBlank().endsWith(".");
            assertThat(family.samples()).as(name).isNotEmpty();
            assertThat(name.endsWith("_total")).as(name).isEqualTo(family.type().equals("counter"));
            assertThat(name).doesNotContainPattern("_(ms|millis|micros|nanos|kb|mb|percent)$");
        });
    }

    @Test
    void histogramsAreCumulativeAndExactAtTheirBounds() throws Exception {
        Family family = families(text(false, SampleStatus.loading())).get("ramback_request_duration_seconds");
        assertThat(family.type()).isEqualTo("histogram");
        for (RequestKind kind : RequestKind.SHOWN) {
            double before = 0;
            double bound = 0;
            double count = -1;
            for (Map.Entry<String, Double> sample : family.samples().entrySet()) {
                if (!sample.getKey().contains("kind=" + kind.word())) {
                    continue;
                }
                if (sample.getKey().startsWith("ramback_request_duration_seconds_bucket")) {
                    double next = Double.parseDouble(
                            sample.getKey().replaceAll(".*le=([^,}]*).*", "$1").replace("+Inf", "Infinity"));
                    assertThat(next).isGreaterThan(bound);
                    assertThat(sample.getValue()).isGreaterThanOrEqualTo(before);
                    bound = next;
                    before = sample.getValue();
                } else if (sample.getKey().startsWith("ramback_request_duration_seconds_count")) {
                    count = sample.getValue();
                }
            }
            assertThat(bound).isInfinite();
            assertThat(count).isEqualTo(before).isEqualTo((double)
                    LATENCIES.of(kind).count());
        }
        assertThat(family.samples())
                .containsEntry("ramback_request_duration_seconds_bucket{device=disk, kind=read, le=2.048E-6}", 0.0)
                .containsEntry("ramback_request_duration_seconds_bucket{device=disk, kind=read, le=3.072E-6}", 5.0)
                .containsEntry("ramback_request_duration_seconds_sum{device=disk, kind=read}", 0.010015)
                .containsEntry("ramback_request_duration_seconds_bucket{device=disk, kind=write, le=34.359738368}", 0.0)
                .containsEntry("ramback_request_duration_seconds_bucket{device=disk, kind=write, le=+Inf}", 1.0);
    }

    @Test
    void openMetricsIsForWhoeverAsksForIt() throws Exception {
        assertThat(text(true, SampleStatus.loading()))
                .contains("# UNIT ramback_size_bytes bytes\n")
                .contains("# TYPE ramback_requests counter\n")
                .contains("ramback_requests_total{device=\"disk\",kind=\"read\"} 1000\n")
                .contains("# TYPE ramback_build info\n")
                .endsWith("# EOF\n");
        assertThat(new Exposition(true).contentType()).startsWith("application/openmetrics-text; version=1.0.0");
        assertThat(new Exposition(false).contentType()).startsWith("text/plain; version=0.0.4");
    }

    @Test
    void whatIsUnusualInALabelIsEscaped() {
        assertThat(Exposition.label("image", "a \"b\" \\c\nd")).isEqualTo("image=\"a \\\"b\\\" \\\\c\\nd\"");
    }

    @Test
    void aDeviceWithoutJournalAndPowerHasNoNumbersOfThem() throws Exception {
        StatusReport bare =
                StatusJson.read("{\"name\":\"bare\",\"state\":\"ready\",\"light\":\"green\",\"mode\":\"unsafe\"}");
        assertThat(families(text(false, bare)))
                .containsKeys("ramback_size_bytes", "ramback_lock_wait_seconds")
                .doesNotContainKeys(
                        "ramback_journal_size_bytes",
                        "ramback_battery_runtime_seconds",
                        "ramback_last_commit_timestamp_seconds");
    }

    // ----------------------------------------------------------------------------------------------- docs/metrics.md

    private static Path page() {
        Path directory = Path.of("").toAbsolutePath();
        while (directory != null && !Files.exists(directory.resolve("ARCHITECTURE.md"))) {
            directory = directory.getParent();
        }
        assertThat(directory).isNotNull();
        return directory.resolve("docs/metrics.md");
    }

    private static List<String> rows(String heading) throws Exception {
        return Files.readAllLines(page()).stream()
                .dropWhile(line -> !line.equals(heading))
                .skip(1)
                .takeWhile(line -> !line.startsWith("## "))
                .filter(line -> line.startsWith("| `"))
                .toList();
    }

    @Test
    void thePageListsTheMetricsAsTheyAre() throws Exception {
        List<String> expected = new ArrayList<>();
        families(text(false, SampleStatus.loading())).forEach((name, family) -> {
            TreeSet<String> labels = new TreeSet<>();
            family.samples().keySet().forEach(sample -> {
                Matcher label = Pattern.compile("(?:\\{|, )([a-z_]+)=").matcher(sample.substring(sample.indexOf('{')));
                while (label.find()) {
                    labels.add(label.group(1));
                }
            });
            labels.remove("le");
            expected.add("| `" + name + "` | " + family.type() + " | " + String.join(", ", labels) + " | "
                    + family.help() + " |");
        });
        assertThat(rows("## Metrics"))
                .as("rows of %s; these are right:\n%s\n", page(), String.join("\n", expected))
                .containsExactlyInAnyOrderElementsOf(expected);
    }

    @Test
    void thePageListsTheEventsAsTheyAre() throws Exception {
        for (String name : List.of(
                "ramback.traffic.FlightRequest",
                "ramback.trace.FlightEpoch",
                "ramback.trace.FlightCommit",
                "ramback.trace.FlightApply",
                "ramback.trace.FlightLoad",
                "ramback.trace.FlightPower")) {
            Class.forName(name);
        }
        List<String> expected = new ArrayList<>();
        for (EventType type : FlightRecorder.getFlightRecorder().getEventTypes()) {
            if (type.getName().startsWith("ramback.")) {
                List<String> fields = type.getFields().stream()
                        .map(ValueDescriptor::getName)
                        .filter(field -> !List.of("startTime", "duration", "eventThread", "stackTrace")
                                .contains(field))
                        .map(field -> "`" + field + "`")
                        .toList();
                expected.add("| `" + type.getName() + "` | " + type.getDescription() + " | " + String.join(", ", fields)
                        + " |");
            }
        }
        assertThat(rows("## Events of the flight recorder"))
                .as("rows of %s; these are right:\n%s\n", page(), String.join("\n", expected))
                .containsExactlyInAnyOrderElementsOf(expected);
    }
}
