package ramback.memory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.util.Objects;
import java.util.concurrent.CyclicBarrier;
import org.junit.jupiter.api.Test;
import ramback.posix.Posix;
import ramback.posix.PosixException;

class GranulesTest {
    private static final long GRANULE = SegmentLayout.GRANULE_BYTES;

    private static long allocatedBytes(SharedSegment segment) throws IOException {
        int fd = Posix.open(segment.path(), Posix.O_RDONLY, 0);
        try {
            return Posix.status(fd).allocatedBytes();
        } finally {
            Posix.close(fd);
        }
    }

    private static void giveBack(Granules granules, long granule) throws PosixException {
        granules.lockTaking();
        try {
            granules.giveBack(granule);
        } finally {
            granules.unlockTaking();
        }
    }

    @Test
    void memoryIsGivenBackOnlyWhileNobodyTakesIt() {
        try (TemporarySegment temporary = new TemporarySegment(GRANULE, 4096, 1, true)) {
            Granules granules = Objects.requireNonNull(temporary.segment().granules());
            assertThatThrownBy(() -> granules.giveBack(0)).isInstanceOf(IllegalStateException.class);
        }
    }

    @Test
    void memoryIsTakenByTheGranuleAndGivenBack() throws IOException {
        try (TemporarySegment temporary = new TemporarySegment(5 * GRANULE + 100, 4096, 1, true)) {
            SharedSegment segment = temporary.segment();
            Granules granules = Objects.requireNonNull(segment.granules());
            long before = allocatedBytes(segment);
            assertThat(granules.holds(0, 1)).isFalse();
            assertThat(granules.take(GRANULE - 1, 2)).isTrue();
            assertThat(granules.holds(0, 2 * GRANULE)).isTrue();
            assertThat(granules.holds(0, 2 * GRANULE + 1)).isFalse();
            assertThat(allocatedBytes(segment) - before).isEqualTo(2 * GRANULE);
            // The last one is as short as the device.
            assertThat(granules.take(5 * GRANULE, 1)).isTrue();
            assertThat(allocatedBytes(segment) - before).isEqualTo(2 * GRANULE + 4096);
            segment.data().set(ValueLayout.JAVA_BYTE, 5 * GRANULE + 4095, (byte) 1);
            for (long granule : new long[] {0, 1, 5}) {
                giveBack(granules, granule);
                assertThat(granules.holds(granule * GRANULE, 1)).isFalse();
            }
            assertThat(allocatedBytes(segment)).isEqualTo(before);
        }
    }

    /** Whoever sees the bit may touch the memory, so memory that is punched away must not have it. */
    @Test
    void memoryThatIsTakenWhileItIsGivenBackIsThere() throws Exception {
        try (TemporarySegment temporary = new TemporarySegment(GRANULE, 4096, 1, true)) {
            SharedSegment segment = temporary.segment();
            Granules granules = Objects.requireNonNull(segment.granules());
            long before = allocatedBytes(segment);
            for (int i = 0; i < 300; i++) {
                granules.take(0, GRANULE);
                CyclicBarrier together = new CyclicBarrier(2);
                Thread giver = Thread.ofPlatform().start(() -> {
                    try {
                        together.await();
                        giveBack(granules, 0);
                    } catch (Exception e) {
                        throw new AssertionError(e);
                    }
                });
                together.await();
                while (granules.holds(0, 1) && giver.isAlive()) {
                    Thread.onSpinWait();
                }
                granules.take(0, GRANULE);
                giver.join();
                if (granules.holds(0, 1)) {
                    assertThat(allocatedBytes(segment) - before)
                            .as("round %d", i)
                            .isEqualTo(GRANULE);
                }
                giveBack(granules, 0);
            }
        }
    }
}
