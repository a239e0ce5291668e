package ramback.fuse;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.util.List;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import ramback.nbd.RamDevice;

/** What the device's requests cost while it is busy: no allocation. */
@Timeout(120)
@Tag("alone")
final class FuseSteadyStateTest {

    private static final int MEASURED_ROUNDS = 1000;
    /** How often the compiler gets another chance to be through before the test fails. */
    private static final int MEASUREMENTS_MAX = 100;

    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    private static final Pattern REQUEST_THREAD = Pattern.compile("fuse-[0-9]+");

    private static long allocatedBytes() {
        return Thread.getAllStackTraces().keySet().stream()
                .filter(thread -> REQUEST_THREAD.matcher(thread.getName()).matches())
                .mapToLong(thread -> THREADS.getThreadAllocatedBytes(thread.threadId()))
                .sum();
    }

    private static void serveRounds(FakeKernel kernel, byte[] payload) throws Exception {
        for (int i = 0; i < MEASURED_ROUNDS; i++) {
            long offsetBytes = i % 200 * 4096L;
            kernel.write(offsetBytes, payload);
            kernel.read(offsetBytes, payload.length);
            kernel.allocate(3, offsetBytes, 100);
            kernel.seek(offsetBytes, FuseProtocol.SEEK_HOLE);
            kernel.call(FuseProtocol.FSYNC, Tree.DISK_NODE, FakeKernel.body(16));
        }
    }

    private static void assertThatNothingIsAllocated(boolean direct) throws Exception {
        RamDevice device = RamDevice.ofSize(1 << 20);
        device.logging = false;
        device.direct = direct;
        try (FakeKernel kernel = new FakeKernel(device, List.of())) {
            byte[] payload = new byte[8192];
            long allocatedBytes = Long.MAX_VALUE;
            for (int i = 0; i < MEASUREMENTS_MAX && allocatedBytes > MEASURED_ROUNDS; i++) {
                long beforeBytes = allocatedBytes();
                serveRounds(kernel, payload);
                allocatedBytes = allocatedBytes() - beforeBytes;
            }
            assertThat(allocatedBytes)
                    .as("bytes for %s requests", 5 * MEASURED_ROUNDS)
                    .isLessThanOrEqualTo(MEASURED_ROUNDS);
        }
    }

    @Test
    void requestsAllocateNothing() throws Exception {
        assertThatNothingIsAllocated(true);
    }

    @Test
    void readsOfCopiedMemoryAllocateNothing() throws Exception {
        assertThatNothingIsAllocated(false);
    }
}
