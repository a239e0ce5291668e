package ramback.writeback;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import ramback.backing.BackingOpenException;
import ramback.backing.BackingOpenException.Reason;
import ramback.backing.FileBacking;
import ramback.clock.Clock;
import ramback.clock.ManualClock;
import ramback.posix.FileStatus;
import ramback.posix.Posix;

class SnapshotsTest {
    private static final int CHUNK = 4096;
    private static final long ROOMY = 64L << 20;
    private static final int LENGTH_MAX = 200_000;

    private static byte[] filled(int length, int value) {
        byte[] bytes = new byte[length];
        Arrays.fill(bytes, (byte) value);
        return bytes;
    }

    private static CompletableFuture<Void> start(Runnable task) {
        CompletableFuture<Void> done = new CompletableFuture<>();
        Thread.ofPlatform().daemon(true).start(() -> {
            try {
                task.run();
                done.complete(null);
            } catch (Throwable e) {
                done.completeExceptionally(e);
            }
        });
        return done;
    }

    private static void await(CompletableFuture<Void> task) {
        try {
            task.get(Gate.HANG_SECONDS, TimeUnit.SECONDS);
        } catch (Exception e) {
            throw new AssertionError(e);
        }
    }

    private static Snapshot.State await(Snapshot snapshot) {
        DeviceRig.awaitTrue("the snapshot ends", () -> snapshot.state().isFinal());
        return snapshot.state();
    }

    /** Any change at any point of the way: the file has what the device had at the cut, the device what was written. */
    @ParameterizedTest
    @CsvSource({"4096, 67108864", "4096, 8192", "65536, 67108864", "1048576, 1048576"})
    void theFileShowsTheMomentOfTheCut(int chunkBytes, long bufferBytes) {
        int chunkCount = chunkBytes == 1 << 20 ? 5 : 150;
        for (long seed = 1; seed <= 15; seed++) {
            Random random = new Random(seed);
            int sizeBytes = chunkCount * chunkBytes - random.nextInt(chunkBytes);
            try (SnapshotRig rig = new SnapshotRig(sizeBytes, chunkBytes, bufferBytes)) {
                for (int i = 0; i < 40; i++) {
                    change(rig, random, chunkCount, sizeBytes, LENGTH_MAX);
                }
                Snapshot snapshot = rig.begin("copy");
                assertThat(snapshot.totalBytes()).isEqualTo(sizeBytes);
                assertThat(rig.snapshots.agent().step()).isZero();
                assertThat(snapshot.state()).isEqualTo(Snapshot.State.COPYING);
                byte[] atTheCut = rig.content();
                boolean isRoomy = bufferBytes >= sizeBytes;
                int changes = 0;
                do {
                    // In a small buffer one thread alone can change no more than what fits.
                    if (isRoomy || rig.snapshots.bufferUsedBytes() == 0) {
                        change(rig, random, chunkCount, sizeBytes, isRoomy ? LENGTH_MAX : 1);
                        changes++;
                    }
                } while (rig.snapshots.agent().step() != Clock.NEVER);
                assertThat(snapshot.state()).as(snapshot.failure()).isEqualTo(Snapshot.State.DONE);
                assertThat(changes).isPositive();
                assertThat(rig.bytesOf("copy")).as("seed " + seed).isEqualTo(atTheCut);
                assertThat(rig.names()).containsExactly("copy");
                assertThat(snapshot.doneBytes()).isEqualTo(sizeBytes);
            }
        }
    }

    private static void change(SnapshotRig rig, Random random, int chunkCount, int sizeBytes, int lengthMax) {
        if (random.nextInt(4) == 0 && lengthMax > 1) {
            int first = random.nextInt(chunkCount);
            int last = Math.min(first + random.nextInt(20), Math.min(first | 63, chunkCount - 1));
            rig.zero(random.nextInt(SnapshotRig.WORKER_COUNT), first, last);
            return;
        }
        byte[] bytes = new byte[1 + random.nextInt(Math.min(lengthMax, sizeBytes))];
        if (random.nextInt(5) > 0) {
            random.nextBytes(bytes);
        }
        rig.write(random.nextInt(SnapshotRig.WORKER_COUNT), random.nextInt(sizeBytes - bytes.length + 1), bytes);
    }

