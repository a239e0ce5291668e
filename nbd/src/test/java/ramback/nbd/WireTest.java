package ramback.nbd;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A pair of connected sockets, and a clock that advances by one microsecond whenever it is read. */
@Timeout(60)
final class WireTest {

    private static final PollingLimits LIMITS = new PollingLimits(100_000, 2, 64);

    @TempDir
    Path directory;

    private SocketChannel ours = null;
    private SocketChannel theirs = null;
    private final AtomicLong nanos = new AtomicLong();

    @BeforeEach
    void connect() throws IOException {
        Path file = directory.resolve("s");
        try (ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            server.bind(UnixDomainSocketAddress.of(file));
            theirs = SocketChannel.open(UnixDomainSocketAddress.of(file));
            ours = server.accept();
        }
        Files.delete(file);
    }

    @AfterEach
    void close() throws IOException {
        ours.close();
        theirs.close();
    }

    private Wire wire(PollingLimits limits) {
        return wire(limits, Scheduling.SYSTEM);
    }

    private Wire wire(PollingLimits limits, Scheduling scheduling) {
        return new Wire(ours, null, new Polling(limits), scheduling, () -> nanos.addAndGet(1000));
    }

    private void sendOne() throws IOException {
        assertThat(theirs.write(ByteBuffer.allocate(1))).isEqualTo(1);
    }

    private static int receiveOne(Wire wire) throws IOException {
        return wire.receive(ByteBuffer.allocate(100));
    }

    private void receiveAndServe(Wire wire, int requestCount, int receiveCount) throws IOException {
        for (int i = 0; i < receiveCount; i++) {
            sendOne();
            assertThat(receiveOne(wire)).isEqualTo(1);
            wire.served(requestCount);
        }
    }

    @Test
    void aClientOfManyRequestsIsNotInterruptedAndOneOfSingleOnesIs() throws IOException {
        List<Boolean> said = new ArrayList<>();
        Wire wire = wire(PollingLimits.OFF, said::add);
        receiveAndServe(wire, 2, Batching.RUN_MIN);
        assertThat(said).containsExactly(false);
        receiveAndServe(wire, 2, 1000);
        receiveAndServe(wire, 0, 1000); // in the middle of a long payload
        assertThat(said).containsExactly(false);
        receiveAndServe(wire, 1, 1000);
        assertThat(said).containsExactly(false, true);
    }

    @Test
    void aSystemThatRefusesIsAskedOnce() throws IOException {
        AtomicLong askedCount = new AtomicLong();
        Wire wire = wire(PollingLimits.OFF, interrupts -> {
            askedCount.incrementAndGet();
            return false;
        });
        receiveAndServe(wire, 2, 1000);
        assertThat(askedCount).hasValue(1);
    }

    @Test
    void theSystemTakesBothPolicies() throws Exception {
        AtomicReference<Throwable> failure = new AtomicReference<>();
        Thread thread = Thread.ofPlatform()
                .uncaughtExceptionHandler((_, e) -> failure.set(e))
                .start(() -> {
                    assertThat(Scheduling.SYSTEM.interrupts(false)).isTrue();
                    assertThat(policyOfThisThread()).isEqualTo(3);
                    assertThat(Scheduling.SYSTEM.interrupts(true)).isTrue();
                    assertThat(policyOfThisThread()).isZero();
                });
        thread.join();
        assertThat(failure.get()).isNull();
    }

    /** The 41st field of proc_pid_stat(5), counted from behind the name. */
    private static int policyOfThisThread() {
        try {
            String stat = Files.readString(Path.of("/proc/thread-self/stat"));
            return Integer.parseInt(stat.substring(stat.lastIndexOf(')') + 2).split(" ", -1)[38]);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Test
    void shortWaitsLeadToPollingAndASilentClientBackToBlocking() throws Exception {
        Wire wire = wire(LIMITS);
        for (int i = 0; i < 3; i++) {
            sendOne();
            assertThat(receiveOne(wire)).isEqualTo(1);
        }
        assertThat(ours.isBlocking()).as("two short waits began to poll").isFalse();
        long beginNanos = nanos.get();
        Thread receiver = Thread.ofPlatform().start(() -> {
            try {
                assertThat(receiveOne(wire)).isEqualTo(1);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        });
        while (!ours.isBlocking()) {
            Thread.onSpinWait();
        }
        assertThat(nanos.get() - beginNanos)
                .as("the poll in vain")
                .isBetween(LIMITS.windowNanos(), LIMITS.windowNanos() + 4000);
        sendOne();
        receiver.join();
        assertThat(ours.isBlocking()).isTrue();
    }

    @Test
    void withoutPollingTheChannelStaysBlockingAndTheClockIsReadTwiceAReceive() throws Exception {
        Wire wire = wire(PollingLimits.OFF);
        for (int i = 0; i < 100; i++) {
            sendOne();
            assertThat(receiveOne(wire)).isEqualTo(1);
        }
        assertThat(ours.isBlocking()).isTrue();
        assertThat(nanos).hasValue(2 * 100 * 1000);
        assertThat(wire.receivedNanos()).isEqualTo(2 * 100 * 1000);
    }

    @Test
    void theEndOfTheStreamIsSeenWhilePolling() throws Exception {
        Wire wire = wire(LIMITS);
        for (int i = 0; i < 3; i++) {
            sendOne();
            receiveOne(wire);
        }
        theirs.close();
        assertThat(receiveOne(wire)).isEqualTo(-1);
    }

    @Test
    void aSenderThatFindsThePolledSocketFullWaitsForRoom() throws Exception {
        Wire wire = wire(LIMITS);
        for (int i = 0; i < 3; i++) {
            sendOne();
            receiveOne(wire);
        }
        int lengthBytes = 8 << 20;
        CountDownLatch begun = new CountDownLatch(1);
        Thread sender = Thread.ofPlatform().start(() -> {
            wire.beginSending();
            try {
                begun.countDown();
                wire.send(ByteBuffer.allocateDirect(16), ByteBuffer.allocateDirect(lengthBytes));
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            } finally {
                wire.endSending();
            }
        });
        begun.await();
        while (!ours.isBlocking()) {
            Thread.onSpinWait();
        }
        sendOne();
        assertThat(receiveOne(wire))
                .as("receiving goes on while the sender waits")
                .isEqualTo(1);
        assertThat(ours.isBlocking()).as("and does not poll meanwhile").isTrue();
        ByteBuffer all = ByteBuffer.allocate(16 + lengthBytes);
        while (all.hasRemaining()) {
            theirs.read(all);
        }
        sender.join();
    }
}
