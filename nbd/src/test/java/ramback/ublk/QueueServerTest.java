package ramback.ublk;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import ramback.device.Outcome;
import ramback.nbd.RamDevice;
import ramback.posix.Errno;
import ramback.traffic.ClientKind;
import ramback.traffic.Traffic;

/** The two threads of a queue, between a driver and a device that a test holds in its hands. */
@Timeout(120)
final class QueueServerTest {

    private static final int DEPTH = 8;

    private final RamDevice device = RamDevice.ofSize(4 << 20);
    private final List<ServedQueue> served = new ArrayList<>();

    private ServedQueue serve() throws Exception {
        ServedQueue queue = new ServedQueue(device, DEPTH, 1);
        served.add(queue);
        return queue;
    }

    @AfterEach
    void nothingIsLeft() throws Exception {
        for (ServedQueue queue : served) {
            queue.group.enter(QueueGroup.Phase.LEAVING);
            queue.join();
        }
        assertThat(device.openSessionCount).hasValue(0);
    }

    private static byte[] bytes(int count, int seed) {
        byte[] bytes = new byte[count];
        new Random(seed).nextBytes(bytes);
        return bytes;
    }

    private byte[] content(long offsetBytes, int count) {
        return device.memory.asSlice(offsetBytes, count).toArray(JAVA_BYTE);
    }

    // ------------------------------------------------------------------------------------------------------- requests

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void whatWasWrittenIsRead(boolean isDirect) throws Exception {
        device.direct = isDirect;
        FakeQueue queue = serve().queue;
        byte[] written = bytes(8192, 1);
        assertThat(queue.submit(FakeQueue.Request.write(4096, written)).await()).isEqualTo(8192);
        assertThat(content(4096, 8192)).isEqualTo(written);
        FakeQueue.Request read = queue.submit(new FakeQueue.Request(Uapi.OP_READ, 4096, 8192));
        assertThat(read.await()).isEqualTo(8192);
        assertThat(read.bytes()).isEqualTo(written);
    }

    /** The staging area is shorter, and a sector is no chunk. */
    @ParameterizedTest
    @CsvSource({"0, 1048576", "512, 1048576", "512, 1047552", "3584, 135168", "1536, 131072", "1536, 512"})
    void longPayloadsComeAndGoInPieces(long offsetBytes, int lengthBytes) throws Exception {
        device.direct = false;
        FakeQueue queue = serve().queue;
        byte[] written = bytes(lengthBytes, 2);
        assertThat(queue.submit(FakeQueue.Request.write(offsetBytes, written)).await())
                .isEqualTo(lengthBytes);
        assertThat(content(offsetBytes, lengthBytes)).isEqualTo(written);
        FakeQueue.Request read = queue.submit(new FakeQueue.Request(Uapi.OP_READ, offsetBytes, lengthBytes));
        assertThat(read.await()).isEqualTo(lengthBytes);
        assertThat(read.bytes()).isEqualTo(written);
    }

    @Test
    void theDeviceSeesWhatIsAsked() throws Exception {
        FakeQueue queue = serve().queue;
        assertThat(queue.submit(new FakeQueue.Request(Uapi.OP_FLUSH, 0, 0)).await())
                .isZero();
        assertThat(queue.submit(new FakeQueue.Request(Uapi.OP_DISCARD, 4096, 1 << 20))
                        .await())
                .isZero();
        assertThat(queue.submit(new FakeQueue.Request(Uapi.OP_WRITE_ZEROES, 512, 1024))
                        .await())
                .isZero();
        assertThat(queue.submit(new FakeQueue.Request(Uapi.OP_WRITE_ZEROES | Uapi.IO_F_NOUNMAP | Uapi.IO_F_FUA, 0, 512))
                        .await())
                .isZero();
        assertThat(queue.submit(new FakeQueue.Request(Uapi.OP_WRITE | Uapi.IO_F_FUA, 0, 512))
                        .await())
                .isEqualTo(512);
        assertThat(device.log)
                .containsExactly(
                        new RamDevice.Seen("flush", 0, 0, false, false),
                        new RamDevice.Seen("trim", 4096, 1 << 20, false, false),
                        new RamDevice.Seen("zero", 512, 1024, true, false),
                        new RamDevice.Seen("zero", 0, 512, false, true),
                        new RamDevice.Seen("write", 0, 512, false, true));
    }

