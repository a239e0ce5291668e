package ramback.writeback;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import ramback.backing.BackingIoException.Operation;
import ramback.backing.MemoryBacking;
import ramback.backing.MemoryBacking.Call;
import ramback.clock.ManualClock;
import ramback.device.Outcome;
import ramback.posix.Errno;

/** Loading, and the races of applications with it. The disk stands still where a test wants it to. */
class PopulationTest {
    private static final int CHUNK = 4096;

    private static byte[] random(int length) {
        byte[] bytes = new byte[length];
        new Random(length).nextBytes(bytes);
        return bytes;
    }

    private static byte[] filled(int length, int value) {
        byte[] bytes = new byte[length];
        Arrays.fill(bytes, (byte) value);
        return bytes;
    }

    private static boolean isRead(Call call) {
        return call.operation() == Operation.READ;
    }

    private static boolean covers(Call call, long offset) {
        return call.offsetBytes() <= offset && offset < call.offsetBytes() + call.lengthBytes();
    }

    @Test
    void aLoaderNeverOverwritesWhatWasWrittenWhileItRead() {
        byte[] image = random(64 * CHUNK);
        MemoryBacking backing = MemoryBacking.holding(image);
        Gate gate = new Gate(PopulationTest::isRead);
        try (DeviceRig rig = DeviceRig.over(backing).with(gate).start()) {
            RigClient client = rig.connect();
            gate.awaitArrived(1);
            // The whole device is being read now. A whole chunk needs no load and waits for none.
            byte[] written = filled(2 * CHUNK, 7);
            assertThat(client.startWrite(5 * CHUNK, written, false)).isCompletedWithValue(Outcome.DONE);
            assertThat(client.startTrim(9 * CHUNK, CHUNK, false)).isCompletedWithValue(Outcome.DONE);
            gate.open();
            rig.awaitLoaded();
            System.arraycopy(written, 0, image, 5 * CHUNK, written.length);
            Arrays.fill(image, 9 * CHUNK, 10 * CHUNK, (byte) 0);
            assertThat(client.read(0, image.length)).isEqualTo(image);
            rig.stopCleanly();
            assertThat(backing.durableContent()).isEqualTo(image);
        }
    }

    @Test
    void whatWasWrittenAndCarriedToTheImageWhileItWasReadSurvives() {
        byte[] image = random(64 * CHUNK);
        MemoryBacking backing = MemoryBacking.holding(image);
        Gate gate = new Gate(PopulationTest::isRead);
        try (DeviceRig rig = DeviceRig.over(backing).with(gate).start()) {
            RigClient client = rig.connect();
            gate.awaitArrived(1);
            byte[] written = filled(CHUNK, 7);
            client.write(5 * CHUNK, written);
            assertThat(client.flush()).isEqualTo(Outcome.DONE);
            byte[] newer = filled(CHUNK, 8);
            client.write(5 * CHUNK, newer);
            gate.open();
            rig.awaitLoaded();
            assertThat(client.read(5 * CHUNK, CHUNK)).isEqualTo(newer);
            rig.stopCleanly();
            System.arraycopy(newer, 0, image, 5 * CHUNK, CHUNK);
            assertThat(backing.durableContent()).isEqualTo(image);
        }
    }

    @Test
    void aPartialWriteWaitsForItsChunkAndNothingBehindItWaitsWithIt() {
        byte[] image = random(64 * CHUNK);
        MemoryBacking backing = MemoryBacking.holding(image);
        Gate gate = new Gate(PopulationTest::isRead);
        try (DeviceRig rig = DeviceRig.over(backing).with(gate).start()) {
            RigClient client = rig.connect();
            gate.awaitArrived(1);
            byte[] part = filled(3 * CHUNK + 100, 9);
            CompletableFuture<Outcome> partial = client.startWrite(2 * CHUNK + 50, part, false);
            assertThat(partial).isNotDone();
            assertThat(client.startWrite(20 * CHUNK, filled(CHUNK, 1), false)).isCompletedWithValue(Outcome.DONE);
            assertThat(client.startRead(20 * CHUNK, CHUNK)).isCompletedWithValue(Outcome.DONE);
            // The chunks that the waiting request covers entirely are there already.
            assertThat(client.startRead(3 * CHUNK, 2 * CHUNK)).isCompletedWithValue(Outcome.DONE);
            assertThat(partial).isNotDone();
            gate.open();
            assertThat(RigClient.await(partial)).isEqualTo(Outcome.DONE);
            System.arraycopy(part, 0, image, 2 * CHUNK + 50, part.length);
            Arrays.fill(image, 20 * CHUNK, 21 * CHUNK, (byte) 1);
            assertThat(client.read(0, image.length)).isEqualTo(image);
        }
    }

