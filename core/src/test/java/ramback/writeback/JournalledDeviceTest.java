package ramback.writeback;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import ramback.backing.BackingIoException.Operation;
import ramback.backing.MemoryBacking;
import ramback.device.Mode;
import ramback.device.Outcome;
import ramback.image.Admission;
import ramback.mutant.Mutant;

/** The pipeline with a journal: what is durable when, what is retired when, and the modes, over real threads. */
class JournalledDeviceTest {
    private static final int CHUNK = 4096;
    private static final int CHUNK_COUNT = 512;
    private static final long CAPACITY = 4L << 20;
    private static final long RING = 64 * CHUNK;

    private final MemoryBacking backing = new MemoryBacking(CHUNK_COUNT * CHUNK);
    private final MemoryLog log = new MemoryLog(CHUNK, CAPACITY);

    private DeviceRig.Plan plan() {
        return DeviceRig.over(backing).journal(log, RING).lagNanos(DeviceRig.LAG_NEVER);
    }

    private static byte[] filled(int length, int value) {
        byte[] bytes = new byte[length];
        Arrays.fill(bytes, (byte) value);
        return bytes;
    }

    private static CompletableFuture<Void> startSwitch(ModeSwitch modes, Mode mode) {
        return CompletableFuture.runAsync(() -> {
            try {
                modes.switchTo(mode);
            } catch (IOException | InterruptedException e) {
                throw new AssertionError(e);
            }
        });
    }

    /** What a loss of power at this moment would leave, after recovery. */
    private byte[] afterPowerLoss() {
        synchronized (backing) {
            synchronized (log) {
                byte[] image = backing.durableContent();
                log.recoverInto(image);
                return image;
            }
        }
    }

    @Test
    void aFlushIsAnsweredWhenTheJournalHasItAndTheImageIsNotTouched() {
        try (DeviceRig rig = plan().start()) {
            rig.awaitLoaded();
            RigClient client = rig.connect();
            client.write(3 * CHUNK, filled(CHUNK, 7));
            assertThat(afterPowerLoss()[3 * CHUNK]).isZero();
            assertThat(client.flush()).isEqualTo(Outcome.DONE);
            assertThat(afterPowerLoss()[3 * CHUNK]).isEqualTo((byte) 7);
            assertThat(backing.calls(Operation.WRITE)).isEmpty();
            assertThat(rig.writeBehind.undurableChunkCount()).isZero();
            rig.stopCleanly();
            assertThat(backing.durableContent()[3 * CHUNK]).isEqualTo((byte) 7);
            assertThat(log.epochCount()).isZero();
        }
    }

    @Test
    void whileApplyingIsHeldTheImageIsLeftAloneUntilSomebodyWaitsForIt() {
        try (DeviceRig rig = plan().lagNanos(1_000_000).start()) {
            rig.awaitLoaded();
            RigClient client = rig.connect();
            rig.writeBehind.holdApplying(true);
            for (int i = 0; i < 20; i++) {
                client.write(3 * CHUNK, filled(CHUNK, i));
                assertThat(client.flush()).isEqualTo(Outcome.DONE);
            }
            assertThat(backing.calls(Operation.WRITE)).isEmpty();
            rig.stopCleanly(); // waits for the image
            assertThat(backing.durableContent()[3 * CHUNK]).isEqualTo((byte) 19);
        }
    }

    @Test
    void heldApplyingGoesOnWhenTheJournalIsNearlyFull() {
        try (DeviceRig rig = plan().lagNanos(1_000_000).start()) {
            rig.awaitLoaded();
            RigClient client = rig.connect();
            rig.writeBehind.holdApplying(true);
            // Several times the journal's capacity: without a round it would never end.
            for (int i = 0; i < 2000; i++) {
                client.write((long) (i % CHUNK_COUNT) * CHUNK, filled(CHUNK, i));
                if (i % 8 == 0) {
                    assertThat(client.flush()).isEqualTo(Outcome.DONE);
                }
            }
            assertThat(backing.calls(Operation.WRITE)).isNotEmpty();
            rig.writeBehind.holdApplying(false);
            rig.stopCleanly();
        }
    }

