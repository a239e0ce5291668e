package ramback.writeback;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import ramback.backing.BackingIoException.Operation;
import ramback.backing.MemoryBacking;
import ramback.backing.MemoryBacking.Call;
import ramback.clock.Agent;
import ramback.device.Mode;
import ramback.device.Outcome;
import ramback.posix.Errno;

/** Carrying changes to the image, and the promises about it. */
class WriteBehindTest {
    private static final int CHUNK = 4096;

    private static byte[] filled(int length, int value) {
        byte[] bytes = new byte[length];
        Arrays.fill(bytes, (byte) value);
        return bytes;
    }

    private static boolean isWrite(Call call) {
        return call.operation() == Operation.WRITE;
    }

    @Test
    void aFlushNeverOvertakesANewerWrite() {
        MemoryBacking backing = new MemoryBacking(16 * CHUNK);
        try (DeviceRig rig = DeviceRig.over(backing).lagNanos(1).start()) {
            rig.awaitLoaded();
            RigClient client = rig.connect();
            Gate gate = rig.hold(WriteBehindTest::isWrite);
            try {
                client.write(3 * CHUNK, filled(CHUNK, 1));
                CompletableFuture<Outcome> flushed = client.startFlush();
                gate.awaitArrived(1);
                // The older version is on its way to the disk. Nobody waits for it.
                assertThat(client.startWrite(3 * CHUNK, filled(CHUNK, 2), false))
                        .isCompletedWithValue(Outcome.DONE);
                CompletableFuture<Outcome> flushedAgain = client.startFlush();
                assertThat(flushed).isNotDone();
                // The newer version is not issued while the older one is in flight: nothing else comes to the gate.
                gate.letThrough(1);
                assertThat(RigClient.await(flushed)).isEqualTo(Outcome.DONE);
                gate.awaitArrived(2);
                assertThat(backing.calls(Operation.WRITE)).hasSize(1);
                assertThat(flushedAgain).isNotDone();
                gate.open();
                assertThat(RigClient.await(flushedAgain)).isEqualTo(Outcome.DONE);
            } finally {
                gate.open();
            }
            assertThat(backing.durableContent()[3 * CHUNK]).isEqualTo((byte) 2);
            rig.stopCleanly();
            assertThat(backing.calls(Operation.WRITE)).hasSize(2);
            assertThat(Arrays.copyOfRange(backing.durableContent(), 3 * CHUNK, 4 * CHUNK))
                    .isEqualTo(filled(CHUNK, 2));
        }
    }

    @Test
    void aFlushWaitsForWhatOtherSessionsWereAcknowledged() {
        MemoryBacking backing = new MemoryBacking(16 * CHUNK);
        try (DeviceRig rig =
                DeviceRig.over(backing).lagNanos(DeviceRig.LAG_NEVER).start()) {
            RigClient writer = rig.connect();
            RigClient flusher = rig.connect();
            for (int i = 1; i < 100; i++) {
                writer.write(CHUNK, filled(CHUNK, i));
                assertThat(flusher.flush()).isEqualTo(Outcome.DONE);
                assertThat(backing.durableContent()[CHUNK]).isEqualTo((byte) i);
            }
        }
    }

    @Test
    void aLongRoundBecomesDurablePartByPart() {
        int mebibyte = 1 << 20;
        // More than a part and what four appliers may have in hand when it ends.
        int written = 84;
        MemoryBacking backing = new MemoryBacking(88 * mebibyte);
        try (DeviceRig rig = DeviceRig.over(backing)
                .lagNanos(DeviceRig.LAG_NEVER)
                .limitBytes(400L * mebibyte)
                .start()) {
            rig.awaitLoaded();
            RigClient client = rig.connect();
            for (int i = 0; i < written; i++) {
                client.write((long) i * mebibyte, filled(mebibyte, i + 1));
            }
            backing.forgetCalls();
            assertThat(client.flush()).isEqualTo(Outcome.DONE);
            // The first part ends after 64 MiB, or after a second on a slow machine.
            assertThat(backing.calls(Operation.SYNC)).hasSizeGreaterThanOrEqualTo(2);
            byte[] durable = backing.durableContent();
            for (int i = 0; i < written; i++) {
                assertThat(durable[i * mebibyte]).isEqualTo((byte) (i + 1));
                assertThat(durable[(i + 1) * mebibyte - 1]).isEqualTo((byte) (i + 1));
            }
        }
    }