    @Test
    void demandGoesAheadOfTheBackground() {
        byte[] image = random(64 << 20);
        MemoryBacking backing = MemoryBacking.holding(image);
        Gate gate = new Gate(PopulationTest::isRead);
        try (DeviceRig rig = DeviceRig.over(backing).with(gate).start()) {
            RigClient client = rig.connect();
            gate.awaitArrived(Population.LOADER_COUNT);
            CompletableFuture<Outcome> one = client.startRead(40 << 20, CHUNK);
            CompletableFuture<Outcome> other = client.startRead(50 << 20, CHUNK);
            // As many as there are demands: loaders race from choosing to the gate, so more choices than that could
            // come
            // there in another order than they were made.
            gate.letThrough(2);
            // Whichever loaders are free first: they read what is waited for.
            List<Call> next = gate.awaitArrived(Population.LOADER_COUNT + 2)
                    .subList(Population.LOADER_COUNT, Population.LOADER_COUNT + 2);
            assertThat(next).anyMatch(call -> covers(call, 40 << 20)).anyMatch(call -> covers(call, 50 << 20));
            gate.open();
            assertThat(RigClient.await(one)).isEqualTo(Outcome.DONE);
            assertThat(RigClient.await(other)).isEqualTo(Outcome.DONE);
        }
    }

    @Test
    void sessionsAreServedInTurn() {
        byte[] image = random(64 << 20);
        MemoryBacking backing = MemoryBacking.holding(image);
        Gate gate = new Gate(PopulationTest::isRead);
        try (DeviceRig rig = DeviceRig.over(backing).with(gate).start()) {
            RigClient greedy = rig.connect();
            RigClient modest = rig.connect();
            gate.awaitArrived(Population.LOADER_COUNT);
            for (int i = 0; i < 100; i++) {
                greedy.startRead((20L << 20) + i * (256L << 10), CHUNK);
            }
            CompletableFuture<Outcome> one = modest.startRead(60 << 20, CHUNK);
            // Each call let through is one choice more, and each choice one call: the next four are the first four
            // choices.
            gate.letThrough(Population.LOADER_COUNT);
            // Its turn comes after one demand of the greedy one, not after a hundred; loaders race to the gate.
            List<Call> next = gate.awaitArrived(2 * Population.LOADER_COUNT)
                    .subList(Population.LOADER_COUNT, 2 * Population.LOADER_COUNT);
            assertThat(next).anyMatch(call -> covers(call, 60 << 20));
            gate.open();
            assertThat(RigClient.await(one)).isEqualTo(Outcome.DONE);
        }
    }

    @Test
    void aFailedLoadFailsOnlyTheRequestsThatNeedIt() {
        byte[] image = random(8 << 20);
        MemoryBacking backing = MemoryBacking.holding(image);
        long bad = (3 << 20) + 5 * CHUNK;
        AtomicBoolean broken = new AtomicBoolean(true);
        backing.failWhile(call -> isRead(call) && covers(call, bad) && broken.get(), Errno.EIO);
        try (DeviceRig rig = DeviceRig.over(backing).start()) {
            RigClient client = rig.connect();
            assertThat(RigClient.await(client.startRead(bad, CHUNK))).isEqualTo(Outcome.IO_ERROR);
            assertThat(RigClient.await(client.startRead(bad - CHUNK, 3 * CHUNK)))
                    .isEqualTo(Outcome.IO_ERROR);
            assertThat(RigClient.await(client.startWrite(bad + 10, filled(10, 1), false)))
                    .isEqualTo(Outcome.IO_ERROR);
            assertThat(client.read(bad - CHUNK, CHUNK))
                    .isEqualTo(Arrays.copyOfRange(image, (int) bad - CHUNK, (int) bad));
            assertThat(client.read(bad + CHUNK, CHUNK))
                    .isEqualTo(Arrays.copyOfRange(image, (int) bad + CHUNK, (int) bad + 2 * CHUNK));
            DeviceRig.awaitTrue("all but one chunk is loaded", () -> rig.store.loadedChunkCount() == 2047);
            assertThat(rig.faults.isFailing()).isTrue();
            assertThat(rig.population.isComplete()).isFalse();
            // What can be read again is loaded again, when it is asked for and by itself.
            broken.set(false);
            assertThat(client.read(bad, CHUNK)).isEqualTo(Arrays.copyOfRange(image, (int) bad, (int) bad + CHUNK));
            rig.awaitLoaded();
            assertThat(rig.faults.isFailing()).isFalse();
            rig.stopCleanly();
            assertThat(backing.durableContent()).isEqualTo(image);
        }
    }

