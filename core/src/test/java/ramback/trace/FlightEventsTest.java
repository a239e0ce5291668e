package ramback.trace;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Each kind of event, as somebody else reads it. */
final class FlightEventsTest {

    @TempDir
    Path directory;

    private static RecordedEvent only(List<RecordedEvent> events, String name) {
        List<RecordedEvent> some = events.stream()
                .filter(event -> event.getEventType().getName().equals(name))
                .toList();
        assertThat(some).as(name).hasSize(1);
        return some.getFirst();
    }

    @Test
    void everyKindIsRecordedWithItsFields() throws Exception {
        Path file = directory.resolve("events.jfr");
        try (Recording recording = new Recording()) {
            for (String name : List.of("Epoch", "Commit", "Apply", "Load", "Power")) {
                recording.enable("ramback." + name).withoutThreshold();
            }
            recording.start();
            Objects.requireNonNull(FlightEpoch.open()).end(11, 12);
            Objects.requireNonNull(FlightCommit.open()).end(21, 22, 23);
            Objects.requireNonNull(FlightApply.open()).end(31, 32, true);
            Objects.requireNonNull(FlightLoad.open()).end(41, 42, true, false);
            FlightPower.tell("online", "on-battery", "ups@localhost says so", 51);
            recording.stop();
            recording.dump(file);
        }
        List<RecordedEvent> events = RecordingFile.readAllEvents(file);
        RecordedEvent epoch = only(events, "ramback.Epoch");
        assertThat(List.of(epoch.getLong("epoch"), epoch.getLong("chunks"))).containsExactly(11L, 12L);
        RecordedEvent commit = only(events, "ramback.Commit");
        assertThat(List.of(commit.getLong("epoch"), commit.getLong("payload"), commit.getLong("journalUsed")))
                .containsExactly(21L, 22L, 23L);
        RecordedEvent apply = only(events, "ramback.Apply");
        assertThat(List.of(apply.getLong("epoch"), apply.getLong("chunks"))).containsExactly(31L, 32L);
        assertThat(apply.getBoolean("whole")).isTrue();
        RecordedEvent load = only(events, "ramback.Load");
        assertThat(List.of(load.getLong("offset"), load.getLong("length"))).containsExactly(41L, 42L);
        assertThat(load.getBoolean("demand")).isTrue();
        assertThat(load.getBoolean("whole")).isFalse();
        RecordedEvent power = only(events, "ramback.Power");
        assertThat(List.of(power.getString("from"), power.getString("to"), power.getString("detail")))
                .containsExactly("online", "on-battery", "ups@localhost says so");
        assertThat(power.getLong("toSave")).isEqualTo(51);
        assertThat(events).allSatisfy(event -> {
            assertThat(event.getStackTrace()).isNull();
            assertThat(event.getEventType().getCategoryNames()).containsExactly("Ramback");
            assertThat(event.getEventType().getDescription()).isNotBlank();
        });
    }

    @Test
    void whileNobodyRecordsThereIsNoEvent() {
        assertThat(FlightEpoch.open()).isNull();
        assertThat(FlightCommit.open()).isNull();
        assertThat(FlightApply.open()).isNull();
        assertThat(FlightLoad.open()).isNull();
    }
}
