package ramback.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class StandardErrorQueueTest {

    private static final Duration LONG = Duration.ofSeconds(30);

    /** A stream that takes nothing until it is opened, as a pipe that nobody reads. */
    private static final class Gate extends OutputStream {
        final CountDownLatch isMet = new CountDownLatch(1);
        final CountDownLatch isOpen = new CountDownLatch(1);
        final ByteArrayOutputStream taken = new ByteArrayOutputStream();

        @Override
        public void write(int b) {
            throw new AssertionError("written as arrays");
        }

        @Override
        public void write(byte[] bytes, int offset, int length) throws IOException {
            isMet.countDown();
            try {
                isOpen.await();
            } catch (InterruptedException e) {
                throw new InterruptedIOException();
            }
            taken.write(bytes, offset, length);
        }
    }

    private final Gate gate = new Gate();
    private final StandardErrorQueue queue = new StandardErrorQueue(gate, UTF_8);
    private final PrintStream out = new PrintStream(queue, true, UTF_8);

    private List<String> lines() {
        return gate.taken.toString(UTF_8).lines().toList();
    }

    @Test
    void whatIsPrintedComesOutInOrder() {
        gate.isOpen.countDown();
        List<String> printed = new ArrayList<>();
        for (int i = 0; i < 1_000; i++) {
            printed.add("line " + i);
            out.println("line " + i);
        }
        out.print("a prompt");
        printed.add("a prompt");
        assertThat(queue.settle(LONG)).isTrue();
        assertThat(lines()).isEqualTo(printed);
    }

    @Test
    void whoeverPrintsDoesNotWaitAndWhatHasNoRoomIsCounted() throws InterruptedException {
        String line = "x".repeat(1_023);
        int roomCount = StandardErrorQueue.WAITING_BYTES_MAX / 1_024;
        out.println("first");
        gate.isMet.await();
        for (int i = 0; i < roomCount + 7; i++) {
            out.println(line);
        }
        assertThat(queue.settle(Duration.ofMillis(1))).isFalse();
        gate.isOpen.countDown();
        assertThat(queue.settle(LONG)).isTrue();
        out.println("last");
        assertThat(queue.settle(LONG)).isTrue();
        assertThat(lines())
                .containsExactlyElementsOf(Stream.of(
                                Stream.of("first"),
                                Stream.generate(() -> line).limit(roomCount),
                                Stream.of(
                                        "ramback: warning: standard error was not read: 7 messages are missing here",
                                        "last"))
                        .flatMap(lines -> lines)
                        .toList());
    }

    @Test
    void aReaderThatHasGoneHindersNobody() {
        StandardErrorQueue broken = new StandardErrorQueue(
                new OutputStream() {
                    @Override
                    public void write(int b) throws IOException {
                        throw new IOException("Broken pipe");
                    }
                },
                UTF_8);
        PrintStream stream = new PrintStream(broken, true, UTF_8);
        stream.println("one");
        stream.println("two");
        assertThat(broken.settle(LONG)).isTrue();
    }
}