    @Test
    void whatCouldNotBeReadIsTriedAgainByItself() {
        byte[] image = random(1 << 20);
        MemoryBacking backing = MemoryBacking.holding(image);
        AtomicBoolean broken = new AtomicBoolean(true);
        backing.failWhile(call -> isRead(call) && broken.get(), Errno.EIO);
        try (DeviceRig rig = DeviceRig.over(backing).start()) {
            DeviceRig.awaitTrue("every chunk was tried", () -> rig.faults.count() > 256);
            broken.set(false);
            rig.awaitLoaded();
            assertThat(rig.connect().read(0, image.length)).isEqualTo(image);
        }
    }

    @Test
    void aWholeWriteHealsAChunkThatCannotBeRead() {
        byte[] image = random(16 * CHUNK);
        MemoryBacking backing = MemoryBacking.holding(image);
        backing.failWhile(call -> isRead(call) && covers(call, 3 * CHUNK), Errno.EIO);
        try (DeviceRig rig = DeviceRig.over(backing).start()) {
            RigClient client = rig.connect();
            DeviceRig.awaitTrue("the others are loaded", () -> rig.store.loadedChunkCount() == 15);
            DeviceRig.awaitTrue("the pass has failed", () -> rig.population.failedPassCount() > 0);
            assertThat(client.write(3 * CHUNK, filled(CHUNK, 4))).isEqualTo(Outcome.DONE);
            assertThat(client.read(3 * CHUNK, CHUNK)).isEqualTo(filled(CHUNK, 4));
            rig.awaitLoaded();
        }
    }

    @Test
    void holesAreNotRead() {
        MemoryBacking backing = new MemoryBacking(64 << 20);
        try (DeviceRig rig = DeviceRig.over(backing).chunkBytes(64 << 10).start()) {
            rig.awaitLoaded();
            assertThat(backing.calls(Operation.READ)).isEmpty();
            assertThat(rig.connect().read(1000, 100_000)).isEqualTo(new byte[100_000]);
        }
    }

    @Test
    void aDiskThatCannotSayWhereItsHolesAreIsReadAsAWhole() {
        byte[] image = random((1 << 20) + 37);
        MemoryBacking backing = MemoryBacking.holding(image);
        backing.failWhile(call -> call.operation() == Operation.SEEK, Errno.EIO);
        try (DeviceRig rig = DeviceRig.over(backing).start()) {
            rig.awaitLoaded();
            assertThat(rig.connect().read(0, image.length)).isEqualTo(image);
        }
    }

    @Test
    void noRangeIsReadByTwoLoadersAtOnce() {
        byte[] image = random(32 << 20);
        MemoryBacking backing = MemoryBacking.holding(image);
        try (DeviceRig rig = DeviceRig.over(backing).start()) {
            RigClient client = rig.connect();
            Random random = new Random(1);
            for (int i = 0; i < 50; i++) {
                client.startRead((long) random.nextInt(31 << 20), 1 << 20);
            }
            rig.awaitLoaded();
            assertThat(client.read(0, image.length)).isEqualTo(image);
            long readBytes = backing.calls(Operation.READ).stream()
                    .mapToLong(Call::lengthBytes)
                    .sum();
            // A range that was claimed for its first chunk may hold some that were there already, but not many.
            assertThat(readBytes).isLessThan(2L * image.length);
        }
    }

