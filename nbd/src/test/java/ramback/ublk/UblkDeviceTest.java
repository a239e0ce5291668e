package ramback.ublk;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assumptions.assumeThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import ramback.device.Outcome;
import ramback.nbd.RamDevice;
import ramback.posix.Posix;
import ramback.traffic.ClientKind;
import ramback.traffic.SessionTraffic;
import ramback.traffic.Traffic;

/** What is said where there is no driver. Where there is one, section 83 of verify tries the rest. */
@Timeout(60)
final class UblkDeviceTest {

    private static void assumeThatThereIsNoDriver() {
        assumeThat(Files.exists(Path.of("/dev/ublk-control"))).isFalse();
    }

    @Test
    void withoutTheDriverItSaysHowToGetIt() {
        assumeThatThereIsNoDriver();
        assertThat(UblkDevice.unavailable())
                .hasValueSatisfying(reason -> assertThat(reason)
                        .contains("/dev/ublk-control")
                        .contains("modprobe ublk_drv")
                        .doesNotContain("\n"));
    }

    @Test
    void withoutTheDriverNothingIsMadeFoundOrLeftOpen() throws Exception {
        assumeThatThereIsNoDriver();
        RamDevice device = RamDevice.ofSize(1 << 20);
        assertThatThrownBy(() -> UblkDevice.create(device, "test", 1, new Traffic()))
                .isInstanceOf(UblkException.class)
                .hasMessageContaining("/dev/ublk-control");
        assertThatThrownBy(() -> UblkDevice.recover(device, "test", 0, new Traffic()))
                .isInstanceOf(UblkException.class);
        assertThatThrownBy(() -> UblkDevice.remove("test", 0)).isInstanceOf(UblkException.class);
        assertThat(UblkDevice.find("disk")).isEmpty();
        assertThat(device.openSessionCount).hasValue(0);
    }

    @Test
    void aDeviceOfLessThanASectorIsRefused() {
        assertThatThrownBy(() -> UblkDevice.create(RamDevice.ofSize(511), "test", 1, new Traffic()))
                .isInstanceOf(UblkException.class)
                .hasMessage("device disk has 511 bytes; a block device needs a sector of 512 at least");
    }

    /** The queues of a device with drivers that a test holds in its hands, none of whose threads has been started. */
    private static final class Made {
        final RamDevice ram = RamDevice.ofSize(1 << 20);
        final List<FakeQueue> queues = List.of(new FakeQueue(4), new FakeQueue(4));
        final Traffic traffic = new Traffic();
        final FakeControl driver = new FakeControl();
        final UblkDevice device;

        Made(Consumer<Thread> starter) throws Exception {
            QueueGroup group = new QueueGroup(queues.size());
            List<QueueServer> servers = new ArrayList<>();
            List<SessionTraffic> counted = traffic.join(ClientKind.UBLK, queues.size());
            for (int i = 0; i < queues.size(); i++) {
                servers.add(new QueueServer("queue", queues.get(i), ram.openSession(), group, counted.get(i)));
            }
            group.set(servers);
            UblkDevices devices =
                    new UblkDevices(driver::open, Path.of("/dev"), Path.of("/proc"), Duration.ZERO, Duration.ZERO);
            device = new UblkDevice(
                    devices, 0, Posix.open(Path.of("/dev/null"), Posix.O_RDWR, 0), group, servers, starter);
        }

        void assertNothingIsLeft() {
            device.leave();
            assertThat(ram.openSessionCount).hasValue(0);
            assertThat(queues).allMatch(queue -> queue.isClosed);
            assertThat(traffic.counts().clientCount()).isZero();
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 2, 3})
    void aThreadThatCannotBeStartedHoldsUpNoOther(int startedCountMax) throws Exception {
        int[] startedCount = {0};
        Made made = new Made(thread -> {
            if (startedCount[0]++ == startedCountMax) {
                throw new OutOfMemoryError("unable to create native thread");
            }
            thread.start();
        });
        assertThatThrownBy(() -> made.device.begin((_, _) -> true, QueueGroup.Phase.STARTING))
                .isInstanceOf(OutOfMemoryError.class);
        made.assertNothingIsLeft();
    }