    @Test
    void aFlushOfACleanDeviceCostsTheDiskNothing() {
        MemoryBacking backing = new MemoryBacking(16 * CHUNK);
        try (DeviceRig rig = DeviceRig.over(backing).start()) {
            RigClient client = rig.connect();
            client.write(0, filled(CHUNK, 1));
            client.flush();
            backing.forgetCalls();
            for (int i = 0; i < 10; i++) {
                assertThat(client.startFlush()).isCompletedWithValue(Outcome.DONE);
            }
            assertThat(backing.calls()).isEmpty();
        }
    }

    @Test
    void writesOfOneCommitShareOneSync() {
        MemoryBacking backing = new MemoryBacking(256 * CHUNK);
        try (DeviceRig rig = DeviceRig.over(backing).mode(Mode.WRITETHROUGH).start()) {
            rig.awaitLoaded();
            Gate gate = rig.hold(call -> call.operation() == Operation.SYNC);
            List<CompletableFuture<Outcome>> writes = new ArrayList<>();
            try {
                RigClient client = rig.connect();
                writes.add(client.startWrite(0, filled(CHUNK, 1), false));
                gate.awaitArrived(1);
                for (int i = 1; i < 100; i++) {
                    writes.add(client.startWrite(i * CHUNK, filled(CHUNK, i), false));
                }
                assertThat(writes).noneMatch(CompletableFuture::isDone);
            } finally {
                gate.open();
            }
            writes.forEach(write -> assertThat(RigClient.await(write)).isEqualTo(Outcome.DONE));
            assertThat(backing.calls(Operation.SYNC)).hasSize(2);
            assertThat(backing.durableContent()[99 * CHUNK]).isEqualTo((byte) 99);
        }
    }

    @Test
    void leavingWritethroughReleasesWhatWaitsAtOnce() {
        MemoryBacking backing = new MemoryBacking(16 * CHUNK);
        try (DeviceRig rig = DeviceRig.over(backing).mode(Mode.WRITETHROUGH).start()) {
            rig.awaitLoaded();
            Gate gate = rig.hold(WriteBehindTest::isWrite);
            try {
                RigClient client = rig.connect();
                CompletableFuture<Outcome> write = client.startWrite(0, filled(CHUNK, 1), false);
                CompletableFuture<Outcome> flush = client.startFlush();
                gate.awaitArrived(1);
                assertThat(write).isNotDone();
                rig.switchMode(Mode.WRITEBACK);
                assertThat(RigClient.await(write)).isEqualTo(Outcome.DONE);
                assertThat(client.startWrite(0, filled(CHUNK, 2), false)).isCompletedWithValue(Outcome.DONE);
                assertThat(flush).isNotDone();
                rig.switchMode(Mode.UNSAFE);
                assertThat(RigClient.await(flush)).isEqualTo(Outcome.DONE);
                assertThat(client.startFlush()).isCompletedWithValue(Outcome.DONE);
                assertThat(backing.calls(Operation.WRITE)).isEmpty();
            } finally {
                gate.open();
            }
        }
    }

    @Test
    void enteringAStricterModeCarriesWhatIsDirty() {
        MemoryBacking backing = new MemoryBacking(16 * CHUNK);
        try (DeviceRig rig = DeviceRig.over(backing)
                .mode(Mode.UNSAFE)
                .lagNanos(DeviceRig.LAG_NEVER)
                .start()) {
            RigClient client = rig.connect();
            client.write(0, filled(5 * CHUNK, 1));
            assertThat(client.flush()).isEqualTo(Outcome.DONE);
            assertThat(rig.dirty.chunkCount()).isEqualTo(5);
            rig.switchMode(Mode.WRITEBACK);
            rig.awaitClean();
            assertThat(backing.durableContent()[4 * CHUNK]).isEqualTo((byte) 1);
        }
    }

    @Test
    void whatIsWrittenBecomesCleanByItself() {
        MemoryBacking backing = new MemoryBacking(64 * CHUNK);
        try (DeviceRig rig =
                DeviceRig.over(backing).mode(Mode.UNSAFE).lagNanos(1).start()) {
            RigClient client = rig.connect();
            for (int i = 0; i < 200; i++) {
                client.write(i % 64 * CHUNK, filled(CHUNK, i));
                rig.awaitClean();
            }
            assertThat(rig.writeBehind.oldestDirtyNanos()).isZero();
        }
    }

