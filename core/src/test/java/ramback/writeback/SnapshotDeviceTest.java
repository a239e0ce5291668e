package ramback.writeback;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import ramback.backing.BackingIoException.Operation;
import ramback.backing.FileBacking;
import ramback.backing.MemoryBacking;
import ramback.clock.Clock;
import ramback.device.Outcome;
import ramback.memory.Granules;

/** Snapshots of whole devices: beside loading, write-behind and memory that is given back. */
class SnapshotDeviceTest {
    private static final int GRANULE = 2 << 20;
    private static final long BUFFER_BYTES = 64L << 20;

    private Path directory;

    @BeforeEach
    void makeDirectory() throws IOException {
        directory = Files.createTempDirectory(Path.of("/dev/shm"), "ramback-snapshot-test");
    }

    @AfterEach
    void removeDirectory() throws IOException {
        Files.deleteIfExists(directory.resolve("copy"));
        Files.delete(directory);
    }

    private static byte[] random(int length, long seed) {
        byte[] bytes = new byte[length];
        new Random(seed).nextBytes(bytes);
        return bytes;
    }

    private byte[] copy() throws IOException {
        return Files.readAllBytes(directory.resolve("copy"));
    }

    private static void awaitDone(Snapshot snapshot) {
        DeviceRig.awaitTrue("the snapshot ends", () -> snapshot.state().isFinal());
        assertThat(snapshot.state()).as(snapshot.failure()).isEqualTo(Snapshot.State.DONE);
    }

    @Test
    void itWaitsForTheImageToBeLoadedWhileClientsGoOn() throws IOException {
        int size = 3 * GRANULE + 1234;
        byte[] model = random(size, 1);
        MemoryBacking backing = MemoryBacking.holding(model);
        Gate reads = new Gate(call -> call.operation() == Operation.READ);
        try (DeviceRig rig = DeviceRig.over(backing).with(reads).start()) {
            Snapshots snapshots = new Snapshots(rig.store, Clock.SYSTEM, BUFFER_BYTES);
            snapshots.start();
            try {
                Snapshot snapshot = snapshots.begin(directory.resolve("copy"));
                reads.awaitArrived(1);
                RigClient client = rig.connect();
                byte[] written = random(GRANULE, 2);
                assertThat(client.write(GRANULE, written)).isEqualTo(Outcome.DONE);
                System.arraycopy(written, 0, model, GRANULE, GRANULE);
                assertThat(snapshot.state()).isEqualTo(Snapshot.State.LOADING);
                reads.open();
                awaitDone(snapshot);
                assertThat(client.write(0, random(GRANULE, 3))).isEqualTo(Outcome.DONE);
                assertThat(copy()).isEqualTo(model);
                System.arraycopy(random(GRANULE, 3), 0, model, 0, GRANULE);
            } finally {
                snapshots.stop();
            }
            rig.stopCleanly();
            assertThat(backing.durableContent()).isEqualTo(model);
        }
    }

    /** What the clients of a device do while its file takes nothing is not in it, nor lost. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void whatIsOverwrittenTrimmedAndGivenBackIsInItAllTheSame(boolean sparse) throws IOException {
        int size = 8 * GRANULE;
        byte[] before = random(size, 4);
        MemoryBacking backing = MemoryBacking.holding(before);
        AtomicReference<HeldBacking> target = new AtomicReference<>();
        try (DeviceRig rig = DeviceRig.over(backing).sparse(sparse).start()) {
            rig.awaitLoaded();
            Snapshots snapshots = new Snapshots(rig.store, Clock.SYSTEM, BUFFER_BYTES, (path, length) -> {
                HeldBacking held = new HeldBacking(FileBacking.create(path, length));
                held.hold();
                target.set(held);
                return held;
            });
            snapshots.start();
            byte[] after = before.clone();
            try {
                Snapshot snapshot = snapshots.begin(directory.resolve("copy"));
                HeldBacking held = target.get();
                held.awaitHeld();
                RigClient client = rig.connect();
                client.trim(4096, 5L * GRANULE);
                Arrays.fill(after, 4096, 4096 + 5 * GRANULE, (byte) 0);
                byte[] written = random(GRANULE, 5);
                client.write(5L * GRANULE + 77, written);
                System.arraycopy(written, 0, after, 5 * GRANULE + 77, GRANULE);
                if (sparse) {
                    Granules memory = Objects.requireNonNull(rig.segment.granules());
                    DeviceRig.awaitTrue("memory is given back", () -> !memory.holds(2L * GRANULE, 1));
                }
                assertThat(client.flush()).isEqualTo(Outcome.DONE);
                assertThat(client.read(0, size)).isEqualTo(after);
                assertThat(snapshot.state()).isEqualTo(Snapshot.State.COPYING);
                held.letGo();
                awaitDone(snapshot);
                assertThat(copy()).isEqualTo(before);
            } finally {
                target.get().letGo();
                snapshots.stop();
            }
            rig.stopCleanly();
            assertThat(backing.durableContent()).isEqualTo(after);
        }
    }
}
