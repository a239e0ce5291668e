package ramback.nbd;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
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
        return new Wire(ours, null, new Polling(limits), () -> nanos.addAndGet(1000));
    }

    private void sendOne() throws IOException {
        assertThat(theirs.write(ByteBuffer.allocate(1))).isEqualTo(1);
    }

    private static int receiveOne(Wire wire) throws IOException {
        return wire.receive(ByteBuffer.allocate(100));
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
                throw new java.io.UncheckedIOException(e);
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
    void withoutPollingTheChannelStaysBlockingAndTheClockIsReadOnceAReceive() throws Exception {
        Wire wire = wire(PollingLimits.OFF);
        for (int i = 0; i < 100; i++) {
            sendOne();
            assertThat(receiveOne(wire)).isEqualTo(1);
        }
        assertThat(ours.isBlocking()).isTrue();
        assertThat(nanos).hasValue(100 * 1000);
        assertThat(wire.receivedNanos()).isEqualTo(100 * 1000);
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
                throw new java.io.UncheckedIOException(e);
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
