package ramback.writeback;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import ramback.backing.MemoryBacking;
import ramback.clock.HurriedClock;
import ramback.device.Mode;
import ramback.device.Outcome;
import ramback.journal.JournalIdentity;
import ramback.journal.JournalScan;
import ramback.journal.LocalJournal;
import ramback.journal.Recovery;
import ramback.mutant.Mutant;
import ramback.writeback.FaultyDisk.Fault;

/**
 * A short script of everything that a device does, from its first load to its clean stop, over an image and a real journal. The
 * n-th call that it makes of either fails, for every n: once, and for good until it is cured. A failed sync forgets what it was
 * for, and every other failed write has written its first half.
 *
 * <p>While calls fail: what is loaded is read as it is, and a loss of power at that moment leaves what was promised. Afterwards
 * everything drains by itself, and the image is what the device was.
 */
class EveryCallFailsTest {

    private static final int CHUNK = 4096;
    private static final int CHUNK_COUNT = 64;
    private static final int DATA_CHUNK_COUNT = 40;

    /** A pause of 30 s between two attempts lasts 0.15 s. */
    private static final int HURRY = 200;

    /** Whoever makes no progress for so long waits for the disk: time to look, and to cure it. */
    private static final long STALL_NANOS = 30_000_000L;

    @TempDir
    private Path directory;

    private static byte[] random(int length, long seed) {
        byte[] bytes = new byte[length];
        new Random(seed).nextBytes(bytes);
        return bytes;
    }

    @Test
    @Timeout(value = 10, unit = TimeUnit.MINUTES)
    void theNthCallFailsOnce() throws Exception {
        long calls = run(new Fault(Long.MAX_VALUE, false, false));
        assertThat(calls).isGreaterThan(50);
        for (long n = 1; n <= calls; n++) {
            run(new Fault(n, false, n % 2 == 0));
        }
    }

    @Test
    @Timeout(value = 10, unit = TimeUnit.MINUTES)
    void theNthCallFailsAndAllThatFollow() throws Exception {
        long calls = run(new Fault(Long.MAX_VALUE, true, false));
        for (long n = 1; n <= calls; n++) {
            run(new Fault(n, true, n % 2 == 1));
        }
    }

    /** The proof of the proof: a failed sync that is taken for a good one, of the image and of the journal. */
    @ParameterizedTest
    @CsvSource({"SWALLOWED_IMAGE_FSYNC_ERROR, false", "SWALLOWED_FSYNC_ERROR, true"})
    @Timeout(value = 10, unit = TimeUnit.MINUTES)
    void aFaultyProgramIsFound(Mutant mutant, boolean isForGood) throws Exception {
        long calls = run(new Fault(Long.MAX_VALUE, false, false));
        Mutant.plant(mutant);
        try {
            assertThat(LongStream.rangeClosed(1, calls).anyMatch(n -> isFound(new Fault(n, isForGood, false))))
                    .isTrue();
        } finally {
            Mutant.plant(null);
        }
    }

