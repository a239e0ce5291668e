package ramback.fuse;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Random;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import ramback.device.Outcome;
import ramback.nbd.RamDevice;
import ramback.posix.PosixException;

/**
 * Random requests against a byte array: every read returns the right bytes, for all chunk sizes, with requests that
 * wait and come back in any order, from direct and copied memory, up to the device's end and beyond.
 */
@Timeout(120)
final class RandomRequestsTest {

    private static final int SIZE = (3 << 20) + 17;
    private static final int REQUESTS = 1500;
    private static final int IN_FLIGHT_MAX = 8;
    private static final int LENGTH_BYTES_MAX = 128 << 10;

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
            device.deferWhere = _ -> choice.nextBoolean();
            finisher.start();
        }
        try (FakeKernel kernel = new FakeKernel(device, List.of())) {
            drive(kernel, new byte[SIZE], new Random(seed));
        } finally {
            finisher.interrupt();
        }
    }

    private static void finishInAnyOrder(RamDevice device, long seed) {
        Random random = new Random(seed);
        Queue<RamDevice.Waiting> kept = new ArrayDeque<>();
        try {
            while (true) {
                kept.add(device.waiting.take());
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

    /** Changes are made one at a time, so that the model is exact; reads are in flight together. */
    private static void drive(FakeKernel kernel, byte[] model, Random random) throws PosixException {
        Map<Long, byte[]> expected = new HashMap<>();
        for (int i = 0; i < REQUESTS; i++) {
            int lengthBytes = 1 + random.nextInt(random.nextInt(8) == 0 ? LENGTH_BYTES_MAX : 20_000);
            int offset = random.nextInt(SIZE + 100);
            boolean reads = random.nextInt(5) < 2;
            if (!reads || expected.size() >= IN_FLIGHT_MAX) {
                settle(kernel, expected);
            }
            int insideBytes = Math.max(0, Math.min(lengthBytes, SIZE - offset));
            if (reads) {
                byte[] bytes = Arrays.copyOfRange(model, Math.min(offset, SIZE), Math.min(offset, SIZE) + insideBytes);
                expected.put(kernel.sendRead(Tree.DISK_NODE, 0, offset, lengthBytes), bytes);
            } else {
                change(kernel, model, random, offset, lengthBytes, insideBytes);
            }
        }
        settle(kernel, expected);
    }

    private static void change(
            FakeKernel kernel, byte[] model, Random random, int offset, int lengthBytes, int insideBytes)
            throws PosixException {
        if (random.nextInt(3) == 0) {
            assertThat(kernel.allocate(3, offset, lengthBytes).error()).isZero();
            if (insideBytes > 0) {
                Arrays.fill(model, offset, offset + insideBytes, (byte) 0);
            }
            return;
        }
        byte[] payload = new byte[lengthBytes];
        random.nextBytes(payload);
        FakeKernel.Reply reply = kernel.write(offset, payload);
        if (insideBytes == 0) {
            assertThat(reply.error()).isNotZero();
            return;
        }
        assertThat(reply.body().getInt(0)).isEqualTo(insideBytes);
        System.arraycopy(payload, 0, model, offset, insideBytes);
    }

    private static void settle(FakeKernel kernel, Map<Long, byte[]> expected) throws PosixException {
        for (Map.Entry<Long, byte[]> one : expected.entrySet()) {
            FakeKernel.Reply reply = kernel.await(one.getKey());
            assertThat(reply.error()).isZero();
            assertThat(reply.body().remaining()).isEqualTo(one.getValue().length);
            assertThat(Arrays.equals(reply.bytes(), one.getValue())).isTrue();
        }
        expected.clear();
    }
}