    /** A recovery lets requests go on before the command that ends it has returned. */
    @Test
    void whatComesWhileARecoveryEndsIsKeptWhereItCannotBeServed() throws Exception {
        Made made = new Made(Thread::start);
        made.ram.failWith = _ -> Outcome.SHUTTING_DOWN;
        FakeQueue.Request write = FakeQueue.Request.write(0, new byte[512]);
        FakeQueue.Request read = new FakeQueue.Request(Uapi.OP_READ, 0, 512);
        made.device.begin(
                (_, _) -> {
                    submit(made.queues.getFirst(), write);
                    submit(made.queues.getLast(), read);
                    return true;
                },
                QueueGroup.Phase.SERVING);
        made.queues.getFirst().awaitServed();
        made.queues.getLast().awaitServed();
        made.assertNothingIsLeft();
        assertThat(write.result).isNotDone();
        assertThat(read.result).isNotDone();
    }

    /** Or making it would wait for the partition table for ever. */
    @Test
    void whatComesWhileABlockDeviceIsMadeFailsWhereItCannotBeServed() throws Exception {
        Made made = new Made(Thread::start);
        made.ram.failWith = _ -> Outcome.SHUTTING_DOWN;
        FakeQueue.Request read = new FakeQueue.Request(Uapi.OP_READ, 0, 512);
        made.device.begin(
                (_, _) -> {
                    submit(made.queues.getFirst(), read);
                    return await(read) < 0;
                },
                QueueGroup.Phase.STARTING);
        made.assertNothingIsLeft();
    }

    /** The driver waits for what is in flight, and nobody answers that any more: it comes back with the queues' end. */
    @Test
    void aBlockDeviceWhoseQueueHasFailedIsStoppedAllTheSame() throws Exception {
        Made made = new Made(Thread::start);
        made.driver.has(0, DeviceInfo.LIVE, 1, 0, new Parameters(1 << 20, 1 << 12, false));
        made.driver.isStopped = () -> made.queues.stream().allMatch(queue -> queue.isClosed);
        made.device.begin((_, _) -> true, QueueGroup.Phase.STARTING);
        made.ram.failWith = _ -> {
            throw new IllegalStateException("as the test wants it");
        };
        submit(made.queues.getFirst(), new FakeQueue.Request(Uapi.OP_FLUSH, 0, 0));
        while (made.device.isAlive()) {
            Thread.onSpinWait();
        }
        made.device.close();
        made.assertNothingIsLeft();
        assertThat(made.driver.infos).isEmpty();
    }

    /** As before, at a moment when the driver waits already. */
    @Test
    void aBlockDeviceWhoseQueueFailsWhileItStopsIsStoppedAllTheSame() throws Exception {
        Made made = new Made(Thread::start);
        made.driver.has(0, DeviceInfo.LIVE, 1, 0, new Parameters(1 << 20, 1 << 12, false));
        made.device.begin((_, _) -> true, QueueGroup.Phase.STARTING);
        made.ram.failWith = _ -> {
            throw new IllegalStateException("as the test wants it");
        };
        AtomicBoolean isFailing = new AtomicBoolean();
        made.driver.isStopped = () -> {
            if (!isFailing.getAndSet(true)) {
                submit(made.queues.getFirst(), new FakeQueue.Request(Uapi.OP_FLUSH, 0, 0));
            }
            return made.queues.stream().allMatch(queue -> queue.isClosed);
        };
        made.device.close();
        made.assertNothingIsLeft();
    }

    private static void submit(FakeQueue queue, FakeQueue.Request request) {
        try {
            queue.submit(request);
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    private static int await(FakeQueue.Request request) {
        try {
            return request.await();
        } catch (Exception e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void theBlockDeviceOfAnIdIsInDev() {
        assertThat(UblkDevice.pathOf(3)).isEqualTo(Path.of("/dev/ublkb3"));
    }
}
