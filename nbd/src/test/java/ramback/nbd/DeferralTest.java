package ramback.nbd;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import ramback.device.Outcome;
import ramback.protocol.Protocol;

/** Requests that wait in the device, clients that do not read, and a server that stops meanwhile. */
@Timeout(120)
final class DeferralTest {

    private static final int DEFERRED_MAX = 4;

    private ServerFixture fixture = null;
    private NbdClient client = null;

    @BeforeEach
    void serve() throws IOException {
        RamDevice device = new RamDevice("disk", RamDevice.ofSize(64 << 20).memory, 4096, false, 16, DEFERRED_MAX);
        device.memory.fill((byte) 42);
        fixture = new ServerFixture(device, ServerLimits.DEFAULT);
        client = fixture.transmitting();
    }

    @AfterEach
    void stop() throws IOException {
        fixture.close();
    }

    private List<RamDevice.Waiting> takeWaiting(int count) throws InterruptedException {
        List<RamDevice.Waiting> taken = new ArrayList<>();
        while (taken.size() < count) {
            taken.add(fixture.device.waiting.take());
        }
        return taken;
    }

    /** Receives so many bytes of the device's contents. */
    private void expectContents(NbdClient from, int lengthBytes) throws IOException {
        MemorySegment received = MemorySegment.ofBuffer(from.receive(lengthBytes));
        assertThat(received.mismatch(fixture.device.memory.asSlice(0, lengthBytes)))
                .isEqualTo(-1);
    }

    @Test
    void aWaitingRequestDoesNotHoldUpTheOnesBehindIt() throws Exception {
        fixture.device.deferWhere = request -> request.offsetBytes() == 4096;
        client.request(Protocol.CMD_READ, 1, 4096, 100_000);
        client.request(Protocol.CMD_READ, 2, 4096, 10);
        client.request(Protocol.CMD_READ, 3, 0, 10);
        client.expect(3, 0);
        client.receive(10);
        List<RamDevice.Waiting> waiting = takeWaiting(2);
        waiting.get(1).finish(Outcome.DONE);
        client.expect(2, 0);
        expectContents(client, 10);
        waiting.get(0).finish(Outcome.DONE);
        client.expect(1, 0);
        expectContents(client, 100_000);
    }

    @Test
    void everyKindOfRequestMayWaitAndFail() throws Exception {
        fixture.device.deferWhere = request -> true;
        client.request(Protocol.CMD_READ, 1, 0, 10);
        client.write(2, 0, new byte[5000]);
        client.request(Protocol.CMD_FLUSH, 3, 0, 0);
        client.request(Protocol.CMD_TRIM, 4, 0, 5);
        for (RamDevice.Waiting waiting : takeWaiting(4)) {
            waiting.finish(Outcome.IO_ERROR);
        }
        for (int cookie = 1; cookie <= 4; cookie++) {
            client.expect(cookie, Protocol.EIO);
        }
        client.request(Protocol.CMD_CACHE, 5, 0, 5);
        client.request(Protocol.CMD_WRITE_ZEROES, 6, 0, 5);
        for (RamDevice.Waiting waiting : takeWaiting(2)) {
            waiting.finish(Outcome.DONE);
        }
        client.expect(5, 0);
        client.expect(6, 0);
        assertThat(fixture.server.traffic().counts().failedCount()).isEqualTo(4);
    }

    @Test
    void moreRequestsThanMayWaitAreAllAnsweredInTheEnd() throws Exception {
        fixture.device.deferWhere = request -> true;
        int count = 100 * DEFERRED_MAX;
        ByteBuffer all = ByteBuffer.allocate(count * 28);
        for (int i = 0; i < count; i++) {
            all.put(NbdClient.header(0, Protocol.CMD_READ, i, i, 1).flip());
        }
        client.send(all);
        boolean[] answered = new boolean[count];
        for (int i = 0; i < count; i++) {
            takeWaiting(1).getFirst().finish(Outcome.DONE);
            NbdClient.Reply reply = client.readReply();
            client.receive(1);
            assertThat(answered[(int) reply.cookie()]).isFalse();
            answered[(int) reply.cookie()] = true;
        }
        assertThat(answered).doesNotContain(false);
    }

    @Test
    void disconnectWaitsForWhatIsOutstanding() throws Exception {
        fixture.device.deferWhere = request -> true;
        client.request(Protocol.CMD_FLUSH, 1, 0, 0);
        client.request(Protocol.CMD_READ, 2, 0, 3);
        client.request(Protocol.CMD_DISC, 3, 0, 0);
        List<RamDevice.Waiting> waiting = takeWaiting(2);
        waiting.get(1).finish(Outcome.DONE);
        client.expect(2, 0);
        client.receive(3);
        waiting.get(0).finish(Outcome.DONE);
        client.expect(1, 0);
        client.expectClosed();
    }

    @Test
    void aClientThatHangsUpLeavesNothingWaiting() throws Exception {
        fixture.device.deferWhere = request -> true;
        client.request(Protocol.CMD_FLUSH, 1, 0, 0);
        takeWaiting(1);
        client.close();
        fixture.awaitNoClient();
    }

