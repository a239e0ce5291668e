package ramback.trace;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import ramback.clock.Clock;
import ramback.clock.ManualClock;

class TraceTest {
    private static final Pattern LINE = Pattern.compile("\\d+\\.\\d{6} t(\\d+) write offset=(\\d+) bytes=(\\d+)");

    private final ManualClock clock = new ManualClock();
    private final Trace trace = new Trace(clock);

    private List<String> lines(long from) {
        List<String> lines = new ArrayList<>();
        try {
            trace.copyTo(lines::add, from);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
        return lines;
    }

    @Test
    void whileItIsOffNothingIsRecorded() {
        trace.record(TraceEvent.WRITE, 1, 2);
        assertThat(trace.eventCount()).isZero();
        assertThat(lines(0)).isEmpty();
        trace.setOn(true);
        trace.record(TraceEvent.WRITE, 1, 2);
        trace.setOn(false);
        trace.record(TraceEvent.WRITE, 3, 4);
        assertThat(lines(0)).hasSize(1);
    }

    @Test
    void eventsAreTextWithTimeAndThreadAndNumbers() {
        trace.setOn(true);
        trace.record(TraceEvent.WRITE, 8192, 512);
        clock.pass(1_500_000);
        trace.record(TraceEvent.CAPTURE, 64, -1L);
        long thread = Thread.currentThread().threadId();
        assertThat(lines(0))
                .containsExactly(
                        "1.000000 t" + thread + " write offset=8192 bytes=512",
                        "1.001500 t" + thread + " capture firstChunk=64 mask=0xffffffffffffffff");
    }

    @Test
    void everyKindHasItsLine() {
        trace.setOn(true);
        for (TraceEvent event : TraceEvent.values()) {
            trace.record(event, 1, 2);
        }
        List<String> lines = lines(0);
        assertThat(lines).hasSameSizeAs(TraceEvent.values());
        for (TraceEvent event : TraceEvent.values()) {
            assertThat(lines.get(event.ordinal())).contains(" " + event.name().toLowerCase(Locale.ROOT) + " ");
        }
    }

    @Test
    void theNewestAreKeptAndWhatWasLostIsSaid() throws IOException {
        trace.setOn(true);
        int count = Trace.EVENT_COUNT_MAX + 10;
        for (int i = 0; i < count; i++) {
            trace.record(TraceEvent.WRITE, i, i);
        }
        List<String> lines = lines(0);
        assertThat(lines).hasSize(Trace.EVENT_COUNT_MAX + 1);
        assertThat(lines.getFirst()).contains("10 events were overwritten");
        assertThat(lines.get(1)).endsWith("write offset=10 bytes=10");
        assertThat(lines.getLast()).endsWith("write offset=" + (count - 1) + " bytes=" + (count - 1));
        assertThat(trace.copyTo(text -> {}, 0)).isEqualTo(count);
        assertThat(lines(count)).isEmpty();
        assertThat(lines(count - 1)).hasSize(1);
    }

    @Test
    void noEventIsReadHalfOverwritten() throws InterruptedException {
        Trace busy = new Trace(Clock.SYSTEM);
        busy.setOn(true);
        AtomicBoolean over = new AtomicBoolean();
        List<Thread> writers = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            int number = i;
            writers.add(Thread.ofPlatform().start(() -> {
                for (long n = number; !over.get(); n += 3) {
                    busy.record(TraceEvent.WRITE, n, n * 31);
                }
            }));
        }
        AtomicBoolean torn = new AtomicBoolean();
        try {
            long from = 0;
            long seen = 0;
            while (seen < 300_000) {
                long[] count = new long[1];
                from = busy.copyTo(
                        text -> {
                            Matcher line = LINE.matcher(text);
                            if (line.matches()) {
                                count[0]++;
                                if (Long.parseLong(line.group(2)) * 31 != Long.parseLong(line.group(3))) {
                                    torn.set(true);
                                }
                            } else if (!text.startsWith("…")) {
                                torn.set(true);
                            }
                        },
                        from);
                seen += count[0];
            }
        } catch (IOException e) {
            throw new AssertionError(e);
        } finally {
            over.set(true);
        }
        for (Thread writer : writers) {
            writer.join();
        }
        assertThat(torn).isFalse();
    }
}