    @Test
    void zeroesAreHoles() throws IOException {
        int big = 64 << 10;
        try (SnapshotRig rig = new SnapshotRig(64 * big, big, ROOMY)) {
            rig.write(0, 3 * big + 8192, filled(CHUNK, 1));
            rig.write(0, 10 * big, filled(big, 2));
            rig.zero(0, 10, 10);
            rig.write(0, 20 * big, filled(2 * big, 0));
            Snapshot snapshot = rig.begin("copy");
            rig.stepToTheEnd();
            assertThat(snapshot.state()).isEqualTo(Snapshot.State.DONE);
            assertThat(rig.bytesOf("copy")).isEqualTo(rig.content());
            assertThat(SnapshotRig.isData(rig.file("copy"), 3 * big + 8192, 3 * big + 8192 + CHUNK))
                    .isTrue();
            try (FileBacking copy = FileBacking.open(rig.file("copy"), true)) {
                FileStatus status = copy.status();
                assertThat(status.allocatedBytes()).isEqualTo(CHUNK);
                assertThat(copy.sizeBytes()).isEqualTo(64 * big);
            }
            assertThat(snapshot.writtenBytes()).isEqualTo(CHUNK);
        }
    }

    @Test
    void aDeviceOfZeroesIsCopiedInNoTime() {
        try (SnapshotRig rig = new SnapshotRig(1L << 30, CHUNK, ROOMY, true, Clock.SYSTEM)) {
            rig.load();
            Snapshot snapshot = rig.begin("copy");
            int steps = 0;
            while (rig.snapshots.agent().step() != Clock.NEVER) {
                steps++;
            }
            assertThat(steps).isLessThan(8);
            assertThat(snapshot.state()).isEqualTo(Snapshot.State.DONE);
            assertThat(SnapshotRig.isData(rig.file("copy"), 0, 1L << 30)).isFalse();
        }
    }

    @Test
    void whenTheBufferIsFullWritersWaitForTheFile() {
        try (SnapshotRig rig = new SnapshotRig(256 * CHUNK, CHUNK, 4 * CHUNK)) {
            rig.write(0, 0, filled(256 * CHUNK, 1));
            Snapshot snapshot = rig.begin("copy");
            rig.target().hold();
            rig.snapshots.start();
            rig.target().awaitHeld();
            // The first MiB is on its way already, so what is behind it has to be copied by the writer.
            CompletableFuture<Void> writer = start(() -> {
                for (int chunk = 0; chunk < 256; chunk++) {
                    rig.write(1, (long) chunk * CHUNK, filled(CHUNK, 2));
                }
            });
            rig.target().letGo();
            await(writer);
            assertThat(await(snapshot)).isEqualTo(Snapshot.State.DONE);
            assertThat(rig.bytesOf("copy")).containsOnly(1);
            assertThat(rig.content()).containsOnly(2);
        }
    }

    @Test
    void aWriterThatWaitsIsSeenAndGoesOnWhenTheSnapshotIsCancelled() {
        try (SnapshotRig rig = new SnapshotRig(600 * CHUNK, CHUNK, 4 * CHUNK)) {
            rig.write(0, 0, filled(600 * CHUNK, 1));
            Snapshot snapshot = rig.begin("copy");
            rig.target().hold();
            rig.snapshots.start();
            rig.target().awaitHeld();
            CompletableFuture<Void> writer = start(() -> rig.write(1, 500L * CHUNK, filled(100 * CHUNK, 2)));
            DeviceRig.awaitTrue("the writer waits", rig.snapshots::isThrottling);
            assertThat(rig.snapshots.bufferUsedBytes()).isEqualTo(4 * CHUNK);
            assertThat(writer).isNotDone();
            rig.snapshots.cancel();
            // The file's disk is stuck still.
            await(writer);
            assertThat(snapshot.state()).isEqualTo(Snapshot.State.COPYING);
            rig.target().letGo();
            assertThat(await(snapshot)).isEqualTo(Snapshot.State.CANCELLED);
            assertThat(rig.names()).isEmpty();
            assertThat(snapshot.failure()).contains("cancelled");
        }
    }