    @Test
    void aClientThatDoesNotReadStallsOnlyItself() throws Exception {
        NbdClient other = fixture.transmitting();
        for (int i = 0; i < 64; i++) {
            client.request(Protocol.CMD_READ, i, 0, 1 << 20); // far more than any socket buffer holds
        }
        fixture.device.deferWhere = request -> request.lengthBytes() == 77;
        for (int i = 0; i < 200; i++) {
            assertThat(other.read(i, i, 1000)).containsOnly(42);
        }
        other.request(Protocol.CMD_READ, 1, 0, 77);
        takeWaiting(1).getFirst().finish(Outcome.DONE);
        other.expect(1, 0);
        other.receive(77);
        for (int i = 0; i < 64; i++) {
            client.expect(i, 0);
            expectContents(client, 1 << 20);
        }
    }

    @Test
    void deferredRepliesOfAClientThatDoesNotReadStallOnlyItself() throws Exception {
        NbdClient other = fixture.transmitting();
        fixture.device.deferWhere = request -> request.lengthBytes() == 8 << 20;
        for (int i = 0; i < DEFERRED_MAX; i++) {
            client.request(Protocol.CMD_READ, i, 0, 8 << 20);
        }
        takeWaiting(DEFERRED_MAX).forEach(waiting -> waiting.finish(Outcome.DONE));
        for (int i = 0; i < 200; i++) {
            assertThat(other.read(i, i, 1000)).containsOnly(42);
        }
        client.request(Protocol.CMD_READ, 99, 0, 5);
        int small = 0;
        for (int i = 0; i < DEFERRED_MAX + 1; i++) {
            NbdClient.Reply reply = client.readReply();
            small += reply.cookie() == 99 ? 1 : 0;
            expectContents(client, reply.cookie() == 99 ? 5 : 8 << 20);
        }
        assertThat(small).isEqualTo(1);
    }

    @Test
    void repliesOfBothThreadsNeverMix() throws Exception {
        fixture.device.deferWhere = request -> request.offsetBytes() % 2 == 1;
        Thread finisher = Thread.ofPlatform().daemon().start(() -> {
            try {
                while (true) {
                    fixture.device.waiting.take().finish(Outcome.DONE);
                }
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        });
        int count = 2000;
        int[] length = new int[count];
        java.util.Random random = new java.util.Random(5);
        for (int i = 0; i < count; i++) {
            length[i] = random.nextInt(200_000);
        }
        Thread sender = Thread.ofPlatform().daemon().start(() -> {
            try {
                for (int i = 0; i < count; i++) {
                    client.request(Protocol.CMD_READ, i, i, length[i]);
                }
            } catch (IOException e) {
                throw new java.io.UncheckedIOException(e);
            }
        });
        for (int i = 0; i < count; i++) {
            NbdClient.Reply reply = client.readReply();
            assertThat(reply.error()).isZero();
            client.receive(length[(int) reply.cookie()]);
        }
        sender.join();
        finisher.interrupt();
        assertThat(client.read(1, 0, 1)).hasSize(1);
    }

    @Test
    void aThrottledWriteStallsOnlyItsOwnClient() throws Exception {
        CountDownLatch gate = new CountDownLatch(1);
        fixture.device.storeGate = gate;
        client.write(1, 0, new byte[5000]);
        NbdClient other = fixture.transmitting();
        assertThat(other.read(1, 0, 10)).hasSize(10);
        gate.countDown();
        client.expect(1, 0);
    }

    // --------------------------------------------------------------------------------------------------- stopping

    @Test
    void aStopLetsOutstandingRequestsFinish() throws Exception {
        fixture.device.deferWhere = request -> true;
        client.request(Protocol.CMD_FLUSH, 1, 0, 0);
        RamDevice.Waiting waiting = takeWaiting(1).getFirst();
        Thread stop = Thread.ofPlatform().start(() -> fixture.server.stop(Duration.ofSeconds(60)));
        while (fixture.directory.resolve("s").toFile().exists()) {
            Thread.onSpinWait(); // the listener is closed first
        }
        waiting.finish(Outcome.DONE);
        client.expect(1, 0);
        client.expectClosed();
        stop.join();
        assertThat(fixture.device.openSessionCount).hasValue(0);
    }

    @Test
    void aStopDoesNotWaitForeverForWhatNeverFinishes() throws Exception {
        fixture.device.deferWhere = request -> true;
        client.request(Protocol.CMD_FLUSH, 1, 0, 0);
        takeWaiting(1);
        NbdClient deaf = fixture.transmitting();
        fixture.device.deferWhere = null;
        for (int i = 0; i < 8; i++) {
            deaf.request(Protocol.CMD_READ, i, 0, 8 << 20);
        }
        NbdClient throttled = fixture.transmitting();
        fixture.device.storeGate = new CountDownLatch(1);
        throttled.write(1, 0, new byte[10]);
        NbdClient gone = fixture.transmitting();
        fixture.device.deferWhere = request -> true;
        gone.request(Protocol.CMD_FLUSH, 1, 0, 0);
        gone.request(Protocol.CMD_DISC, 1, 0, 0);
        takeWaiting(1);
        NbdClient shaking = fixture.connect().greet(3);
        fixture.server.stop(Duration.ofMillis(100));
        fixture.awaitNoClient();
        assertThat(fixture.device.openSessionCount).hasValue(0);
        client.expectClosed();
        throttled.expectClosed();
        gone.expectClosed();
        shaking.expectClosed();
    }

    @Test
    void anIdleServerStopsAtOnceAndTwice() throws IOException {
        fixture.server.stop(Duration.ofDays(1));
        fixture.server.stop(Duration.ofDays(1));
        client.expectClosed();
    }
}
