package ramback.ublk;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import ramback.device.Outcome;
import ramback.nbd.RamDevice;

/** Any mixture of requests, on two queues, some of which wait and finish in any order: each comes back once, and bytes are right. */
final class RandomTrafficTest {

    private static final int SIZE_BYTES = 1 << 20;
    private static final int REQUEST_COUNT = 300;

    /** A request in flight, and the bytes that must come of it. */
    private static final class InFlight {
        final FakeQueue.Request request;
        final byte[] expected;

        InFlight(FakeQueue.Request request, byte[] expected) {
            this.request = request;
            this.expected = expected;
        }

        boolean overlaps(long offsetBytes, long lengthBytes) {
            return offsetBytes < request.offsetBytes + request.lengthBytes
                    && request.offsetBytes < offsetBytes + lengthBytes;
        }
    }

    private final byte[] model = new byte[SIZE_BYTES];
    private final List<InFlight> inFlight = new ArrayList<>();

    @Property(tries = 40)
    void everyRequestComesBackOnceAndBytesAreRight(@ForAll long seed) throws Exception {
        Arrays.fill(model, (byte) 0);
        inFlight.clear();
        Random random = new Random(seed);
        RamDevice device = RamDevice.ofSize(SIZE_BYTES);
        device.direct = random.nextBoolean();
        device.deferWhere = request -> (request.offsetBytes() ^ request.lengthBytes()) % 3 != 0;
        ServedQueue served = new ServedQueue(device, 1 << random.nextInt(6), 2);
        Thread finisher = finisher(device, new Random(seed));
        for (int i = 0; i < REQUEST_COUNT; i++) {
            next(served.queues.get(random.nextInt(2)), random);
        }
        collect(0, SIZE_BYTES);
        assertThat(inFlight).isEmpty();
        assertThat(Arrays.equals(device.memory.toArray(JAVA_BYTE), model)).isTrue();
        served.group.enter(QueueGroup.Phase.STOPPING);
        for (FakeQueue queue : served.queues) {
            queue.end();
        }
        served.joinQueue();
        served.join();
        finisher.interrupt();
        finisher.join();
        assertThat(served.group.failure()).isNull();
        assertThat(device.openSessionCount).hasValue(0);
    }

    private void next(FakeQueue queue, Random random) throws Exception {
        long lengthBytes = 512L * (1 + random.nextInt(random.nextInt(10) == 0 ? 600 : 16));
        long offsetBytes = 512L * random.nextInt((int) ((SIZE_BYTES - lengthBytes) / 512) + 1);
        collect(offsetBytes, lengthBytes);
        int at = (int) offsetBytes;
        int behind = (int) (offsetBytes + lengthBytes);
        switch (random.nextInt(5)) {
            case 0, 1 -> {
                byte[] bytes = new byte[(int) lengthBytes];
                random.nextBytes(bytes);
                System.arraycopy(bytes, 0, model, at, bytes.length);
                submit(queue, FakeQueue.Request.write(offsetBytes, bytes), bytes);
            }
            case 2 -> {
                Arrays.fill(model, at, behind, (byte) 0);
                submit(queue, new FakeQueue.Request(Uapi.OP_WRITE_ZEROES, offsetBytes, lengthBytes), new byte[0]);
            }
            case 3 -> submit(queue, new FakeQueue.Request(Uapi.OP_FLUSH, 0, 0), new byte[0]);
            default -> {
                byte[] expected = Arrays.copyOfRange(model, at, behind);
                submit(queue, new FakeQueue.Request(Uapi.OP_READ, offsetBytes, lengthBytes), expected);
            }
        }
    }

    private void submit(FakeQueue queue, FakeQueue.Request request, byte[] expected) throws Exception {
        inFlight.add(new InFlight(queue.submit(request), expected));
    }

    /** Waits for those that a range overlaps: the order of such requests is theirs who send them. */
    private void collect(long offsetBytes, long lengthBytes) throws Exception {
        for (Iterator<InFlight> each = inFlight.iterator(); each.hasNext(); ) {
            InFlight next = each.next();
            boolean hasRange = next.request.lengthBytes > 0;
            if (lengthBytes == SIZE_BYTES || (hasRange && next.overlaps(offsetBytes, lengthBytes))) {
                int result = next.request.await();
                assertThat(result).isEqualTo(next.expected.length);
                if (next.request.operation == Uapi.OP_READ) {
                    assertThat(Arrays.equals(next.request.bytes(), next.expected))
                            .isTrue();
                }
                each.remove();
            }
        }
    }

    /** Finishes what waits, what has waited for some time or what came last. */
    private static Thread finisher(RamDevice device, Random random) {
        return Thread.ofPlatform().daemon().start(() -> {
            List<RamDevice.Waiting> held = new ArrayList<>();
            try {
                while (true) {
                    held.add(device.waiting.take());
                    device.waiting.drainTo(held);
                    while (!held.isEmpty()) {
                        held.remove(random.nextInt(held.size())).finish(Outcome.DONE);
                    }
                }
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        });
    }
}