    @ParameterizedTest
    @CsvSource({"IO_ERROR, 5", "NO_SPACE, 28", "READ_ONLY, 1", "INVALID, 22"})
    void whatTheDeviceRefusesFailsWithItsError(Outcome outcome, int errno) throws Exception {
        device.failWith = request -> outcome;
        FakeQueue queue = serve().queue;
        for (int operation : new int[] {Uapi.OP_READ, Uapi.OP_WRITE, Uapi.OP_FLUSH, Uapi.OP_DISCARD}) {
            assertThat(queue.submit(new FakeQueue.Request(operation, 0, 4096)).await())
                    .isEqualTo(-errno);
        }
    }

    @Test
    void whatIsNoOperationOfOursFails() throws Exception {
        FakeQueue queue = serve().queue;
        assertThat(queue.submit(new FakeQueue.Request(13, 0, 4096)).await()).isEqualTo(-Errno.EOPNOTSUPP);
    }

    @Test
    void aPayloadThatIsNotGivenOrTakenFailsItsRequestAlone() throws Exception {
        ServedQueue serving = serve();
        FakeQueue queue = serving.queue;
        queue.payloadError = Errno.EFAULT;
        assertThat(queue.submit(FakeQueue.Request.write(0, bytes(4096, 3))).await())
                .isEqualTo(-Errno.EIO);
        assertThat(queue.submit(new FakeQueue.Request(Uapi.OP_READ, 0, 4096)).await())
                .isEqualTo(-Errno.EIO);
        queue.payloadError = 0;
        assertThat(queue.submit(FakeQueue.Request.write(0, bytes(4096, 4))).await())
                .isEqualTo(4096);
        assertThat(serving.group.isAlive()).isTrue();
    }

    // ------------------------------------------------------------------------------------------------------- together

    @Test
    void whatHasComeTogetherIsGivenBackWithOneCall() throws Exception {
        FakeQueue queue = serve().queue;
        CountDownLatch gate = new CountDownLatch(1);
        device.storeGate = gate;
        FakeQueue.Request first = queue.submit(FakeQueue.Request.write(0, bytes(512, 5)));
        awaitTrue(() -> !device.log.isEmpty()); // it is at the gate
        int awaitsBefore = queue.awaitCount.get();
        List<FakeQueue.Request> others = new ArrayList<>();
        for (int i = 1; i < DEPTH; i++) {
            others.add(queue.submit(new FakeQueue.Request(Uapi.OP_READ, 0, 4096)));
        }
        gate.countDown();
        first.await();
        for (FakeQueue.Request other : others) {
            assertThat(other.await()).isEqualTo(4096);
        }
        assertThat(queue.awaitCount.get() - awaitsBefore).isEqualTo(2);
    }

    @Test
    void requestsThatWaitDoNotHoldUpOthersAndAreGivenBackByTheQueuesThread() throws Exception {
        device.deferWhere = request -> request.offsetBytes() == 0;
        FakeQueue queue = serve().queue;
        FakeQueue.Request write = queue.submit(FakeQueue.Request.write(0, bytes(4096, 6)));
        FakeQueue.Request read = queue.submit(new FakeQueue.Request(Uapi.OP_READ, 0, 4096));
        FakeQueue.Request flush = queue.submit(new FakeQueue.Request(Uapi.OP_FLUSH, 0, 0));
        assertThat(queue.submit(new FakeQueue.Request(Uapi.OP_READ, 8192, 512)).await())
                .isEqualTo(512);
        assertThat(write.result).isNotDone();
        waiting().finish(Outcome.DONE);
        assertThat(write.await()).isEqualTo(4096);
        assertThat(read.result).isNotDone();
        waiting().finish(Outcome.DONE);
        assertThat(read.await()).isEqualTo(4096);
        assertThat(read.bytes()).isEqualTo(bytes(4096, 6));
        waiting().finish(Outcome.IO_ERROR);
        assertThat(flush.await()).isEqualTo(-Errno.EIO);
    }

