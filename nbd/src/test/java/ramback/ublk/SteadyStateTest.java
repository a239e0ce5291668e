package ramback.ublk;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import ramback.nbd.RamDevice;

/** What a queue costs while it is busy: no allocation but that of the driver's stand-in. */
@Timeout(120)
@Tag("alone")
final class SteadyStateTest {

    private static final int DEPTH = 16;
    private static final int MEASURED_ROUNDS = 1000;
    private static final int MEASUREMENTS_MAX = 100;

    /** The stand-in's queues make a node for each event and each free tag, and a result for each request. */
    private static final int STAND_IN_BYTES = 120;

    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    private static long allocatedBytes() {
        return Thread.getAllStackTraces().keySet().stream()
                .filter(thread -> thread.getName().equals("ublk-0-0"))
                .mapToLong(thread -> THREADS.getThreadAllocatedBytes(thread.threadId()))
                .sum();
    }

    @Test
    void requestsAllocateNothing() throws Exception {
        RamDevice device = RamDevice.ofSize(1 << 20);
        device.logging = false;
        ServedQueue served = new ServedQueue(device, DEPTH, 1);
        long perRequest = Long.MAX_VALUE;
        for (int i = 0; i < MEASUREMENTS_MAX && perRequest > STAND_IN_BYTES; i++) {
            long beforeBytes = allocatedBytes();
            for (int round = 0; round < MEASURED_ROUNDS; round++) {
                serveRound(served.queue);
            }
            perRequest = (allocatedBytes() - beforeBytes) / ((long) MEASURED_ROUNDS * DEPTH);
        }
        assertThat(perRequest).as("bytes a request").isLessThanOrEqualTo(STAND_IN_BYTES);
        served.group.enter(QueueGroup.Phase.LEAVING);
        served.join();
    }

    private static void serveRound(FakeQueue queue) throws Exception {
        List<FakeQueue.Request> requests = new ArrayList<>();
        for (int i = 0; i < DEPTH; i++) {
            int operation = i % 2 == 0 ? Uapi.OP_READ : Uapi.OP_WRITE;
            requests.add(queue.submit(new FakeQueue.Request(operation, i * 4096L, 4096)));
        }
        for (FakeQueue.Request request : requests) {
            request.await();
        }
    }
}