    @Test
    void whatWasOverwrittenAfterTheCutIsCommittedAsItWas() {
        try (DeviceRig rig = plan().start()) {
            rig.awaitLoaded();
            RigClient client = rig.connect();
            // Half of the journal is in use then: a round that could end would ask for the newer version at once.
            rig.hold(call -> call.operation() == Operation.WRITE);
            AtomicInteger barriers = new AtomicInteger();
            for (int i = 0; i < CHUNK_COUNT; i++) {
                client.write((long) i * CHUNK, filled(CHUNK, 1));
            }
            log.before(call -> {
                if (call.equals("barrier") && barriers.getAndIncrement() == 0) {
                    // The epoch has been cut: the last chunk, which is not captured yet, gets a newer version.
                    client.write((CHUNK_COUNT - 1) * (long) CHUNK, filled(CHUNK, 2));
                }
            });
            client.flush();
            byte[] recovered = afterPowerLoss();
            assertThat(recovered[(CHUNK_COUNT - 1) * CHUNK]).isEqualTo((byte) 1);
            assertThat(recovered).isEqualTo(filled(CHUNK_COUNT * CHUNK, 1));
            client.flush();
            assertThat(afterPowerLoss()[(CHUNK_COUNT - 1) * CHUNK]).isEqualTo((byte) 2);
        }
    }

    @Test
    void afterAnyPowerLossTheImageIsOneMomentOfTheDevice() throws Exception {
        for (Mutant mutant : new Mutant[] {null, Mutant.NO_COPY_ON_WRITE, Mutant.APPLY_UNCOMMITTED}) {
            MemoryBacking disk = new MemoryBacking(CHUNK_COUNT * CHUNK);
            MemoryLog journal = new MemoryLog(CHUNK, CAPACITY);
            Mutant.plant(mutant);
            try {
                long torn = tornCuts(disk, journal, mutant == null ? 300 : 3000);
                if (mutant == null) {
                    assertThat(torn)
                            .as("recovered images that were never the device")
                            .isZero();
                } else {
                    assertThat(torn).as("found under %s", mutant).isPositive();
                }
            } finally {
                Mutant.plant(null);
            }
        }
    }

    /**
     * Writers that each write one number, growing, to their chunks in order: at any moment chunk i + 1 of a writer holds the number
     * of chunk i, or the one before.
     */
    private static long tornCuts(MemoryBacking disk, MemoryLog journal, int lookCount) throws Exception {
        int writerCount = 2;
        int span = CHUNK_COUNT / writerCount;
        AtomicBoolean over = new AtomicBoolean();
        long torn = 0;
        try (DeviceRig rig = DeviceRig.over(disk)
                .journal(journal, RING)
                .lagNanos(300_000)
                .mode(Mode.CHECKPOINT)
                .start()) {
            rig.awaitLoaded();
            List<Thread> writers = new ArrayList<>();
            for (int w = 0; w < writerCount; w++) {
                RigClient client = rig.connect();
                int first = w * span;
                writers.add(Thread.ofPlatform().start(() -> {
                    for (int round = 1; !over.get(); round++) {
                        for (int i = 0; i < span && !over.get(); i++) {
                            client.write((long) (first + i) * CHUNK, filled(CHUNK, round));
                        }
                    }
                }));
            }
            try {
                for (int look = 0; look < lookCount && torn == 0; look++) {
                    byte[] image;
                    synchronized (disk) {
                        synchronized (journal) {
                            image = disk.durableContent();
                            journal.recoverInto(image);
                        }
                    }
                    for (int w = 0; w < writerCount; w++) {
                        torn += isOneMoment(image, w * span, span) ? 0 : 1;
                    }
                }
            } finally {
                over.set(true);
                for (Thread writer : writers) {
                    writer.join();
                }
            }
            if (torn == 0) {
                rig.stopCleanly();
                byte[] ram = disk.durableContent();
                journal.recoverInto(ram);
                assertThat(ram).isEqualTo(disk.durableContent());
            }
        }
        return torn;
    }