    private boolean isFound(Fault fault) {
        try {
            run(fault);
            return false;
        } catch (AssertionError | IllegalArgumentException e) {
            // Or a recovery that refuses what is there.
            return true;
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    /** Returns how many calls were made. */
    private long run(Fault fault) throws Exception {
        try (Life life = new Life(fault, directory.resolve("snapshot.img"))) {
            CompletableFuture<Void> script = life.startScript();
            int seen = -1;
            long since = System.nanoTime();
            while (!isDone(script)) {
                if (life.progress.get() != seen) {
                    seen = life.progress.get();
                    since = System.nanoTime();
                    if (fault.hasStruck()) {
                        life.checkPowerCut();
                    }
                } else if (fault.isActive() && System.nanoTime() - since > STALL_NANOS) {
                    life.checkWhileItFails();
                    fault.cure();
                }
            }
            script.get();
            life.checkStopped();
        } catch (ExecutionException | AssertionError e) {
            throw new AssertionError("call " + fault + " failed" + (fault.hasStruck() ? "" : ", or would have"), e);
        } finally {
            Files.deleteIfExists(directory.resolve("snapshot.img"));
        }
        return fault.callCount();
    }

    private static boolean isDone(CompletableFuture<Void> script) throws Exception {
        try {
            script.get(1, TimeUnit.MILLISECONDS);
        } catch (TimeoutException e) {
            return false;
        } catch (ExecutionException e) {
            return true;
        }
        return true;
    }

    /** One device, what it has been told, and what it must hold. */
    private static final class Life implements AutoCloseable {

        private final Fault fault;
        private final Path snapshotFile;
        private final MemoryBacking image;
        private final MemoryBacking journal;
        private final LocalJournal log;
        private final DeviceRig rig;
        private final ModeSwitch modes;
        private final Snapshots snapshots;
        private final RigClient client;
        private final RigClient reader;

        /** What the device held after each request, and may hold after the one that is being made. Guarded by itself. */
        private final List<byte[]> states = new ArrayList<>();

        /** The chunks that have certainly been loaded. Guarded by the states. */
        private final BitSet loaded = new BitSet();

        /** The oldest state that a loss of power may leave; guarded by the states. */
        private int promised;

        /** Whether a loss of power may leave anything. */
        private volatile boolean isUnsafe;

        /** Steps of the script that are over. */
        private final AtomicInteger progress = new AtomicInteger();

        private final Thread thread = Thread.ofPlatform().daemon().unstarted(this::runScript);
        private final CompletableFuture<Void> over = new CompletableFuture<>();

        Life(Fault fault, Path snapshotFile) throws IOException {
            this.fault = fault;
            this.snapshotFile = snapshotFile;
            byte[] content = new byte[CHUNK_COUNT * CHUNK];
            System.arraycopy(random(DATA_CHUNK_COUNT * CHUNK, 1), 0, content, 0, DATA_CHUNK_COUNT * CHUNK);
            image = MemoryBacking.holding(content);
            states.add(content);
            journal = new MemoryBacking(2 << 20);
            LocalJournal.format(journal, new JournalIdentity(new UUID(1, 2), CHUNK, content.length, 1, 2), 0);
            log = LocalJournal.open(new FaultyDisk(journal, fault), JournalScan.ofRecords(journal), 7, () -> 8);
            log.fence();
            fault.arm();
            rig = DeviceRig.over(new FaultyDisk(image, fault))
                    .clock(new HurriedClock(HURRY))
                    .journal(log, 1 << 20)
                    .firstEpoch(log.headEpoch() + 1)
                    .lagNanos(TimeUnit.MILLISECONDS.toNanos(200))
                    .start();
            modes = new ModeSwitch(
                    rig.device, rig.writeBehind, log, mode -> fault.strikeRecord(), TimeUnit.MINUTES.toNanos(1));
            snapshots = new Snapshots(rig.store, rig.clock, 1 << 20);
            snapshots.giveUpAfterFailed(rig.population::failedPassCount);
            snapshots.start();
            client = rig.connect();
            reader = rig.connect();
        }

        // ----------------------------------------------------------------------------------------------- script

        /** A thread of its own, so that another can look and cure the disk while it waits. */
        CompletableFuture<Void> startScript() {
            thread.start();
            return over;
        }

        private void runScript() {
            try {
                script();
                over.complete(null);
            } catch (Throwable e) {
                over.completeExceptionally(e);
            }
        }

        private void script() {
            try {
                read(5, 3);
                write(2 * CHUNK, random(4 * CHUNK, 2));
                write(10 * CHUNK + 100, random(1000, 3));
                flush();
                zero(20, 4);
                write(50 * CHUNK, random(CHUNK, 4));
                trim(3, 1);
                forced(45 * CHUNK, random(2 * CHUNK, 5));
                drain();
                write(2 * CHUNK, random(CHUNK, 6));
                isUnsafe = true;
                switchTo(Mode.UNSAFE);
                write(12 * CHUNK, random(3 * CHUNK, 7));
                zero(30, 2);
                drain();
                write(13 * CHUNK, random(CHUNK, 8));
                switchTo(Mode.WRITEBACK);
                promiseAll();
                isUnsafe = false;
                write(13 * CHUNK + 7, random(50, 9));
                switchTo(Mode.CHECKPOINT);
                promiseAll();
                write(60 * CHUNK, random(3 * CHUNK, 10));
                snapshot();
                write(61 * CHUNK, random(CHUNK, 11));
                switchTo(Mode.WRITETHROUGH);
                promiseAll();
                write(0, random(2 * CHUNK, 12));
                promiseAll();
                read(0, CHUNK_COUNT);
                rig.awaitLoaded();
                step();
                heals();
                stop();
            } catch (IOException | InterruptedException e) {
                throw new AssertionError(e);
            }
        }

        private void step() {
            progress.incrementAndGet();
        }

        private byte[] now() {
            synchronized (states) {
                return states.getLast();
            }
        }

        private void read(int chunk, int count) {
            Outcome outcome = RigClient.await(client.startRead((long) chunk * CHUNK, (long) count * CHUNK));
            while (outcome == Outcome.IO_ERROR && !fault.isActive()) {
                // It has struck, or a pass of it: what is asked again is read.
                outcome = RigClient.await(client.startRead((long) chunk * CHUNK, (long) count * CHUNK));
            }
            if (outcome == Outcome.DONE) {
                byte[] expected = Arrays.copyOfRange(now(), chunk * CHUNK, (chunk + count) * CHUNK);
                assertThat(Arrays.mismatch(client.copy((long) chunk * CHUNK, count * CHUNK), expected))
                        .isEqualTo(-1);
                noteLoaded(chunk, count);
            } else {
                assertThat(outcome).isEqualTo(Outcome.IO_ERROR);
            }
            step();
        }

        private void noteLoaded(int chunk, int count) {
            synchronized (states) {
                loaded.set(chunk, chunk + count);
            }
        }

        /** Makes a change of which a loss of power may show all or nothing. */
        private void change(int at, byte[] bytes, CompletableFuture<Outcome> request) {
            Outcome outcome = RigClient.await(request);
            int first = at / CHUNK;
            if (outcome == Outcome.DONE) {
                noteLoaded(first, (at + bytes.length - 1) / CHUNK - first + 1);
            } else {
                // Part of a chunk that could not be loaded; nothing of it was stored.
                assertThat(outcome).isEqualTo(Outcome.IO_ERROR);
                synchronized (states) {
                    states.set(states.size() - 1, states.get(states.size() - 2));
                }
            }
            step();
        }

        private void willBe(int at, byte[] bytes) {
            synchronized (states) {
                byte[] next = states.getLast().clone();
                System.arraycopy(bytes, 0, next, at, bytes.length);
                states.add(next);
            }
        }

        private void write(int at, byte[] bytes) {
            willBe(at, bytes);
            change(at, bytes, client.startWrite(at, bytes, false));
        }

        private void forced(int at, byte[] bytes) {
            willBe(at, bytes);
            change(at, bytes, client.startWrite(at, bytes, true));
            // FUA promises this write; and a consistent cut with it in it has all before it.
            promiseAll();
        }

        private void zero(int chunk, int count) {
            byte[] zeroes = new byte[count * CHUNK];
            willBe(chunk * CHUNK, zeroes);
            change(chunk * CHUNK, zeroes, client.startZero((long) chunk * CHUNK, zeroes.length, true, false));
        }

        private void trim(int chunk, int count) {
            byte[] zeroes = new byte[count * CHUNK];
            willBe(chunk * CHUNK, zeroes);
            change(chunk * CHUNK, zeroes, client.startTrim((long) chunk * CHUNK, zeroes.length, false));
        }

        private void flush() {
            assertThat(client.flush()).isEqualTo(Outcome.DONE);
            promiseAll();
            step();
        }

        private void promiseAll() {
            synchronized (states) {
                promised = states.size() - 1;
            }
        }

        private void drain() throws InterruptedException {
            while (!rig.writeBehind.drain()) {
                LockSupport.parkNanos(100_000);
            }
            step();
        }

        private void switchTo(Mode mode) throws InterruptedException {
            while (true) {
                try {
                    modes.switchTo(mode);
                    break;
                } catch (IOException e) {
                    LockSupport.parkNanos(100_000);
                }
            }
            assertThat(modes.mode()).isEqualTo(mode);
            step();
        }

        private void snapshot() throws IOException, InterruptedException {
            while (snapshots.begin(snapshotFile).await() != Snapshot.State.DONE) {
                assertThat(fault.hasStruck()).isTrue();
                assertThat(snapshotFile).doesNotExist();
                LockSupport.parkNanos(100_000);
            }
            assertThat(Arrays.mismatch(Files.readAllBytes(snapshotFile), now())).isEqualTo(-1);
            step();
        }

        private void heals() throws InterruptedException {
            while (!fault.isActive() && rig.faults.failing() != null) {
                // Whatever failed last is tried again at the next flush or round.
                drain();
                flush();
            }
            step();
        }

        private void stop() {
            snapshots.stop();
            rig.stopCleanly();
            step();
            while (true) {
                try {
                    log.markClean();
                    break;
                } catch (IOException e) {
                    LockSupport.parkNanos(100_000);
                }
            }
            step();
        }

        // ----------------------------------------------------------------------------------------------- checks

        void checkWhileItFails() throws IOException {
            checkLoadedIsServed();
            checkPowerCut();
        }

        private void checkLoadedIsServed() {
            List<byte[]> mayBe;
            BitSet chunks;
            synchronized (states) {
                mayBe = states.subList(Math.max(0, states.size() - 2), states.size()).stream()
                        .toList();
                chunks = (BitSet) loaded.clone();
            }
            if (rig.device.sessionCount() < 2) {
                return; // it is being stopped
            }
            for (int chunk = chunks.nextSetBit(0); chunk >= 0; chunk = chunks.nextSetBit(chunk + 1)) {
                int at = chunk * CHUNK;
                byte[] read = reader.read(at, CHUNK);
                assertThat(mayBe)
                        .as("chunk %d", chunk)
                        .anyMatch(state -> Arrays.equals(state, at, at + CHUNK, read, 0, CHUNK));
            }
        }

        /** What a loss of power at this moment leaves is a state of the device, no older than was promised. */
        private void checkPowerCut() throws IOException {
            MemoryBacking imageLeft;
            MemoryBacking journalLeft;
            int promisedNow;
            boolean wasUnsafe;
            // What is promised now is durable, and so it is when the disks are looked at.
            synchronized (states) {
                promisedNow = promised;
            }
            wasUnsafe = isUnsafe;
            synchronized (fault) {
                imageLeft = MemoryBacking.holding(image.durableContent());
                journalLeft = MemoryBacking.holding(journal.durableContent());
            }
            if (wasUnsafe || isUnsafe) {
                return;
            }
            try (JournalScan scan = JournalScan.of(journalLeft)) {
                assertThat(scan.verdict().mayBeRecovered())
                        .as("%s", scan.verdict())
                        .isTrue();
                Recovery.run(journalLeft, scan, imageLeft, scan.lastEpoch(), false, (done, total) -> {});
            }
            byte[] recovered = imageLeft.content();
            synchronized (states) {
                assertThat(states.subList(promisedNow, states.size()))
                        .as("what was promised, of %d states", states.size())
                        .anyMatch(state -> Arrays.equals(state, recovered));
            }
        }

        void checkStopped() throws IOException {
            assertThat(Arrays.mismatch(image.durableContent(), now())).isEqualTo(-1);
            try (JournalScan scan = JournalScan.of(MemoryBacking.holding(journal.durableContent()))) {
                assertThat(scan.verdict()).isEqualTo(JournalScan.Verdict.CLEAN);
            }
        }

        @Override
        public void close() {
            fault.cure();
            // A device that was found faulty is left in the middle of its script, which must not go on in memory that
            // is gone.
            thread.interrupt();
            try {
                assertThat(thread.join(Duration.ofSeconds(Gate.HANG_SECONDS)))
                        .as("the script has ended")
                        .isTrue();
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
            snapshots.stop();
            rig.close();
        }
    }
}
