package ramback.backing;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.groups.Tuple.tuple;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import ramback.backing.BackingIoException.Operation;
import ramback.posix.Errno;

/** What the test disk does for a test, beyond the contract. */
class MemoryBackingTest {
    private static final int BLOCK = MemoryBacking.BLOCK_BYTES;

    private final MemoryBacking disk = new MemoryBacking(4 * BLOCK);

    @Test
    void onlyWhatWasSyncedSurvivesLosingPower() throws IOException {
        write(0, 1);
        disk.sync();
        write(1, 2);
        assertThat(disk.durableContent()[0]).isEqualTo((byte) 1);
        assertThat(disk.durableContent()[1]).isZero();
        disk.losePower();
        assertThat(disk.content()[0]).isEqualTo((byte) 1);
        assertThat(disk.content()[1]).isZero();
    }

    @Test
    void theNthCallFailsOnceAndChangesNothing() throws IOException {
        disk.failCall(Operation.WRITE, 2, Errno.EIO);
        write(0, 1);
        assertThatExceptionOfType(BackingIoException.class)
                .isThrownBy(() -> write(0, 2))
                .satisfies(e -> assertThat(e.errno()).isEqualTo(Errno.EIO));
        assertThat(disk.content()[0]).isEqualTo((byte) 1);
        write(0, 3);
        assertThat(disk.content()[0]).isEqualTo((byte) 3);
        assertThat(disk.calls(Operation.WRITE)).hasSize(2);
        assertThat(disk.callCount(Operation.WRITE)).isEqualTo(3);
    }

    @Test
    void aFailedSyncMakesNothingDurable() throws IOException {
        disk.failWhile(call -> call.operation() == Operation.SYNC, Errno.ENOSPC);
        write(0, 1);
        assertThatExceptionOfType(BackingIoException.class).isThrownBy(disk::sync);
        assertThat(disk.durableContent()[0]).isZero();
        disk.heal();
        disk.sync();
        assertThat(disk.durableContent()[0]).isEqualTo((byte) 1);
    }

    @Test
    void callsAreRememberedInTheOrderOfTheirEffect() throws Exception {
        CountDownLatch held = new CountDownLatch(1);
        CountDownLatch go = new CountDownLatch(1);
        disk.before(call -> {
            if (call.offsetBytes() == 7) {
                held.countDown();
                try {
                    go.await();
                } catch (InterruptedException e) {
                    throw new IOException(e);
                }
            }
        });
        AtomicReference<IOException> failure = new AtomicReference<>();
        Thread slow = Thread.ofPlatform().start(() -> {
            try {
                write(7, 1);
            } catch (IOException e) {
                failure.set(e);
            }
        });
        held.await();
        write(8, 2);
        disk.sync();
        assertThat(disk.durableContent()[7])
                .as("the held write has had no effect")
                .isZero();
        go.countDown();
        slow.join();
        assertThat(failure).hasNullValue();
        assertThat(disk.calls())
                .extracting(MemoryBacking.Call::operation, MemoryBacking.Call::offsetBytes)
                .containsExactly(tuple(Operation.WRITE, 8L), tuple(Operation.SYNC, 0L), tuple(Operation.WRITE, 7L));
    }

    @Test
    void aNewDiskIsOneHoleAndZeroingMakesHolesOfWholeBlocks() throws IOException {
        assertThat(disk.nextDataOffset(0)).isEqualTo(4 * BLOCK);
        write(BLOCK + 5, 1);
        assertThat(disk.nextDataOffset(0)).isEqualTo(BLOCK);
        assertThat(disk.nextHoleOffset(BLOCK)).isEqualTo(2 * BLOCK);
        disk.zero(BLOCK + 1, BLOCK);
        assertThat(disk.nextDataOffset(0)).as("not a whole block").isEqualTo(BLOCK);
        disk.zero(BLOCK, BLOCK);
        assertThat(disk.nextDataOffset(0)).isEqualTo(4 * BLOCK);
        assertThat(MemoryBacking.holding(new byte[BLOCK + 1]).nextHoleOffset(0)).isEqualTo(BLOCK + 1);
    }

    private void write(long offsetBytes, int value) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment memory = arena.allocate(1);
            memory.set(JAVA_BYTE, 0, (byte) value);
            disk.write(offsetBytes, memory);
        }
    }
}