    private static boolean isOneMoment(byte[] image, int first, int count) {
        int newest = image[first * CHUNK];
        int steps = 0;
        for (int i = 0; i < count; i++) {
            int at = (first + i) * CHUNK;
            int value = image[at];
            for (int b = 0; b < CHUNK; b += 64) {
                if (image[at + b] != value) {
                    return false;
                }
            }
            if (value != newest) {
                newest = value;
                steps++;
            }
        }
        byte before = (byte) (image[first * CHUNK] - 1);
        return steps == 0 || (steps == 1 && newest == before);
    }

    @Test
    void aHotChunkDoesNotKeepTheJournalFromBeingEmptied() {
        try (DeviceRig rig = plan().start()) {
            rig.awaitLoaded();
            RigClient client = rig.connect();
            Random random = new Random(5);
            // Several times the journal's capacity, a flush after every few writes.
            for (int i = 0; i < 4000; i++) {
                client.write(0, filled(CHUNK, i));
                client.write((long) random.nextInt(CHUNK_COUNT) * CHUNK, filled(CHUNK, i));
                if (i % 8 == 0) {
                    assertThat(client.flush()).isEqualTo(Outcome.DONE);
                }
            }
            rig.stopCleanly();
            assertThat(log.epochCount()).isZero();
        }
    }

    @Test
    void aFailedSyncIsFollowedByWritingEverythingAgain() {
        try (DeviceRig rig = plan().start()) {
            rig.awaitLoaded();
            RigClient client = rig.connect();
            AtomicInteger failures = new AtomicInteger();
            log.before(call -> {
                if (call.equals("barrier") && failures.getAndIncrement() == 0) {
                    throw new IOException("no");
                }
            });
            client.write(0, filled(CHUNK, 1));
            assertThat(client.flush()).isEqualTo(Outcome.DONE);
            assertThat(log.calls()).containsExactly("append", "barrier", "append", "barrier", "commit");
            assertThat(afterPowerLoss()[0]).isEqualTo((byte) 1);
            assertThat(rig.faults.isFailing()).isFalse();
            assertThat(rig.writeBehind.isFrozen()).isFalse();
        }
    }

    @Test
    void afterASecondFailureNothingMoreIsAdmittedUntilTheJournalWorksAgain() {
        try (DeviceRig rig = plan().mode(Mode.CHECKPOINT).start()) {
            rig.awaitLoaded();
            RigClient client = rig.connect();
            AtomicBoolean isBroken = new AtomicBoolean(true);
            log.before(call -> {
                if (call.equals("commit") && isBroken.get()) {
                    throw new IOException("no");
                }
            });
            client.write(0, filled(CHUNK, 1));
            rig.writeBehind.demandAll();
            DeviceRig.awaitTrue("frozen", rig.writeBehind::isFrozen);
            assertThat(rig.faults.isFailing()).isTrue();
            CompletableFuture<Outcome> write = client.startWrite(CHUNK, filled(CHUNK, 2), false);
            assertThat(write).isNotDone();
            isBroken.set(false);
            assertThat(RigClient.await(write)).isEqualTo(Outcome.DONE);
            assertThat(rig.faults.isFailing()).isFalse();
        }
    }

    @Test
    void unsafeWritesInPlaceOnlyAfterTheJournalIsSuspendedAndBackMeansOneEpochWithEverything() throws Exception {
        try (DeviceRig rig = plan().start()) {
            rig.awaitLoaded();
            RigClient client = rig.connect();
            List<String> written = new ArrayList<>();
            ModeSwitch modes = new ModeSwitch(
                    rig.device, rig.writeBehind, log, mode -> written.add(mode.word() + " " + log.isSuspended()), 1L);
            for (int i = 0; i < 40; i++) {
                client.write((long) i * CHUNK, filled(CHUNK, 1));
            }
            client.flush();
            backing.forgetCalls();
            modes.switchTo(Mode.UNSAFE);
            assertThat(written).containsExactly("unsafe true");
            assertThat(backing.calls(Operation.WRITE)).isEmpty();
            client.write(0, filled(CHUNK, 2));
            assertThat(client.startFlush()).isCompletedWithValue(Outcome.DONE);
            client.write(CHUNK, filled(CHUNK, 3));
            modes.switchTo(Mode.WRITEBACK);
            assertThat(modes.mode()).isEqualTo(Mode.WRITEBACK);
            assertThat(written).containsExactly("unsafe true", "writeback false");
            byte[] recovered = afterPowerLoss();
            assertThat(recovered[0]).isEqualTo((byte) 2);
            assertThat(recovered[CHUNK]).isEqualTo((byte) 3);
            assertThat(recovered[39 * CHUNK]).isEqualTo((byte) 1);
            client.write(5 * CHUNK, filled(CHUNK, 4));
            client.flush();
            assertThat(afterPowerLoss()[5 * CHUNK]).isEqualTo((byte) 4);
            rig.stopCleanly();
        }
    }