    @Test
    void aFailedWriteLeavesItsChunksDirtyAndIsRepeated() {
        MemoryBacking backing = new MemoryBacking(16 * CHUNK);
        try (DeviceRig rig =
                DeviceRig.over(backing).lagNanos(DeviceRig.LAG_NEVER).start()) {
            rig.awaitLoaded();
            AtomicBoolean broken = new AtomicBoolean(true);
            backing.failWhile(call -> isWrite(call) && call.offsetBytes() >= 8 * CHUNK && broken.get(), Errno.ENOSPC);
            RigClient client = rig.connect();
            client.write(CHUNK, filled(CHUNK, 1));
            client.write(8 * CHUNK, filled(2 * CHUNK, 2));
            CompletableFuture<Outcome> flush = client.startFlush();
            DeviceRig.awaitTrue("the good chunk is clean", () -> rig.dirty.chunkCount() == 2);
            assertThat(rig.faults.isApplyFailing()).isTrue();
            assertThat(flush).isNotDone();
            assertThat(backing.durableContent()[CHUNK]).isEqualTo((byte) 1);
            broken.set(false);
            assertThat(RigClient.await(flush)).isEqualTo(Outcome.DONE);
            assertThat(rig.faults.isFailing()).isFalse();
            assertThat(rig.dirty.chunkCount()).isZero();
            assertThat(backing.durableContent()[9 * CHUNK]).isEqualTo((byte) 2);
        }
    }

    @Test
    void afterAFailedSyncEverythingIsWrittenAgainBeforeTheNextOne() {
        MemoryBacking backing = new MemoryBacking(64 * CHUNK);
        try (DeviceRig rig =
                DeviceRig.over(backing).lagNanos(DeviceRig.LAG_NEVER).start()) {
            rig.awaitLoaded();
            backing.failCall(Operation.SYNC, 1, Errno.EIO);
            RigClient client = rig.connect();
            client.write(0, filled(3 * CHUNK, 1));
            client.trim(10 * CHUNK, CHUNK);
            Gate again =
                    rig.hold(call -> rig.faults.count() > 0 && (isWrite(call) || call.operation() == Operation.ZERO));
            CompletableFuture<Outcome> flush = client.startFlush();
            DeviceRig.awaitTrue("the sync failed", () -> rig.faults.count() == 1);
            // The disk forgot what it could not make durable, as Linux does.
            backing.losePower();
            assertThat(rig.dirty.chunkCount()).isEqualTo(4);
            assertThat(flush).isNotDone();
            again.open();
            assertThat(RigClient.await(flush)).isEqualTo(Outcome.DONE);
            assertThat(backing.durableContent()[2 * CHUNK]).isEqualTo((byte) 1);
            assertThat(backing.calls(Operation.WRITE)).hasSize(2);
            assertThat(backing.calls(Operation.ZERO)).hasSize(2);
            assertThat(rig.dirty.chunkCount()).isZero();
        }
    }

    @Test
    void drainingFailsWithTheDiskAndSucceedsWithIt() throws InterruptedException {
        MemoryBacking backing = new MemoryBacking(64 * CHUNK);
        try (DeviceRig rig =
                DeviceRig.over(backing).lagNanos(DeviceRig.LAG_NEVER).start()) {
            rig.awaitLoaded();
            backing.failWhile(call -> call.operation() == Operation.SYNC, Errno.EIO);
            rig.connect().write(0, filled(CHUNK, 1));
            assertThat(rig.writeBehind.drain()).isFalse();
            assertThat(rig.dirty.chunkCount()).isEqualTo(1);
            backing.heal();
            assertThat(rig.writeBehind.drain()).isTrue();
            assertThat(rig.dirty.chunkCount()).isZero();
        }
    }

    @Test
    void aFailureOfTheProgramInOneWriteDoesNotEndWriteBehind() {
        MemoryBacking backing = new MemoryBacking(64 * CHUNK);
        try (DeviceRig rig = DeviceRig.over(backing).start()) {
            rig.awaitLoaded();
            AtomicBoolean thrown = new AtomicBoolean();
            backing.before(call -> {
                if (isWrite(call) && thrown.compareAndSet(false, true)) {
                    throw new IllegalStateException("a bug, planted by the test");
                }
            });
            RigClient client = rig.connect();
            client.write(0, filled(CHUNK, 1));
            assertThat(client.flush()).isEqualTo(Outcome.DONE);
            assertThat(thrown).isTrue();
            assertThat(backing.durableContent()[0]).isEqualTo((byte) 1);
        }
    }

