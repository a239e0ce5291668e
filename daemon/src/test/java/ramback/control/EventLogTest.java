package ramback.control;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;

class EventLogTest {

    private final EventLog log = new EventLog();

    @Test
    void whatHappensOverAndOverIsOneLineWithACount() {
        for (int i = 0; i < 50; i++) {
            log.note(EventLog.Level.WARNING, "light", "amber: " + i + " % in memory");
            log.note(EventLog.Level.GOOD, "light", "green: fine");
        }
        List<EventLog.Entry> entries = log.after(0);
        assertThat(entries).hasSize(2);
        assertThat(entries).allMatch(entry -> entry.count() == 50);
        assertThat(entries.getLast().number()).isEqualTo(100);
        assertThat(entries.getLast().id()).isEqualTo(2);
        assertThat(log.after(99)).hasSize(1);
    }

    @Property(tries = 200)
    void whoeverReadsNowAndThenHasWhatIsThere(@ForAll @Size(max = 60) List<@IntRange(max = 9) Integer> steps) {
        Map<Long, EventLog.Entry> seen = new LinkedHashMap<>();
        long last = 0;
        for (int step : steps) {
            if (step < 8) {
                log.note(EventLog.Level.INFO, step < 4 ? "light" : "snapshot-end", "text " + step);
                continue;
            }
            for (EventLog.Entry entry : log.after(last)) {
                seen.remove(entry.id());
                seen.put(entry.id(), entry);
                last = entry.number();
            }
            assertThat(seen.values()).containsExactlyElementsOf(log.after(0));
        }
    }

    @Test
    void whatHappenedOnceIsNoRepetitionOfWhatLooksLikeIt() {
        log.note(EventLog.Level.INFO, "snapshot-end", "the snapshot is whole (file /srv/1.img)");
        log.note(EventLog.Level.INFO, "snapshot-end", "the snapshot is whole (file /srv/2.img)");
        log.note(EventLog.Level.BAD, "fault", "cannot write at 4096");
        log.note(EventLog.Level.BAD, "fault", "cannot write at 8192");
        log.note(EventLog.Level.BAD, "fault", "cannot write at 8192");
        assertThat(log.after(0).stream().map(entry -> entry.count() + " " + entry.text()))
                .containsExactly(
                        "1 the snapshot is whole (file /srv/1.img)",
                        "1 the snapshot is whole (file /srv/2.img)",
                        "1 cannot write at 4096",
                        "2 cannot write at 8192");
    }

    @Test
    void onlyTheNewestAreKept() {
        for (int i = 0; i < 1_000; i++) {
            log.note(EventLog.Level.INFO, "s" + i, "x");
        }
        assertThat(log.after(0)).hasSize(EventLog.ENTRY_COUNT_MAX);
        assertThat(log.after(0).getLast().subject()).isEqualTo("s999");
        assertThat(log.after(0).getFirst().number()).isEqualTo(1_000 - EventLog.ENTRY_COUNT_MAX + 1);
    }
}
