package ramback.writeback;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import ramback.backing.BackingIoException.Operation;
import ramback.backing.MemoryBacking;
import ramback.device.Outcome;
import ramback.posix.Errno;
import ramback.writeback.Verifier.Difference;
import ramback.writeback.Verifier.Repair;

/** What differs between RAM and image is found, and nothing else is, however busy the device; and either side can be made right. */
class VerifierTest {

    private static final int CHUNK = 4096;
    private static final int MIB = 1 << 20;
    private static final long FAST = Long.MAX_VALUE;

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

    /** Changes the image underneath, as somebody else would. */
    private static void put(MemoryBacking backing, long offset, byte... bytes) {
        try (Arena arena = Arena.ofConfined()) {
            backing.write(offset, arena.allocateFrom(ValueLayout.JAVA_BYTE, bytes));
            backing.sync();
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private static void assertNothingDiffers(Verifier.Outcome outcome, long comparedBytes) {
        assertThat(outcome.differences()).isEmpty();
        assertThat(outcome.differingBytes()).isZero();
        assertThat(outcome.comparedBytes()).isEqualTo(comparedBytes);
        assertThat(outcome.isStopped()).isFalse();
    }

    @ParameterizedTest
    @CsvSource({"4096,false", "65536,true", "1048576,false", "4096,true"})
    void whatDiffersIsFoundAndNothingElse(int chunkBytes, boolean sparse) {
        byte[] image = random(5 * MIB + 777);
        Arrays.fill(image, MIB, 2 * MIB, (byte) 0);
        MemoryBacking backing = MemoryBacking.holding(image);
        try (DeviceRig rig =
                DeviceRig.over(backing).chunkBytes(chunkBytes).sparse(sparse).start()) {
            rig.awaitLoaded();
            rig.connect().trim(MIB, MIB);
            rig.connect().flush();
            rig.awaitClean();
            assertNothingDiffers(rig.verifier.run(Repair.NONE, FAST), image.length);
            put(backing, 3 * MIB + 5, (byte) ~image[3 * MIB + 5]);
            put(backing, MIB + 100, (byte) 1);
            put(backing, image.length - 1, (byte) ~image[image.length - 1]);
            Verifier.Outcome outcome = rig.verifier.run(Repair.NONE, FAST);
            long lastChunk = image.length / chunkBytes * chunkBytes;
            assertThat(outcome.differences())
                    .containsExactly(
                            new Difference(MIB, chunkBytes),
                            new Difference(3 * MIB, chunkBytes),
                            new Difference(lastChunk, image.length - lastChunk));
            assertThat(outcome.repairedBytes()).isZero();
            assertThat(rig.dirty.chunkCount()).isZero();
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void ramIsRight(boolean journalled) {
        byte[] image = random(3 * MIB);
        MemoryBacking backing = MemoryBacking.holding(image);
        MemoryLog log = new MemoryLog(CHUNK, 4L << 20);
        DeviceRig.Plan plan = DeviceRig.over(backing);
        try (DeviceRig rig = (journalled ? plan.journal(log, 64 * CHUNK) : plan).start()) {
            rig.awaitLoaded();
            RigClient client = rig.connect();
            client.trim(2 * MIB, 2 * CHUNK);
            client.flush();
            rig.awaitClean();
            Arrays.fill(image, 2 * MIB, 2 * MIB + 2 * CHUNK, (byte) 0);
            put(backing, MIB, filled(2 * CHUNK, 9));
            put(backing, 2 * MIB + CHUNK, (byte) 9);
            Verifier.Outcome outcome = rig.verifier.run(Repair.RAM, FAST);
            assertThat(outcome.differences())
                    .containsExactly(new Difference(MIB, 2 * CHUNK), new Difference(2 * MIB + CHUNK, CHUNK));
            assertThat(outcome.repairedBytes()).isEqualTo(3 * CHUNK);
            assertThat(client.read(0, image.length)).isEqualTo(image);
            client.flush();
            rig.awaitClean();
            assertThat(backing.durableContent()).isEqualTo(image);
            assertNothingDiffers(rig.verifier.run(Repair.RAM, FAST), image.length);
            rig.stopCleanly();
        }
    }

    @ParameterizedTest
    @CsvSource({"false,false", "true,false", "false,true"})
    void theImageIsRight(boolean journalled, boolean sparse) {
        byte[] image = random(3 * MIB + 100);
        MemoryBacking backing = MemoryBacking.holding(image);
        MemoryLog log = new MemoryLog(CHUNK, 4L << 20);
        DeviceRig.Plan plan = DeviceRig.over(backing).sparse(sparse);
        try (DeviceRig rig = (journalled ? plan.journal(log, 64 * CHUNK) : plan).start()) {
            rig.awaitLoaded();
            RigClient client = rig.connect();
            client.trim(2 * MIB, 2 * CHUNK);
            client.flush();
            rig.awaitClean();
            Arrays.fill(image, 2 * MIB, 2 * MIB + 2 * CHUNK, (byte) 0);
            put(backing, MIB, filled(2 * CHUNK, 9));
            put(backing, 2 * MIB + CHUNK + 7, (byte) 9);
            put(backing, 3 * MIB + 99, (byte) 5);
            Arrays.fill(image, MIB, MIB + 2 * CHUNK, (byte) 9);
            image[2 * MIB + CHUNK + 7] = 9;
            image[3 * MIB + 99] = 5;
            Verifier.Outcome outcome = rig.verifier.run(Repair.IMAGE, FAST);
            assertThat(outcome.repairedBytes()).isEqualTo(3 * CHUNK + 100);
            assertThat(client.read(0, image.length)).isEqualTo(image);
            // Carried as any write: through epochs, and the journal if there is one.
            assertThat(rig.dirty.chunkCount() + rig.writeBehind.savedChunkCount())
                    .isPositive();
            client.flush();
            rig.awaitClean();
            assertThat(backing.durableContent()).isEqualTo(image);
            rig.stopCleanly();
        }
    }

    @Test
    void aHoleWhereDataWasIsADifferenceToo() throws IOException {
        byte[] image = random(3 * MIB);
        MemoryBacking backing = MemoryBacking.holding(image);
        try (DeviceRig rig = DeviceRig.over(backing).start()) {
            rig.awaitLoaded();
            backing.zero(MIB, MIB);
            assertThat(rig.verifier.run(Repair.NONE, FAST).differences()).containsExactly(new Difference(MIB, MIB));
            assertThat(rig.verifier.run(Repair.IMAGE, FAST).repairedBytes()).isEqualTo(MIB);
            assertThat(rig.connect().read(MIB, MIB)).isEqualTo(new byte[MIB]);
        }
    }

    @Test
    void aSnapshotThatIsBeingTakenKeepsWhatRamHeld() {
        byte[] image = random(2 * MIB);
        MemoryBacking backing = MemoryBacking.holding(image);
        try (DeviceRig rig = DeviceRig.over(backing).start()) {
            rig.awaitLoaded();
            AtomicBoolean isAsked = new AtomicBoolean();
            ramback.image.SnapshotHook hook = new ramback.image.SnapshotHook() {
                @Override
                public boolean preserve(long word, long mask) {
                    isAsked.set(true);
                    return true;
                }

                @Override
                public void awaitRoom() {
                    throw new AssertionError("there is room");
                }
            };
            rig.store.snapshotCut().begin(hook, new ramback.clock.Backoff());
            put(backing, 5, (byte) ~image[5]);
            rig.verifier.run(Repair.RAM, FAST);
            assertThat(isAsked).as("RAM does not change").isFalse();
            rig.connect().flush();
            rig.awaitClean();
            put(backing, 5, (byte) ~image[5]);
            rig.verifier.run(Repair.IMAGE, FAST);
            assertThat(isAsked).isTrue();
            rig.store.snapshotCut().end(hook, new ramback.clock.Backoff());
        }
    }

    @Test
    void whatIsNotLoadedOrDirtyIsLeftOut() {
        byte[] image = random(4 * MIB);
        MemoryBacking backing = MemoryBacking.holding(image);
        try (DeviceRig rig = DeviceRig.over(backing)
                .loading(false)
                .lagNanos(DeviceRig.LAG_NEVER)
                .start()) {
            RigClient client = rig.connect();
            client.write(MIB, filled(MIB, 1));
            client.flush();
            client.write(MIB + CHUNK, filled(CHUNK, 2));
            client.write(3 * MIB, filled(CHUNK, 3));
            Verifier.Outcome outcome = rig.verifier.run(Repair.RAM, FAST);
            assertNothingDiffers(outcome, MIB - CHUNK);
            assertThat(outcome.busyBytes()).isEqualTo(2 * CHUNK);
            assertThat(outcome.unloadedBytes()).isEqualTo(3 * MIB - CHUNK);
        }
    }

    @Test
    void whatCannotBeReadIsSaid() {
        byte[] image = random(4 * MIB);
        MemoryBacking backing = MemoryBacking.holding(image);
        try (DeviceRig rig = DeviceRig.over(backing).start()) {
            rig.awaitLoaded();
            backing.failWhile(call -> call.operation() == Operation.READ && call.offsetBytes() == 2 * MIB, Errno.EIO);
            Verifier.Outcome outcome = rig.verifier.run(Repair.NONE, FAST);
            assertNothingDiffers(outcome, 3 * MIB);
            assertThat(outcome.unreadableBytes()).isEqualTo(MIB);
            assertThat(outcome.lastError()).contains("EIO");
        }
    }

    @Test
    void nothingDiffersWhileClientsWriteAndTheImageIsWritten() throws Exception {
        byte[] image = random(6 * MIB);
        for (boolean journalled : new boolean[] {false, true}) {
            MemoryBacking backing = MemoryBacking.holding(image);
            DeviceRig.Plan plan = DeviceRig.over(backing).lagNanos(1);
            MemoryLog log = new MemoryLog(CHUNK, 4L << 20);
            try (DeviceRig rig = (journalled ? plan.journal(log, 64 * CHUNK) : plan).start()) {
                AtomicBoolean isOver = new AtomicBoolean();
                RigClient client = rig.connect();
                CompletableFuture<Void> writer = CompletableFuture.runAsync(
                        () -> {
                            Random random = new Random(7);
                            while (!isOver.get()) {
                                int at = random.nextInt(6 * MIB - CHUNK);
                                client.write(at, filled(1 + random.nextInt(CHUNK), random.nextInt()));
                                if (random.nextInt(20) == 0) {
                                    client.trim(at / CHUNK * CHUNK, 3 * CHUNK);
                                    assertThat(client.flush()).isEqualTo(Outcome.DONE);
                                }
                            }
                        },
                        work -> Thread.ofPlatform().daemon().start(work));
                long comparedBytes = 0;
                // 300 of a fast verifier can be over before the image is loaded, or while all of it is dirty.
                for (int i = 0; i < 300 || comparedBytes == 0; i++) {
                    Verifier.Outcome outcome = rig.verifier.run(Repair.NONE, FAST);
                    assertThat(outcome.differences()).isEmpty();
                    comparedBytes += outcome.comparedBytes();
                }
                isOver.set(true);
                writer.get(Gate.HANG_SECONDS, TimeUnit.SECONDS);
                rig.stopCleanly();
            }
        }
    }

    @Test
    void repairBesideWritersLosesNoWrite() throws Exception {
        byte[] image = random(2 * MIB);
        MemoryBacking backing = MemoryBacking.holding(image);
        byte[] expected = image.clone();
        try (DeviceRig rig = DeviceRig.over(backing).lagNanos(1).start()) {
            rig.awaitLoaded();
            RigClient client = rig.connect();
            AtomicBoolean isOver = new AtomicBoolean();
            CompletableFuture<Void> writer = CompletableFuture.runAsync(
                    () -> {
                        Random random = new Random(8);
                        while (!isOver.get()) {
                            // The first MiB is the writer's, the second one somebody else's.
                            int at = random.nextInt(MIB / CHUNK) * CHUNK;
                            byte[] bytes = filled(CHUNK, random.nextInt());
                            client.write(at, bytes);
                            System.arraycopy(bytes, 0, expected, at, CHUNK);
                        }
                    },
                    work -> Thread.ofPlatform().daemon().start(work));
            for (int i = 0; i < 100; i++) {
                put(backing, MIB + i * CHUNK, (byte) ~image[MIB + i * CHUNK]);
                assertThat(rig.verifier
                                .run(i % 2 == 0 ? Repair.RAM : Repair.IMAGE, FAST)
                                .repairedBytes())
                        .isEqualTo(CHUNK);
                if (i % 2 != 0) {
                    expected[MIB + i * CHUNK] = (byte) ~image[MIB + i * CHUNK];
                }
            }
            isOver.set(true);
            writer.get(Gate.HANG_SECONDS, TimeUnit.SECONDS);
            assertThat(client.read(0, expected.length)).isEqualTo(expected);
            rig.stopCleanly();
            assertThat(backing.durableContent()).isEqualTo(expected);
        }
    }

    @Test
    void aStopEndsItHoweverSlowlyItIsToRead() throws Exception {
        MemoryBacking backing = MemoryBacking.holding(random(8 * MIB));
        try (DeviceRig rig = DeviceRig.over(backing).start()) {
            rig.awaitLoaded();
            CompletableFuture<Verifier.Outcome> run = CompletableFuture.supplyAsync(
                    () -> rig.verifier.run(Repair.NONE, 1),
                    work -> Thread.ofPlatform().daemon().start(work));
            DeviceRig.awaitTrue("it is under way", () -> {
                Verifier.Progress progress = rig.verifier.progress();
                return progress != null
                        && progress.doneBytes() == 0
                        && !backing.calls(Operation.READ).isEmpty();
            });
            rig.verifier.stop();
            assertThat(run.get(Gate.HANG_SECONDS, TimeUnit.SECONDS).isStopped()).isTrue();
            assertThat(rig.verifier.progress()).isNull();
        }
    }

    @Test
    void manyDifferencesAreCountedAndNotAllTold() {
        byte[] image = random(2 * MIB);
        MemoryBacking backing = MemoryBacking.holding(image);
        try (DeviceRig rig = DeviceRig.over(backing).start()) {
            rig.awaitLoaded();
            for (int chunk = 0; chunk < 200; chunk += 2) {
                put(backing, chunk * CHUNK, (byte) ~image[chunk * CHUNK]);
            }
            Verifier.Outcome outcome = rig.verifier.run(Repair.NONE, FAST);
            assertThat(outcome.differences()).hasSize(Verifier.DIFFERENCE_COUNT_MAX);
            assertThat(outcome.differenceCount()).isEqualTo(100);
            assertThat(outcome.differingBytes()).isEqualTo(100 * CHUNK);
        }
    }
}
