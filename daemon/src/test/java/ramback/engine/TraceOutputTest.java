package ramback.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CountDownLatch;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import ramback.clock.Clock;
import ramback.trace.FlightLoad;
import ramback.trace.Trace;

/** The flight recorder's part of the trace. */
final class TraceOutputTest {

    @TempDir
    Path directory;

    private final Trace trace = new Trace(Clock.SYSTEM);
    private final TraceOutput output = new TraceOutput("disk", trace, Clock.SYSTEM);

    @AfterEach
    void stop() {
        output.stop();
    }

    private static void load(long offsetBytes) {
        Objects.requireNonNull(FlightLoad.open()).end(offsetBytes, 4096, false, true);
    }

    private List<Long> offsets(String file) throws Exception {
        Path path = directory.resolve(file);
        assertThat(output.dump(path)).isEqualTo(Files.size(path));
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(path)))
                .isEqualTo("rw-------");
        return RecordingFile.readAllEvents(path).stream()
                .filter(event -> event.getEventType().getName().equals("ramback.Load"))
                .map((RecordedEvent event) -> event.getLong("offset"))
                .toList();
    }

    @Test
    void eventsAreRecordedWhileTheTraceIsOnAndKeptUntilTheyAreDumped() throws Exception {
        assertThat(trace.isRecorded()).isFalse();
        output.set(true);
        assertThat(trace.isRecorded()).isTrue();
        load(1);
        assertThat(offsets("on.jfr")).containsExactly(1L);
        load(2);
        output.set(false);
        assertThat(trace.isRecorded()).isFalse();
        assertThat(FlightLoad.open()).isNull();
        assertThat(offsets("off.jfr")).as("what came since the last dump").containsExactly(2L);
        output.set(true);
        load(3);
        assertThat(offsets("again.jfr"))
                .as("a trace that is switched on anew begins anew")
                .containsExactly(3L);
    }

    @Test
    void whatWasNeverOnIsRefusedAndLeavesNoFile() {
        Path file = directory.resolve("never.jfr");
        assertThatThrownBy(() -> output.dump(file))
                .isInstanceOf(Refusal.class)
                .hasMessageContaining("'ramback trace disk on'");
        assertThat(file).doesNotExist();
    }

    @Test
    void aFileThatExistsIsLeftAsItIs() throws Exception {
        Path file = Files.writeString(directory.resolve("x.jfr"), "mine");
        output.set(true);
        assertThatThrownBy(() -> output.dump(file)).isInstanceOf(Refusal.class).hasMessageContaining("exists");
        assertThat(file).hasContent("mine");
    }

    @ParameterizedTest
    @ValueSource(strings = {"x.jfr", "x.txt"})
    @Timeout(60)
    void theEndDoesNotWaitForADumpToADiskThatHangs(String name) throws InterruptedException {
        CountDownLatch isHanging = new CountDownLatch(1);
        CountDownLatch goesOn = new CountDownLatch(1);
        OutputStream hanging = new OutputStream() {
            @Override
            public void write(int b) throws IOException {
                isHanging.countDown();
                try {
                    goesOn.await();
                } catch (InterruptedException e) {
                    throw new InterruptedIOException();
                }
            }
        };
        TraceOutput other = new TraceOutput("other", trace, Clock.SYSTEM, _ -> hanging);
        other.set(true);
        for (int i = 0; i < 10_000; i++) { // more than a buffer of text
            trace.record(ramback.trace.TraceEvent.LOAD, i, 1);
        }
        Thread dump = Thread.startVirtualThread(
                () -> assertThatCode(() -> other.dump(directory.resolve(name))).doesNotThrowAnyException());
        isHanging.await();
        other.stop();
        goesOn.countDown();
        dump.join();
    }

    @Test
    void anyOtherNameIsText() throws Exception {
        output.set(true);
        trace.record(ramback.trace.TraceEvent.LOAD, 7, 8);
        Path file = directory.resolve("trace.txt");
        assertThat(output.dump(file)).isEqualTo(1);
        assertThat(file).content().contains("load firstChunk=7 chunks=8");
    }
}