    @Test
    void inUnsafeTheLimitIsOnTopOfWhatTheImageLackedBefore() throws Exception {
        try (DeviceRig rig = plan().limitBytes(64 * CHUNK).start()) {
            rig.awaitLoaded();
            RigClient client = rig.connect();
            ModeSwitch modes = new ModeSwitch(rig.device, rig.writeBehind, log, mode -> {}, 1L);
            // Too little for a round of applying, and more than the limit.
            for (int i = 0; i < 160; i++) {
                client.write((long) i * CHUNK, filled(CHUNK, 1));
            }
            client.flush();
            Gate gate = rig.hold(call -> call.operation() == Operation.WRITE);
            modes.switchTo(Mode.UNSAFE);
            Throttle throttle = rig.writeBehind.throttle();
            long before = rig.dirty.dataChunkCount();
            assertThat(before).isGreaterThan(64);
            int admitted = 0;
            while (throttle.admit(1, true) == Admission.GO) {
                admitted++;
            }
            assertThat(admitted).as("admitted beside %d", before).isEqualTo(64);
            rig.dirty.cancel(admitted);
            gate.open();
            rig.awaitClean();
            for (admitted = 0; throttle.admit(1, true) == Admission.GO; admitted++) {
                assertThat(admitted).isLessThan(64);
            }
            assertThat(admitted).as("admitted when all of that is carried").isEqualTo(64);
            rig.dirty.cancel(admitted);
        }
    }

    @Test
    void theImageIsLeftAloneInUnsafeAndInNoOtherMode() throws Exception {
        try (DeviceRig rig = plan().start()) {
            rig.awaitLoaded();
            Standing standing = rig.writeBehind.standing;
            ModeSwitch modes = new ModeSwitch(rig.device, rig.writeBehind, log, mode -> {}, 1_000_000_000L);
            for (Mode mode : new Mode[] {Mode.UNSAFE, Mode.CHECKPOINT, Mode.UNSAFE, Mode.WRITEBACK}) {
                modes.switchTo(mode);
                assertThat(standing.isLazy()).as("in %s", mode).isEqualTo(mode == Mode.UNSAFE);
            }
            modes.switchTo(Mode.UNSAFE);
            Gate gate = rig.hold(call -> call.operation() == Operation.WRITE);
            rig.connect().write(0, filled(CHUNK, 1));
            rig.writeBehind.demandAll();
            gate.awaitArrived(1);
            CompletableFuture<Void> switched = startSwitch(modes, Mode.WRITEBACK);
            DeviceRig.awaitTrue("is on its way out", () -> !standing.isLazy());
            assertThat(modes.mode()).isEqualTo(Mode.UNSAFE);
            gate.open();
            switched.get();
            rig.stopCleanly();
        }
    }

