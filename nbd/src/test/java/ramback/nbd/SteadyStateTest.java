package ramback.nbd;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import ramback.device.Outcome;

/** What a connection costs while it is busy: no allocation, whatever it serves. */
@Timeout(120)
final class SteadyStateTest {

    private static final int BATCH = 16;
    private static final int WARM_ROUNDS = 300;
    private static final int MEASURED_ROUNDS = 1000;

    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    private static long allocatedBytes(String threadPrefix) {
        return Thread.getAllStackTraces().keySet().stream()
                .filter(thread -> thread.getName().matches(threadPrefix + "-[0-9]+"))
                .mapToLong(thread -> THREADS.getThreadAllocatedBytes(thread.threadId()))
                .sum();
    }

    private static void serveRounds(NbdClient client, ByteBuffer batch, ByteBuffer replies, int rounds)
            throws IOException {
        for (int round = 0; round < rounds; round++) {
            batch.clear();
            while (batch.hasRemaining()) {
                client.channel.write(batch);
            }
            replies.clear();
            while (replies.hasRemaining()) {
                client.channel.read(replies);
            }
        }
    }

    @Test
    void theRequestThreadAllocatesNothing() throws Exception {
        try (ServerFixture fixture = ServerFixture.ofSize(1 << 20)) {
            fixture.device.logging = false;
            NbdClient client = fixture.transmitting();
            int payloadBytes = 4096;
            int bigBytes = 100_000;
            ByteBuffer batch = ByteBuffer.allocateDirect(BATCH * (28 * 3 + payloadBytes) + 28);
            for (int i = 0; i < BATCH; i++) {
                batch.put(NbdClient.header(0, Protocol.CMD_READ, i, i * 4096L, payloadBytes).flip());
                batch.put(NbdClient.header(0, Protocol.CMD_WRITE, i, i * 4096L, payloadBytes).flip());
                batch.put(new byte[payloadBytes]);
                batch.put(NbdClient.header(0, Protocol.CMD_WRITE_ZEROES, i, i, 100).flip());
            }
            batch.put(NbdClient.header(0, Protocol.CMD_READ, BATCH, 0, bigBytes).flip());
            ByteBuffer replies = ByteBuffer.allocateDirect(BATCH * (16 * 3 + payloadBytes) + 16 + bigBytes);
            serveRounds(client, batch, replies, WARM_ROUNDS);
            long beforeBytes = allocatedBytes("nbd");
            serveRounds(client, batch, replies, MEASURED_ROUNDS);
            long allocated = allocatedBytes("nbd") - beforeBytes;
            // Compilation of the loop itself may still cost a few hundred bytes; a byte a request would be 49,000.
            assertThat(allocated).isLessThan(MEASURED_ROUNDS * (BATCH * 3L + 1) / 2);
        }
    }

    @Test
    void deferredRequestsTakeTheirSlotsFromAPool() throws Exception {
        DeferredSlots slots = new DeferredSlots(3);
        long beforeBytes = THREADS.getCurrentThreadAllocatedBytes();
        for (int round = 0; round < 10_000; round++) {
            int first = slots.open();
            slots.fill(Protocol.CMD_READ, round, round, round);
            slots.defer();
            int second = slots.open();
            slots.fill(Protocol.CMD_FLUSH, -round, 0, 0);
            slots.defer();
            slots.release(first);
            slots.release(second);
            slots.answered(2);
        }
        slots.awaitAnswered();
        assertThat(THREADS.getCurrentThreadAllocatedBytes() - beforeBytes).isLessThan(10_000);
        assertThat(Protocol.errorOf(Outcome.DONE)).isZero();
    }
}
