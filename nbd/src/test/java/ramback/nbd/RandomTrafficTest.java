package ramback.nbd;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Queue;
import java.util.Random;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import ramback.device.Outcome;
import ramback.protocol.Protocol;

/**
 * Random pipelined traffic against a byte array: every reply carries the right bytes, for all chunk sizes, with requests
 * that wait and come back in any order, from direct and copied memory.
 */
@Timeout(120)
final class RandomTrafficTest {

    private static final int SIZE = (3 << 20) + 17;
    private static final int REQUESTS = 1500;
    private static final int IN_FLIGHT_MAX = 12;

    @ParameterizedTest
    @CsvSource({
        "1,4096,true,false",
        "2,4096,false,true",
        "3,65536,true,true",
        "4,1048576,true,false",
        "5,1048576,false,true"
    })
    void everyReadReturnsWhatWasWritten(long seed, int chunkBytes, boolean direct, boolean deferring) throws Exception {
        RamDevice device = new RamDevice("disk", Arena.ofAuto().allocate(SIZE), chunkBytes, false, 4, 8);
        device.logging = false;
        device.direct = direct;
        Thread finisher = Thread.ofPlatform().daemon().unstarted(() -> finishInAnyOrder(device, seed));
        if (deferring) {
            Random choice = new Random(seed);
            device.deferWhere = request -> request.kind().equals("read") && choice.nextBoolean();
            finisher.start();
        }
        try (ServerFixture fixture = new ServerFixture(device, ServerLimits.DEFAULT)) {
            drive(fixture.transmitting(), new byte[SIZE], new Random(seed));
        } finally {
            finisher.interrupt();
        }
    }

    private static void finishInAnyOrder(RamDevice device, long seed) {
        Random random = new Random(seed);
        Queue<RamDevice.Waiting> kept = new ArrayDeque<>();
        try {
            while (true) {
                RamDevice.Waiting next = device.waiting.take();
                kept.add(next);
                while (!kept.isEmpty() && (kept.size() > 5 || device.waiting.isEmpty() || random.nextBoolean())) {
                    if (random.nextBoolean()) {
                        kept.add(kept.remove());
                    }
                    kept.remove().finish(Outcome.DONE);
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Keeps requests in flight whose ranges do not touch an unanswered write's, so that the model is exact. */
    private static void drive(NbdClient client, byte[] model, Random random) throws IOException {
        Map<Long, MemorySegment> expected = new HashMap<>();
        for (long cookie = 0; cookie < REQUESTS; cookie++) {
            int lengthBytes = random.nextInt(random.nextInt(8) == 0 ? 1 << 20 : 20_000);
            int offset = random.nextInt(SIZE - lengthBytes);
            int command = new int[] {0, 0, 1, 1, 6}[random.nextInt(5)];
            if (command != Protocol.CMD_READ) {
                settle(client, expected);
            }
            expected.put(cookie, send(client, model, random, cookie, command, offset, lengthBytes));
            if (command != Protocol.CMD_READ || expected.size() >= IN_FLIGHT_MAX) {
                settle(client, expected);
            }
        }
        settle(client, expected);
    }

    private static MemorySegment send(
            NbdClient client, byte[] model, Random random, long cookie, int command, int offset, int lengthBytes)
            throws IOException {
        switch (command) {
            case Protocol.CMD_READ -> {
                client.request(command, cookie, offset, lengthBytes);
                return MemorySegment.ofArray(Arrays.copyOfRange(model, offset, offset + lengthBytes));
            }
            case Protocol.CMD_WRITE -> {
                byte[] payload = new byte[lengthBytes];
                random.nextBytes(payload);
                System.arraycopy(payload, 0, model, offset, lengthBytes);
                client.write(cookie, offset, payload);
            }
            default -> {
                Arrays.fill(model, offset, offset + lengthBytes, (byte) 0);
                client.request(command, cookie, offset, lengthBytes);
            }
        }
        return MemorySegment.ofArray(new byte[0]);
    }

    private static void settle(NbdClient client, Map<Long, MemorySegment> expected) throws IOException {
        while (!expected.isEmpty()) {
            NbdClient.Reply reply = client.readReply();
            assertThat(reply.error()).isZero();
            MemorySegment one = expected.remove(reply.cookie());
            assertThat(one).as("cookie %s", reply.cookie()).isNotNull();
            ByteBuffer contents = client.receive((int) one.byteSize());
            assertThat(MemorySegment.ofBuffer(contents).mismatch(one)).isEqualTo(-1);
        }
    }
}