    @Test
    void onTheWayFromUnsafeToCheckpointNobodyWaitsForTheInterval() throws Exception {
        try (DeviceRig rig = plan().start()) {
            rig.awaitLoaded();
            RigClient client = rig.connect();
            ModeSwitch modes = new ModeSwitch(rig.device, rig.writeBehind, log, mode -> {}, 1L);
            modes.switchTo(Mode.UNSAFE);
            Gate gate = rig.hold(call -> call.operation() == Operation.WRITE);
            client.write(0, filled(CHUNK, 1));
            rig.writeBehind.demandAll();
            gate.awaitArrived(1);
            client.write(CHUNK, filled(CHUNK, 2));
            CompletableFuture<Void> switched = startSwitch(modes, Mode.CHECKPOINT);
            DeviceRig.awaitTrue("waits for the round", () -> rig.writeBehind.standing.pauseWanted);
            // Both changes are older than the interval by now, and nobody has promised anything about that.
            assertThat(client.startWrite(0, filled(CHUNK, 3), false)).isCompletedWithValue(Outcome.DONE);
            assertThat(client.startFlush()).isCompletedWithValue(Outcome.DONE);
            assertThat(modes.mode()).isEqualTo(Mode.UNSAFE);
            gate.open();
            switched.get();
            assertThat(modes.mode()).isEqualTo(Mode.CHECKPOINT);
            assertThat(afterPowerLoss()[0]).isEqualTo((byte) 3);
        }
    }

    @Test
    void whatTheJournalHeldReachesTheImageInUnsafeAlsoWhenNobodyWritesAnyMore() throws Exception {
        try (DeviceRig rig = DeviceRig.over(backing)
                .journal(log, RING)
                .lagNanos(2_000_000)
                .limitBytes(64 * CHUNK)
                .start()) {
            rig.awaitLoaded();
            RigClient client = rig.connect();
            Gate gate = rig.hold(call -> call.operation() == Operation.WRITE);
            ModeSwitch modes = new ModeSwitch(rig.device, rig.writeBehind, log, mode -> {}, 1L);
            for (int i = 0; i < 100; i++) {
                client.write((long) i * CHUNK, filled(CHUNK, 1));
                client.flush();
            }
            CompletableFuture<Void> switched = startSwitch(modes, Mode.UNSAFE);
            gate.open();
            switched.get();
            assertThat(client.write(200 * CHUNK, filled(CHUNK, 2))).isEqualTo(Outcome.DONE);
            rig.awaitClean();
            assertThat(backing.durableContent()[99 * CHUNK]).isEqualTo((byte) 1);
        }
    }

    @Test
    void aJournalThatCannotBeSuspendedKeepsTheModeThereWas() throws Exception {
        try (DeviceRig rig = plan().start()) {
            rig.awaitLoaded();
            RigClient client = rig.connect();
            ModeSwitch modes = new ModeSwitch(rig.device, rig.writeBehind, log, mode -> {}, 1L);
            log.before(call -> {
                if (call.equals("suspend")) {
                    throw new IOException("no");
                }
            });
            assertThatThrownBy(() -> modes.switchTo(Mode.UNSAFE)).isInstanceOf(IOException.class);
            assertThat(modes.mode()).isEqualTo(Mode.WRITEBACK);
            assertThat(rig.device.mode()).isEqualTo(Mode.WRITEBACK);
            client.write(0, filled(CHUNK, 2));
            assertThat(client.flush()).isEqualTo(Outcome.DONE);
            assertThat(afterPowerLoss()[0]).isEqualTo((byte) 2);
        }
    }

    @Test
    void whoIsInterruptedWhileTheJournalIsSuspendedHasSwitchedAndCanSwitchBack() throws Exception {
        try (DeviceRig rig = plan().start()) {
            rig.awaitLoaded();
            RigClient client = rig.connect();
            client.write(0, filled(CHUNK, 1));
            ModeSwitch modes = new ModeSwitch(rig.device, rig.writeBehind, log, mode -> {}, 1L);
            CountDownLatch arrived = new CountDownLatch(1);
            CountDownLatch opened = new CountDownLatch(1);
            log.before(call -> {
                if (call.equals("suspend")) {
                    arrived.countDown();
                    try {
                        opened.await();
                    } catch (InterruptedException e) {
                        throw new IOException(e);
                    }
                }
            });
            AtomicBoolean isFlagKept = new AtomicBoolean();
            CompletableFuture<Void> switched = new CompletableFuture<>();
            Thread power = Thread.ofPlatform().start(() -> {
                try {
                    modes.switchTo(Mode.UNSAFE);
                    isFlagKept.set(Thread.interrupted());
                    switched.complete(null);
                } catch (IOException | InterruptedException | RuntimeException e) {
                    switched.completeExceptionally(e);
                }
            });
            arrived.await();
            power.interrupt();
            // Either it waits on, or it has gone, and left a device that nobody can use any more.
            DeviceRig.awaitTrue("took the interrupt", () -> !power.isInterrupted());
            opened.countDown();
            switched.get();
            assertThat(isFlagKept).isTrue();
            assertThat(modes.isIn(Mode.UNSAFE)).isTrue();
            client.write(CHUNK, filled(CHUNK, 2));
            modes.switchTo(Mode.WRITETHROUGH);
            assertThat(client.write(2 * CHUNK, filled(CHUNK, 3))).isEqualTo(Outcome.DONE);
            byte[] recovered = afterPowerLoss();
            assertThat(recovered[CHUNK]).isEqualTo((byte) 2);
            assertThat(recovered[2 * CHUNK]).isEqualTo((byte) 3);
            rig.stopCleanly();
        }
    }