    @Test
    void aFileThatTakesNothingForHalfAMinuteIsGivenUpForTheWriters() {
        ManualClock clock = new ManualClock();
        try (SnapshotRig rig = new SnapshotRig(600 * CHUNK, CHUNK, 4 * CHUNK, false, clock)) {
            rig.load();
            rig.write(0, 0, filled(600 * CHUNK, 1));
            Snapshot snapshot = rig.begin("copy");
            rig.target().hold();
            rig.snapshots.start();
            rig.target().awaitHeld();
            CompletableFuture<Void> writer = start(() -> rig.write(1, 500L * CHUNK, filled(100 * CHUNK, 2)));
            DeviceRig.awaitTrue("the writer waits", rig.snapshots::isThrottling);
            clock.pass(29_000_000_000L);
            assertThat(writer).isNotDone();
            clock.pass(2_000_000_000L);
            await(writer);
            rig.target().letGo();
            assertThat(await(snapshot)).isEqualTo(Snapshot.State.FAILED);
            assertThat(snapshot.failure()).contains("30 s").contains("--snapshot-buffer");
            assertThat(rig.names()).isEmpty();
        }
    }

    @Test
    void aFullDiskEndsTheSnapshotAndNothingElse() {
        try (SnapshotRig rig = new SnapshotRig(2000 * CHUNK, CHUNK, 4 * CHUNK)) {
            rig.write(0, 0, filled(2000 * CHUNK, 1));
            Snapshot snapshot = rig.begin("copy");
            rig.target().roomBytes(3 << 20);
            rig.stepToTheEnd();
            assertThat(snapshot.state()).isEqualTo(Snapshot.State.FAILED);
            assertThat(snapshot.failure()).contains("copy.partial").contains("No space left");
            assertThat(rig.names()).isEmpty();
            rig.write(0, 0, filled(2000 * CHUNK, 2));
            Snapshot next = rig.begin("copy");
            rig.stepToTheEnd();
            assertThat(next.state()).isEqualTo(Snapshot.State.DONE);
            assertThat(rig.bytesOf("copy")).containsOnly(2);
        }
    }

    @Test
    void stoppingTheDeviceCancels() {
        try (SnapshotRig rig = new SnapshotRig(600 * CHUNK, CHUNK, 4 * CHUNK)) {
            rig.write(0, 0, filled(600 * CHUNK, 1));
            Snapshot snapshot = rig.begin("copy");
            rig.snapshots.agent().step();
            rig.snapshots.agent().step();
            assertThat(rig.names()).containsExactly("copy.partial");
            rig.snapshots.stop();
            assertThat(snapshot.state()).isEqualTo(Snapshot.State.CANCELLED);
            assertThat(rig.names()).isEmpty();
        }
    }

    @Test
    void noneIsBegunWhenTheDeviceStops() {
        try (SnapshotRig rig = new SnapshotRig(64 * CHUNK, CHUNK, 4 * CHUNK)) {
            rig.snapshots.stop();
            assertRefused(rig, rig.file("copy"), Reason.FAILED, "the device stops");
            assertThat(rig.snapshots.newest()).isNull();
            assertThat(rig.names()).isEmpty();
        }
    }

    @Test
    void itDoesNotWaitForWhatCannotBeRead() {
        try (SnapshotRig rig = new SnapshotRig(64 * CHUNK, CHUNK, 4 * CHUNK, false, Clock.SYSTEM)) {
            AtomicLong failedPasses = new AtomicLong(3);
            rig.snapshots.giveUpAfterFailed(failedPasses::get);
            rig.write(0, 0, filled(CHUNK, 1));
            for (String name : new String[] {"copy", "again"}) {
                Snapshot snapshot = rig.begin(name);
                // Until the next pass over the image is over it may turn out to be mended.
                assertThat(rig.snapshots.agent().step()).isPositive();
                failedPasses.incrementAndGet();
                assertThat(rig.snapshots.agent().step()).isEqualTo(Clock.NEVER);
                assertThat(snapshot.state()).isEqualTo(Snapshot.State.FAILED);
                assertThat(snapshot.failure()).contains("63 chunks of the image can't be read");
                assertThat(rig.names()).isEmpty();
            }
        }
    }