    private RamDevice.Waiting waiting() throws InterruptedException {
        RamDevice.Waiting next = device.waiting.poll(60, TimeUnit.SECONDS);
        assertThat(next).as("a request that waits").isNotNull();
        return next;
    }

    private interface Condition {
        boolean holds();
    }

    private static void awaitTrue(Condition condition) {
        while (!condition.holds()) {
            Thread.onSpinWait();
        }
    }

    // ------------------------------------------------------------------------------------------------------- ends

    @Test
    void stoppingWaitsForWhatIsInFlight() throws Exception {
        ServedQueue serving = serve();
        device.deferWhere = request -> true;
        FakeQueue.Request flush = serving.queue.submit(new FakeQueue.Request(Uapi.OP_FLUSH, 0, 0));
        RamDevice.Waiting waiting = waiting();
        serving.group.enter(QueueGroup.Phase.STOPPING);
        waiting.finish(Outcome.DONE);
        assertThat(flush.await()).isZero();
        serving.queue.end();
        serving.join();
        assertThat(serving.queue.isClosed).isTrue();
        assertThat(serving.group.isAlive()).isFalse();
        assertThat(serving.group.failure()).isNull();
    }

    @Test
    void failingEndsWhatIsInFlightAndWhatComes() throws Exception {
        ServedQueue serving = serve();
        device.deferWhere = request -> true;
        FakeQueue.Request flush = serving.queue.submit(new FakeQueue.Request(Uapi.OP_FLUSH, 0, 0));
        FakeQueue.Request read = serving.queue.submit(new FakeQueue.Request(Uapi.OP_READ, 0, 512));
        RamDevice.Waiting late = waiting();
        serving.group.enter(QueueGroup.Phase.FAILING);
        assertThat(flush.await()).isEqualTo(-Errno.EIO);
        assertThat(read.await()).isEqualTo(-Errno.EIO);
        late.finish(Outcome.DONE);
        assertThat(serving.queue
                        .submit(new FakeQueue.Request(Uapi.OP_READ, 0, 512))
                        .await())
                .isEqualTo(-Errno.EIO);
    }

    @Test
    void leavingGivesNothingBack() throws Exception {
        ServedQueue serving = serve();
        device.deferWhere = request -> request.kind().equals("flush");
        CountDownLatch gate = new CountDownLatch(1);
        FakeQueue.Request flush = serving.queue.submit(new FakeQueue.Request(Uapi.OP_FLUSH, 0, 0));
        waiting();
        int committedBefore = serving.queue.committedCount.get();
        device.storeGate = gate; // a write that the device throttles: closing the session frees it
        FakeQueue.Request write = serving.queue.submit(FakeQueue.Request.write(0, bytes(4096, 7)));
        awaitTrue(() -> device.log.size() == 2);
        FakeQueue.Request read = serving.queue.submit(new FakeQueue.Request(Uapi.OP_READ, 0, 512));
        serving.group.enter(QueueGroup.Phase.LEAVING);
        serving.join();
        assertThat(serving.queue.committedCount).hasValue(committedBefore);
        assertThat(List.of(flush, write, read))
                .allSatisfy(request -> assertThat(request.result).isNotDone());
        assertThat(serving.queue.isClosed).isTrue();
        gate.countDown();
    }