    @Test
    void aStricterModeIsReportedWhenEverythingAcknowledgedIsCommitted() throws Exception {
        try (DeviceRig rig = plan().mode(Mode.CHECKPOINT).start()) {
            rig.awaitLoaded();
            RigClient client = rig.connect();
            ModeSwitch modes = new ModeSwitch(rig.device, rig.writeBehind, log, mode -> {}, DeviceRig.LAG_NEVER);
            client.write(0, filled(CHUNK, 1));
            assertThat(client.startFlush()).isCompletedWithValue(Outcome.DONE);
            assertThat(afterPowerLoss()[0]).isZero();
            modes.switchTo(Mode.WRITEBACK);
            assertThat(afterPowerLoss()[0]).isEqualTo((byte) 1);
        }
    }

    @Test
    void checkpointIsReportedWhenWhatNobodyFlushedIsCommittedAndUntilThenAFlushWaits() throws Exception {
        for (Mode before : new Mode[] {Mode.WRITEBACK, Mode.UNSAFE}) {
            MemoryLog journal = new MemoryLog(CHUNK, CAPACITY);
            try (DeviceRig rig = DeviceRig.over(new MemoryBacking(CHUNK_COUNT * CHUNK))
                    .journal(journal, RING)
                    .lagNanos(DeviceRig.LAG_NEVER)
                    .start()) {
                rig.awaitLoaded();
                RigClient client = rig.connect();
                ModeSwitch modes = new ModeSwitch(rig.device, rig.writeBehind, journal, mode -> {}, 1L);
                modes.switchTo(before);
                client.write(0, filled(CHUNK, 1));
                List<Mode> reported = new ArrayList<>();
                List<Mode> acknowledgedAs = new ArrayList<>();
                journal.before(call -> {
                    if (call.equals("commit")) {
                        acknowledgedAs.add(rig.device.mode());
                        reported.add(modes.mode());
                        if (before == Mode.UNSAFE && reported.size() == 1) {
                            // Acknowledged while all that the image lacks is committed: older than the interval after
                            // that.
                            client.startWrite(CHUNK, filled(CHUNK, 2), false);
                        }
                    }
                });
                modes.switchTo(Mode.CHECKPOINT);
                byte[] recovered = new byte[CHUNK_COUNT * CHUNK];
                journal.recoverInto(recovered);
                assertThat(recovered[0]).as("from %s", before).isEqualTo((byte) 1);
                assertThat(reported).containsOnly(before);
                if (before == Mode.WRITEBACK) {
                    assertThat(acknowledgedAs).containsOnly(Mode.WRITEBACK);
                } else {
                    assertThat(recovered[CHUNK]).isEqualTo((byte) 2);
                }
            }
        }
    }

