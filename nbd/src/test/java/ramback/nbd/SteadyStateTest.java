package ramback.nbd;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import ramback.device.Extent;
import ramback.device.Outcome;
import ramback.protocol.Protocol;

/** What a connection costs while it is busy: no allocation, whatever it serves. */
@Timeout(120)
@Tag("alone")
final class SteadyStateTest {

    private static final int BATCH = 16;
    private static final int MEASURED_ROUNDS = 1000;
    /** How often the compiler gets another chance to be through before the test fails. */
    private static final int MEASUREMENTS_MAX = 100;

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

    /** Bytes that the request thread allocates for these rounds, once everything is compiled. */
    private static long allocatedBytes(NbdClient client, ByteBuffer batch, int replyBytes, long limitBytes)
            throws IOException {
        ByteBuffer replies = ByteBuffer.allocateDirect(replyBytes);
        long allocatedBytes = Long.MAX_VALUE;
        for (int i = 0; i < MEASUREMENTS_MAX && allocatedBytes > limitBytes; i++) {
            long beforeBytes = allocatedBytes("nbd");
            serveRounds(client, batch, replies, MEASURED_ROUNDS);
            allocatedBytes = allocatedBytes("nbd") - beforeBytes;
        }
        return allocatedBytes;
    }

    @Test
    void shortRequestsAllocateNothing() throws Exception {
        try (ServerFixture fixture = ServerFixture.ofSize(1 << 20)) {
            fixture.device.logging = false;
            NbdClient client = fixture.transmitting();
            int payloadBytes = 4096;
            ByteBuffer batch = ByteBuffer.allocateDirect(BATCH * (28 * 3 + payloadBytes));
            for (int i = 0; i < BATCH; i++) {
                batch.put(NbdClient.header(0, Protocol.CMD_READ, i, i * 4096L, payloadBytes)
                        .flip());
                batch.put(NbdClient.header(0, Protocol.CMD_WRITE, i, i * 4096L, payloadBytes)
                        .flip());
                batch.put(new byte[payloadBytes]);
                batch.put(NbdClient.header(0, Protocol.CMD_WRITE_ZEROES, i, i, 100)
                        .flip());
            }
            assertThat(allocatedBytes(client, batch, BATCH * (16 * 3 + payloadBytes), MEASURED_ROUNDS))
                    .as("bytes for %s requests", MEASURED_ROUNDS * 3 * BATCH)
                    .isLessThanOrEqualTo(MEASURED_ROUNDS);
        }
    }

    @Test
    void structuredReadsAndBlockStatusAllocateNothing() throws Exception {
        try (ServerFixture fixture = ServerFixture.ofSize(1 << 20)) {
            fixture.device.logging = false;
            fixture.device.chunkStates = new int[256];
            for (int chunk = 0; chunk < 256; chunk += 2) {
                fixture.device.chunkStates[chunk] = Extent.ZERO;
            }
            NbdClient client = fixture.connect().greet(3).agree(Protocol.OPT_STRUCTURED_REPLY);
            client.option(Protocol.OPT_SET_META_CONTEXT, NbdClient.metaData("disk", "base:allocation"));
            client.go("disk");
            ByteBuffer batch = ByteBuffer.allocateDirect(BATCH * 28 * 3);
            for (int i = 0; i < BATCH; i++) {
                // a chunk of data, a chunk of data and a hole, and two extents
                batch.put(NbdClient.header(0, Protocol.CMD_READ, i, 4096, 4096).flip());
                batch.put(NbdClient.header(0, Protocol.CMD_READ, i, 4096, 8192).flip());
                batch.put(NbdClient.header(0, Protocol.CMD_BLOCK_STATUS, i, 0, 8192)
                        .flip());
            }
            int replyBytes = BATCH * (2 * (28 + 4096) + 32 + 24 + 16);
            assertThat(allocatedBytes(client, batch, replyBytes, MEASURED_ROUNDS))
                    .isLessThanOrEqualTo(MEASURED_ROUNDS);
        }
    }

    /** The JDK's gathering write makes an object or two for each buffer of a memory segment. */
    @Test
    void aLongReadAllocatesNoMoreThanTheJdksGatheringWrite() throws Exception {
        try (ServerFixture fixture = ServerFixture.ofSize(1 << 20)) {
            fixture.device.logging = false;
            NbdClient client = fixture.transmitting();
            int payloadBytes = Replies.COPIED_BYTES_MAX + 1;
            ByteBuffer batch = ByteBuffer.allocateDirect(28)
                    .put(NbdClient.header(0, Protocol.CMD_READ, 1, 0, payloadBytes)
                            .flip());
            assertThat(allocatedBytes(client, batch, 16 + payloadBytes, 100L * MEASURED_ROUNDS))
                    .isLessThanOrEqualTo(100L * MEASURED_ROUNDS);
        }
    }

    @Test
    void deferredRequestsTakeTheirSlotsFromAPool() throws Exception {
        DeferredSlots slots = new DeferredSlots(3);
        long beforeBytes = THREADS.getCurrentThreadAllocatedBytes();
        for (int round = 0; round < 10_000; round++) {
            int first = slots.open();
            slots.fill(Protocol.CMD_READ, round, round, round, false, round, null);
            slots.defer();
            int second = slots.open();
            slots.fill(Protocol.CMD_FLUSH, -round, 0, 0, false, -round, null);
            slots.defer();
            slots.release(first);
            slots.release(second);
            slots.answered(2);
        }
        slots.awaitAnswered();
        assertThat(THREADS.getCurrentThreadAllocatedBytes() - beforeBytes).isLessThan(10_000);
        assertThat(Replies.errorOf(Outcome.DONE)).isZero();
    }
}