    @Test
    void whatAStoppingDeviceRefusesIsKeptForARecoveryUnlessTheBlockDeviceStops() throws Exception {
        ServedQueue serving = serve();
        device.failWith = request -> Outcome.SHUTTING_DOWN;
        FakeQueue.Request write = serving.queue.submit(FakeQueue.Request.write(0, bytes(512, 8)));
        FakeQueue.Request flush = serving.queue.submit(new FakeQueue.Request(Uapi.OP_FLUSH, 0, 0));
        assertThatThrownBy(() -> flush.result.get(10, TimeUnit.MILLISECONDS)).isInstanceOf(TimeoutException.class);
        assertThat(write.result).isNotDone();
        serving.group.enter(QueueGroup.Phase.STOPPING);
        assertThat(write.await()).isEqualTo(-Errno.EIO);
        assertThat(flush.await()).isEqualTo(-Errno.EIO);
        assertThat(serving.queue
                        .submit(new FakeQueue.Request(Uapi.OP_FLUSH, 0, 0))
                        .await())
                .isEqualTo(-Errno.EIO);
    }

    @Test
    void anInternalErrorLeavesTheBlockDeviceToARecovery() throws Exception {
        ServedQueue serving = new ServedQueue(device, DEPTH, 2);
        served.add(serving);
        device.failWith = request -> {
            throw new IllegalStateException("a test's");
        };
        FakeQueue.Request flush = serving.queue.submit(new FakeQueue.Request(Uapi.OP_FLUSH, 0, 0));
        serving.join(); // the other queue as well
        assertThat(flush.result).isNotDone();
        assertThat(serving.group.failure()).hasMessage("a test's");
        assertThat(serving.group.isAlive()).isFalse();
    }

    @Test
    void anInternalErrorWhileTheBlockDeviceIsMadeFailsItsRequests() throws Exception {
        ServedQueue serving = ServedQueue.starting(device, DEPTH);
        served.add(serving);
        device.failWith = request -> {
            throw new IllegalStateException("a test's");
        };
        for (int i = 0; i < 2; i++) {
            assertThat(serving.queue
                            .submit(new FakeQueue.Request(Uapi.OP_READ, 0, 4096))
                            .await())
                    .isEqualTo(-Errno.EIO);
        }
        assertThat(serving.group.failure()).hasMessage("a test's");
    }

    @Test
    void tagsThatCannotBeFetchedAreAFailure() throws Exception {
        FakeQueue queue = new FakeQueue(DEPTH);
        queue.fetchError = Errno.EINVAL;
        ServedQueue serving = ServedQueue.starting(device, queue);
        served.add(serving);
        serving.group.awaitFetched();
        assertThat(serving.group.failure()).hasMessageContaining("FETCH_REQ").hasMessageContaining("EINVAL");
    }

    @Test
    void whatWasNeverStartedIsGivenBack() throws Exception {
        FakeQueue queue = new FakeQueue(DEPTH);
        QueueServer server = new QueueServer(
                "q",
                queue,
                device.openSession(),
                new QueueGroup(1),
                new Traffic().join(ClientKind.UBLK, 1).getFirst());
        server.discard();
        assertThat(queue.isClosed).isTrue();
    }

    @Test
    void aSessionOfAnotherSizeServesAsWell() throws Exception {
        RamDevice large = new RamDevice("large", Arena.ofAuto().allocate(4 << 20), 1 << 20, false, 4, 4);
        ServedQueue serving = new ServedQueue(large, DEPTH, 1);
        byte[] written = bytes(1 << 20, 9);
        assertThat(serving.queue.submit(FakeQueue.Request.write(512, written)).await())
                .isEqualTo(1 << 20);
        assertThat(large.memory.asSlice(512, 1 << 20).toArray(JAVA_BYTE)).isEqualTo(written);
        serving.group.enter(QueueGroup.Phase.LEAVING);
        serving.join();
        assertThat(large.openSessionCount).hasValue(0);
    }
}