    @Test
    void neighboursAreWrittenTogetherInTheOrderOfTheirAddresses() {
        MemoryBacking backing = new MemoryBacking(4 << 20);
        try (DeviceRig rig = DeviceRig.over(backing)
                .mode(Mode.UNSAFE)
                .lagNanos(DeviceRig.LAG_NEVER)
                .start()) {
            rig.awaitLoaded();
            RigClient client = rig.connect();
            List<Integer> chunks = new ArrayList<>();
            for (int chunk = 0; chunk < 1024; chunk++) {
                if (chunk != 600) {
                    chunks.add(chunk);
                }
            }
            java.util.Collections.shuffle(chunks, new Random(1));
            chunks.forEach(chunk -> client.write(chunk * CHUNK, filled(CHUNK, 1)));
            rig.writeBehind.demandAll();
            rig.awaitClean();
            List<Call> writes = backing.calls(Operation.WRITE).stream()
                    .sorted(java.util.Comparator.comparingLong(Call::offsetBytes))
                    .toList();
            long end = 0;
            for (Call write : writes) {
                assertThat(write.lengthBytes()).isLessThanOrEqualTo(Runs.WRITE_BYTES_MAX);
                assertThat(write.offsetBytes()).isIn(end, end + CHUNK);
                end = write.offsetBytes() + write.lengthBytes();
            }
            assertThat(end).isEqualTo(4 << 20);
            assertThat(writes.size()).isLessThanOrEqualTo(6);
        }
    }

    @Test
    void zeroesBecomeHolesWhateverLiesBetweenThem() {
        MemoryBacking backing = MemoryBacking.holding(filled(64 * CHUNK, 5));
        try (DeviceRig rig =
                DeviceRig.over(backing).lagNanos(DeviceRig.LAG_NEVER).start()) {
            rig.awaitLoaded();
            RigClient client = rig.connect();
            client.trim(0, 64 * CHUNK);
            for (int chunk = 1; chunk < 64; chunk += 3) {
                client.write(chunk * CHUNK, filled(CHUNK, chunk));
            }
            assertThat(client.flush()).isEqualTo(Outcome.DONE);
            byte[] image = backing.durableContent();
            for (int chunk = 0; chunk < 64; chunk++) {
                assertThat(Arrays.copyOfRange(image, chunk * CHUNK, (chunk + 1) * CHUNK))
                        .isEqualTo(filled(CHUNK, chunk % 3 == 1 ? chunk : 0));
            }
            assertThat(backing.calls(Operation.ZERO)).hasSizeBetween(22, 43);
        }
    }

    @Test
    void theLastShortChunkIsNotWrittenBeyondTheEnd() {
        MemoryBacking backing = new MemoryBacking(3 * CHUNK + 1);
        try (DeviceRig rig = DeviceRig.over(backing).start()) {
            RigClient client = rig.connect();
            assertThat(client.write(3 * CHUNK, new byte[] {9})).isEqualTo(Outcome.DONE);
            assertThat(client.write(3 * CHUNK + 1, new byte[] {9})).isEqualTo(Outcome.NO_SPACE);
            assertThat(client.write(3 * CHUNK + 1, new byte[0])).isEqualTo(Outcome.DONE);
            assertThat(RigClient.await(client.startRead(3 * CHUNK + 1, 1))).isEqualTo(Outcome.INVALID);
            assertThat(client.flush()).isEqualTo(Outcome.DONE);
            assertThat(backing.durableContent()[3 * CHUNK]).isEqualTo((byte) 9);
        }
    }

    @Test
    void everyAgentHasAName() {
        MemoryBacking backing = new MemoryBacking(CHUNK);
        try (DeviceRig rig = DeviceRig.over(backing).start()) {
            assertThat(rig.writeBehind.agents().stream().map(Agent::name))
                    .containsExactly("applier-0", "applier-1", "applier-2", "applier-3", "journal", "sealer");
            assertThat(rig.population.agents().stream().map(Agent::name))
                    .containsExactly("loader-0", "loader-1", "loader-2", "loader-3");
        }
    }
}