    @Test
    void itWaitsUntilAllIsLoaded() {
        try (SnapshotRig rig = new SnapshotRig(64 * CHUNK, CHUNK, 4 * CHUNK, false, Clock.SYSTEM)) {
            rig.write(0, 0, filled(CHUNK, 1));
            Snapshot snapshot = rig.begin("copy");
            for (int i = 0; i < 3; i++) {
                assertThat(rig.snapshots.agent().step()).isPositive();
                assertThat(snapshot.state()).isEqualTo(Snapshot.State.LOADING);
            }
            rig.write(0, CHUNK, filled(CHUNK, 2));
            rig.load();
            rig.stepToTheEnd();
            assertThat(snapshot.state()).isEqualTo(Snapshot.State.DONE);
            assertThat(rig.bytesOf("copy")).isEqualTo(rig.content());
        }
    }

    private static void assertRefused(SnapshotRig rig, Path file, Reason reason, String text) {
        assertThatThrownBy(() -> rig.snapshots.begin(file))
                .isInstanceOfSatisfying(
                        BackingOpenException.class, e -> assertThat(e.reason()).isEqualTo(reason))
                .hasMessageContaining(file.toString())
                .hasMessageContaining(text);
    }

    @Test
    void whatIsThereIsNotReplaced() throws IOException {
        try (SnapshotRig rig = new SnapshotRig(64 * CHUNK, CHUNK, 4 * CHUNK)) {
            Files.writeString(rig.file("precious"), "mine");
            assertRefused(rig, rig.file("precious"), Reason.EXISTS, "choose another name");
            assertRefused(rig, rig.file("nowhere/copy"), Reason.MISSING, "");
            Snapshot snapshot = rig.begin("copy");
            Files.writeString(rig.file("copy"), "mine, too");
            rig.stepToTheEnd();
            assertThat(snapshot.state()).isEqualTo(Snapshot.State.FAILED);
            assertThat(snapshot.failure()).contains("exists");
            assertThat(rig.names()).containsExactly("copy", "precious");
            assertThat(Files.readString(rig.file("copy"))).isEqualTo("mine, too");
            assertThat(Files.readString(rig.file("precious"))).isEqualTo("mine");
        }
    }

    @Test
    void whatACrashLeftIsReplaced() throws IOException {
        try (SnapshotRig rig = new SnapshotRig(64 * CHUNK, CHUNK, 4 * CHUNK)) {
            for (String left : new String[] {"", "half a snapshot"}) {
                Files.writeString(rig.file("copy.partial"), left);
                Snapshot snapshot = rig.begin("copy");
                rig.stepToTheEnd();
                assertThat(snapshot.state()).isEqualTo(Snapshot.State.DONE);
                assertThat(rig.names()).containsExactly("copy");
                Files.delete(rig.file("copy"));
            }
        }
    }

    @Test
    void thereIsOneAtATime() throws IOException {
        try (SnapshotRig rig = new SnapshotRig(64 * CHUNK, CHUNK, 4 * CHUNK);
                SnapshotRig other = new SnapshotRig(64 * CHUNK, CHUNK, 4 * CHUNK)) {
            rig.begin("copy");
            assertThatThrownBy(() -> rig.snapshots.begin(rig.file("second")))
                    .hasMessageContaining(rig.file("copy").toString())
                    .hasMessageContaining("cancel");
            // Nor do two devices write to one file.
            assertThatThrownBy(() -> other.snapshots.begin(rig.file("copy")))
                    .isInstanceOfSatisfying(
                            BackingOpenException.class,
                            e -> assertThat(e.reason()).isEqualTo(Reason.IN_USE));
            rig.stepToTheEnd();
            assertThat(rig.begin("second").state()).isEqualTo(Snapshot.State.LOADING);
            rig.stepToTheEnd();
            assertThat(rig.names()).containsExactly("copy", "second");
        }
    }

    @Test
    void itsFileIsItsOwnersAlone() throws IOException {
        try (SnapshotRig rig = new SnapshotRig(64 * CHUNK, CHUNK, 4 * CHUNK)) {
            rig.begin("copy");
            rig.stepToTheEnd();
            int fd = Posix.open(rig.file("copy"), Posix.O_RDONLY, 0);
            try {
                assertThat(Posix.status(fd).mode() & 0777).isEqualTo(0600);
            } finally {
                Posix.close(fd);
            }
        }
    }
}
