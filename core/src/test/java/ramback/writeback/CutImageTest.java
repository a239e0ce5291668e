package ramback.writeback;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import ramback.backing.BackingIoException.Operation;
import ramback.backing.MemoryBacking;
import ramback.device.Mode;
import ramback.device.Outcome;
import ramback.journal.NoJournal;

/** An image that was cut short underneath: what RAM has of it is written again when it has its size again. */
class CutImageTest {
    private static final int CHUNK = 4096;
    private static final int CHUNK_COUNT = 256;

    private static byte[] random(int length, long seed) {
        byte[] bytes = new byte[length];
        new Random(seed).nextBytes(bytes);
        return bytes;
    }

    private static DeviceRig start(MemoryBacking backing, String log) {
        DeviceRig.Plan plan = DeviceRig.over(backing);
        return log.equals("journal")
                ? plan.journal(new MemoryLog(CHUNK, 16 << 20), 1 << 20)
                        .firstEpoch(1)
                        .start()
                : plan.journal(new NoJournal(), 0).start();
    }

    @ParameterizedTest
    @ValueSource(strings = {"journal", "none"})
    void whatWasCleanIsWrittenAgain(String log) {
        byte[] image = random(CHUNK_COUNT * CHUNK, 1);
        MemoryBacking backing = MemoryBacking.holding(image);
        try (DeviceRig rig = start(backing, log)) {
            rig.awaitLoaded();
            rig.awaitClean();
            backing.cut(100 * CHUNK + 5);
            rig.writeBehind.lookAtImage();
            DeviceRig.awaitTrue("it is stale", () -> rig.dirty.chunkCount() == CHUNK_COUNT - 100);
            DeviceRig.awaitTrue("it takes nothing", rig.faults::isApplyFailing);
            assertThat(rig.writeBehind.undurableChunkCount()).isEqualTo(CHUNK_COUNT - 100);
            RigClient client = rig.connect();
            assertThat(Arrays.mismatch(client.read(0, image.length), image)).isEqualTo(-1);
            backing.regrow();
            rig.awaitClean();
            DeviceRig.awaitTrue("it takes writes", () -> rig.faults.failing() == null);
            assertThat(Arrays.mismatch(backing.durableContent(), image)).isEqualTo(-1);
            rig.stopCleanly();
        }
    }

    @Test
    void aDrainLooksByItselfAndWaitsForAllOfIt() throws InterruptedException {
        byte[] image = random(CHUNK_COUNT * CHUNK, 2);
        MemoryBacking backing = MemoryBacking.holding(image);
        try (DeviceRig rig = start(backing, "journal")) {
            rig.awaitLoaded();
            // Cut and grown again before anybody looked.
            backing.cut(0);
            backing.regrow();
            assertThat(rig.writeBehind.drain()).isTrue();
            assertThat(Arrays.mismatch(backing.durableContent(), image)).isEqualTo(-1);
        }
    }

    @Test
    void whatWasNeverLoadedIsAnErrorAndNotZeroes() {
        byte[] image = random(CHUNK_COUNT * CHUNK, 3);
        MemoryBacking backing = MemoryBacking.holding(image);
        Gate gate = new Gate(call -> call.operation() == Operation.SEEK);
        try (DeviceRig rig = DeviceRig.over(backing).with(gate).start()) {
            gate.awaitArrived(1);
            backing.cut(100 * CHUNK);
            gate.open();
            RigClient client = rig.connect();
            assertThat(client.read(0, 100 * CHUNK)).isEqualTo(Arrays.copyOf(image, 100 * CHUNK));
            assertThat(RigClient.await(client.startRead(100 * CHUNK, CHUNK))).isEqualTo(Outcome.IO_ERROR);
            backing.regrow();
            assertThat(RigClient.await(client.startRead(200 * CHUNK, CHUNK))).isEqualTo(Outcome.IO_ERROR);
            assertThat(rig.faults.failing()).isNotNull();
            // Whoever writes all of it again has it again.
            byte[] rest = random(156 * CHUNK, 4);
            assertThat(client.write(100 * CHUNK, rest)).isEqualTo(Outcome.DONE);
            assertThat(client.read(100 * CHUNK, rest.length)).isEqualTo(rest);
        }
    }

    @Test
    void whatIsLoadedWhileItIsCutIsWrittenAgainToo() throws InterruptedException {
        byte[] image = random(CHUNK_COUNT * CHUNK, 5);
        MemoryBacking backing = MemoryBacking.holding(image);
        try (DeviceRig rig = DeviceRig.over(backing).start()) {
            rig.awaitLoaded();
            backing.cut(0);
            backing.regrow();
            assertThat(rig.writeBehind.drain()).isTrue();
            // A round that began while chunks were being marked is failed, and written again.
            long before = writtenBytes(backing);
            assertThat(before).isGreaterThanOrEqualTo(image.length);
            // As a loader says that had its bytes when the image was cut, and installed them after that was marked.
            rig.writeBehind.rewriteImage();
            assertThat(rig.writeBehind.drain()).isTrue();
            assertThat(writtenBytes(backing)).isGreaterThanOrEqualTo(before + image.length);
            rig.stopCleanly();
        }
    }

    private static long writtenBytes(MemoryBacking backing) {
        return backing.calls(Operation.WRITE).stream()
                .mapToLong(MemoryBacking.Call::lengthBytes)
                .sum();
    }

    /** Writers all along, in changing modes, while the image is cut again and again: in the end it has what RAM has. */
    @ParameterizedTest
    @ValueSource(strings = {"journal", "none"})
    void cutsAtAnyMomentLoseNothingThatRamHas(String log) throws InterruptedException {
        byte[] image = random(CHUNK_COUNT * CHUNK, 6);
        MemoryBacking backing = MemoryBacking.holding(image);
        Random random = new Random(7);
        try (DeviceRig rig = start(backing, log)) {
            rig.awaitLoaded();
            RigClient client = rig.connect();
            for (int cut = 0; cut < 60; cut++) {
                for (int i = 0; i < 40; i++) {
                    int at = random.nextInt(CHUNK_COUNT) * CHUNK;
                    int length = Math.min(image.length - at, (1 + random.nextInt(4)) * CHUNK);
                    if (random.nextInt(5) == 0) {
                        assertThat(client.trim(at, length)).isEqualTo(Outcome.DONE);
                        Arrays.fill(image, at, at + length, (byte) 0);
                    } else {
                        byte[] bytes = random(length, random.nextLong());
                        assertThat(client.write(at, bytes)).isEqualTo(Outcome.DONE);
                        System.arraycopy(bytes, 0, image, at, length);
                    }
                    if (i == 20) {
                        backing.cut(random.nextInt(image.length));
                    }
                    if (i == 20 + random.nextInt(20)) {
                        rig.writeBehind.lookAtImage();
                    }
                }
                if (log.equals("none")) {
                    rig.switchMode(random.nextBoolean() ? Mode.WRITEBACK : Mode.UNSAFE);
                }
                backing.regrow();
                rig.writeBehind.lookAtImage();
                if (random.nextBoolean()) {
                    while (!rig.writeBehind.drain()) {
                        Thread.onSpinWait();
                    }
                    assertThat(Arrays.mismatch(backing.durableContent(), image)).isEqualTo(-1);
                }
            }
            assertThat(Arrays.mismatch(client.read(0, image.length), image)).isEqualTo(-1);
            rig.stopCleanly();
            assertThat(Arrays.mismatch(backing.durableContent(), image)).isEqualTo(-1);
        }
    }
}