    @Test
    void aJournalThatIsKnownToFailKeepsTheModeThereWas() throws Exception {
        try (DeviceRig rig = plan().start()) {
            rig.awaitLoaded();
            RigClient client = rig.connect();
            ModeSwitch modes = new ModeSwitch(rig.device, rig.writeBehind, log, mode -> {}, 1L);
            AtomicBoolean isBroken = new AtomicBoolean(true);
            log.before(call -> {
                if (isBroken.get()) {
                    throw new IOException("no");
                }
            });
            client.write(0, filled(CHUNK, 1));
            CompletableFuture<Outcome> flush = client.startFlush();
            DeviceRig.awaitTrue("frozen", rig.writeBehind::isFrozen);
            for (Mode mode : new Mode[] {Mode.UNSAFE, Mode.CHECKPOINT, Mode.WRITETHROUGH}) {
                assertThatThrownBy(() -> modes.switchTo(mode)).hasMessageContaining("the journal fails");
                assertThat(modes.mode()).isEqualTo(Mode.WRITEBACK);
                assertThat(rig.device.mode()).isEqualTo(Mode.WRITEBACK);
            }
            assertThat(flush).as("answered as in unsafe").isNotDone();
            isBroken.set(false);
            assertThat(RigClient.await(flush)).isEqualTo(Outcome.DONE);
        }
    }

    @Test
    void aJournalThatFailsOnTheWayToUnsafeAndTakesNoCommitLeavesUnsafeAndSaysSo() throws Exception {
        try (DeviceRig rig = plan().start()) {
            rig.awaitLoaded();
            RigClient client = rig.connect();
            ModeSwitch modes = new ModeSwitch(rig.device, rig.writeBehind, log, mode -> {}, 1L);
            AtomicBoolean isBroken = new AtomicBoolean(true);
            log.before(call -> {
                while (modes.mode() != Mode.UNSAFE && isBroken.get()) {
                    Thread.onSpinWait();
                }
                if (isBroken.get()) {
                    throw new IOException("no");
                }
            });
            client.write(0, filled(CHUNK, 1));
            CompletableFuture<Outcome> flush = client.startFlush();
            assertThatThrownBy(() -> modes.switchTo(Mode.UNSAFE)).hasMessageContaining("the journal fails");
            // The flush was answered as in unsafe, and what it was for is nowhere.
            assertThat(RigClient.await(flush)).isEqualTo(Outcome.DONE);
            assertThat(modes.mode()).isEqualTo(Mode.UNSAFE);
            assertThat(rig.device.mode()).isEqualTo(Mode.UNSAFE);
            assertThatThrownBy(() -> modes.switchTo(Mode.WRITEBACK)).hasMessageContaining("the journal fails");
            assertThat(modes.mode()).isEqualTo(Mode.UNSAFE);
            isBroken.set(false);
            DeviceRig.awaitTrue("works again", () -> !rig.writeBehind.isFrozen());
            modes.switchTo(Mode.UNSAFE);
            assertThat(log.isSuspended()).isTrue();
            modes.switchTo(Mode.WRITEBACK);
            assertThat(afterPowerLoss()[0]).isEqualTo((byte) 1);
        }
    }

    @Test
    void whatWritersMayChangeOnTheWayOutOfUnsafeFitsTheJournal() throws Exception {
        try (DeviceRig rig = plan().start()) {
            rig.awaitLoaded();
            ModeSwitch modes = new ModeSwitch(rig.device, rig.writeBehind, log, mode -> {}, 1L);
            modes.switchTo(Mode.UNSAFE);
            Throttle throttle = rig.writeBehind.throttle();
            throttle.leaveUnsafe(true);
            // Nothing is cut any more: all that is admitted belongs to the epoch that is carried into.
            rig.writeBehind.rest();
            int admitted = 0;
            while (throttle.admit(1, true) == Admission.GO) {
                admitted++;
            }
            assertThat(admitted).isPositive();
            assertThat(rig.writeBehind.fitsHalfTheLog())
                    .as("%d chunks fit", admitted)
                    .isTrue();
            rig.dirty.cancel(admitted);
            throttle.leaveUnsafe(false);
            rig.writeBehind.goOn();
        }
    }