    @Test
    void aFailureOfTheProgramInOneReadDoesNotEndLoading() {
        byte[] image = random(16 << 20);
        MemoryBacking backing = MemoryBacking.holding(image);
        AtomicBoolean thrown = new AtomicBoolean();
        backing.before(call -> {
            if (isRead(call) && thrown.compareAndSet(false, true)) {
                throw new IllegalStateException("a bug, planted by the test");
            }
        });
        try (DeviceRig rig = DeviceRig.over(backing).start()) {
            rig.awaitLoaded();
            assertThat(rig.connect().read(0, image.length)).isEqualTo(image);
        }
    }

    @Test
    void aDeadDiskIsNotAskedForEachChunkInTurn() {
        MemoryBacking backing = MemoryBacking.holding(random(64 << 20));
        backing.failWhile(PopulationTest::isRead, Errno.EIO);
        ManualClock clock = new ManualClock();
        try (DeviceRig rig = DeviceRig.over(backing).clock(clock).start()) {
            DeviceRig.awaitTrue("it rests", () -> rig.population.failedPassCount() == 1);
            // Who was reading when the rest began ends its range.
            int ranges = Population.FAILED_RANGE_COUNT_MAX + Population.LOADER_COUNT - 1;
            int most = ranges * (1 + Courtesy.RANGE_BYTES_MAX / CHUNK);
            assertThat(backing.callCount(Operation.READ)).isLessThanOrEqualTo(most);
            RigClient client = rig.connect();
            assertThat(RigClient.await(client.startRead(5 * CHUNK, CHUNK))).isEqualTo(Outcome.IO_ERROR);
            assertThat(rig.faults.failing()).contains("EIO");
            backing.heal();
            // No second has passed: the disk is found cured because somebody asks.
            assertThat(RigClient.await(client.startRead(5 * CHUNK, CHUNK))).isEqualTo(Outcome.DONE);
            // What failed before that is read in the next pass.
            DeviceRig.awaitTrue("all is loaded", () -> {
                clock.pass(1_000_000_000L);
                return rig.population.isComplete();
            });
            assertThat(rig.faults.failing()).isNull();
        }
    }

    @Test
    void aRequestIsNotKeptWaitingForTheFailuresOfItsNeighbours() {
        MemoryBacking backing = MemoryBacking.holding(random(64 * CHUNK));
        backing.failWhile(PopulationTest::isRead, Errno.EIO);
        ManualClock clock = new ManualClock();
        try (DeviceRig rig = DeviceRig.over(backing).clock(clock).start()) {
            DeviceRig.awaitTrue("the pass is over", () -> rig.population.failedPassCount() == 1);
            int before = backing.callCount(Operation.READ);
            RigClient client = rig.connect();
            assertThat(RigClient.await(client.startRead(16 * CHUNK, 2 * CHUNK))).isEqualTo(Outcome.IO_ERROR);
            // Its block at once, then its two chunks.
            assertThat(backing.callCount(Operation.READ) - before).isEqualTo(3);
        }
    }

    @Test
    void whatEndsBeginsNothingMoreAndLetsAHangingLoadHang() {
        MemoryBacking backing = MemoryBacking.holding(random(64 << 20));
        Gate gate = new Gate(PopulationTest::isRead);
        try (DeviceRig rig = DeviceRig.over(backing).with(gate).start()) {
            gate.awaitArrived(1);
            RigClient client = rig.connect();
            byte[] written = filled(CHUNK, 3);
            assertThat(client.write(0, written)).isEqualTo(Outcome.DONE);
            rig.population.end();
            // What is in RAM gets to the image all the same.
            assertThat(drained(rig)).isTrue();
            assertThat(Arrays.copyOf(backing.durableContent(), CHUNK)).isEqualTo(written);
            gate.open();
        }
        assertThat(backing.callCount(Operation.READ)).isLessThanOrEqualTo(Population.LOADER_COUNT);
    }

    private static boolean drained(DeviceRig rig) {
        try {
            return rig.writeBehind.drain();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }
}