    @Test
    void whoTriesAgainToLeaveUnsafeDoesNotPutEverythingIntoTheJournalAgain() throws Exception {
        HeldBacking full = new HeldBacking(backing);
        try (DeviceRig rig = DeviceRig.over(full)
                .journal(log, RING)
                .lagNanos(DeviceRig.LAG_NEVER)
                .start()) {
            rig.awaitLoaded();
            RigClient client = rig.connect();
            AtomicInteger refusals = new AtomicInteger(3);
            ModeSwitch modes = new ModeSwitch(
                    rig.device,
                    rig.writeBehind,
                    log,
                    mode -> {
                        if (mode != Mode.UNSAFE && refusals.getAndDecrement() > 0) {
                            throw new IOException("no");
                        }
                    },
                    1L);
            modes.switchTo(Mode.UNSAFE);
            full.roomBytes(0);
            for (int i = 0; i < 300; i++) {
                client.write((long) i * CHUNK, filled(CHUNK, 1));
            }
            assertThatThrownBy(() -> modes.switchTo(Mode.WRITEBACK)).hasMessage("no");
            long usedBytes = log.usedBytes();
            assertThat(usedBytes).isGreaterThan(300L * CHUNK);
            client.write(0, filled(CHUNK, 2));
            for (int again = 0; again < 2; again++) {
                assertThatThrownBy(() -> modes.switchTo(Mode.WRITEBACK)).hasMessage("no");
                assertThat(modes.mode()).isEqualTo(Mode.UNSAFE);
            }
            modes.switchTo(Mode.WRITEBACK);
            // What was changed since, three times a commit of it, and no more.
            assertThat(log.usedBytes()).isLessThan(usedBytes + 20L * CHUNK);
            assertThat(afterPowerLoss()[0]).isEqualTo((byte) 2);
            assertThat(afterPowerLoss()[299 * CHUNK]).isEqualTo((byte) 1);
        }
    }

    @Test
    void aModeThatCannotBeWrittenDownLeavesTheOneThereWas() throws Exception {
        AtomicBoolean isFull = new AtomicBoolean();
        for (Mode before : Mode.values()) {
            for (Mode mode : Mode.values()) {
                MemoryLog journal = new MemoryLog(CHUNK, CAPACITY);
                try (DeviceRig rig = DeviceRig.over(new MemoryBacking(CHUNK_COUNT * CHUNK))
                        .journal(journal, RING)
                        .lagNanos(DeviceRig.LAG_NEVER)
                        .start()) {
                    ModeSwitch.ModeRecord record = written -> {
                        if (isFull.get()) {
                            throw new IOException("no");
                        }
                    };
                    ModeSwitch modes = new ModeSwitch(rig.device, rig.writeBehind, journal, record, 1L);
                    isFull.set(false);
                    modes.switchTo(before);
                    rig.connect().write(0, filled(CHUNK, 1));
                    isFull.set(mode != before);
                    if (mode != before) {
                        assertThatThrownBy(() -> modes.switchTo(mode)).isInstanceOf(IOException.class);
                    }
                    assertThat(modes.mode()).isEqualTo(before);
                    assertThat(rig.device.mode()).as("acknowledged as").isEqualTo(before);
                    boolean isPromised = rig.writeBehind.standing.intervalNanos == 1L;
                    assertThat(isPromised).as("interval in %s", before).isEqualTo(before == Mode.CHECKPOINT);
                    isFull.set(false);
                    modes.switchTo(mode);
                    assertThat(modes.mode()).isEqualTo(mode);
                    assertThat(rig.device.mode()).isEqualTo(mode);
                }
            }
        }
    }

    @Test
    void inCheckpointNothingIsOlderThanTheInterval() throws Exception {
        try (DeviceRig rig = plan().mode(Mode.CHECKPOINT).start()) {
            rig.awaitLoaded();
            new ModeSwitch(rig.device, rig.writeBehind, log, mode -> {}, 20_000_000L);
            RigClient client = rig.connect();
            AtomicBoolean isStuck = new AtomicBoolean(true);
            log.before(call -> {
                while (isStuck.get()) {
                    Thread.onSpinWait();
                }
            });
            try {
                client.write(0, filled(CHUNK, 1));
                DeviceRig.awaitTrue("overdue", rig.writeBehind::isOverdue);
                assertThat(client.startWrite(0, filled(CHUNK, 2), false)).isNotDone();
                CompletableFuture<Outcome> flush = client.startFlush();
                assertThat(flush).isNotDone();
                isStuck.set(false);
                assertThat(RigClient.await(flush)).isEqualTo(Outcome.DONE);
            } finally {
                isStuck.set(false);
            }
        }
    }
}
