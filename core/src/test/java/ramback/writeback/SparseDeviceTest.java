package ramback.writeback;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import ramback.backing.MemoryBacking;
import ramback.device.Mode;
import ramback.device.Outcome;
import ramback.memory.Granules;
import ramback.posix.Posix;

/** Devices whose memory is taken as it is touched. */
class SparseDeviceTest {
    private static final int GRANULE = 2 << 20;

    private static byte[] filled(int length, int value) {
        byte[] bytes = new byte[length];
        Arrays.fill(bytes, (byte) value);
        return bytes;
    }

    @Test
    void memoryThatReadsAsZeroesIsGivenBack() {
        MemoryBacking backing = new MemoryBacking(8 * GRANULE);
        try (DeviceRig rig = DeviceRig.over(backing)
                .sparse(true)
                .mode(Mode.UNSAFE)
                .lagNanos(1)
                .start()) {
            Granules memory = Objects.requireNonNull(rig.segment.granules());
            RigClient client = rig.connect();
            client.write(GRANULE, filled(3 * GRANULE, 7));
            assertThat(memory.holds(GRANULE, 3L * GRANULE)).isTrue();
            client.trim(GRANULE + 4096, 2L * GRANULE);
            DeviceRig.awaitTrue("the whole granule is given back", () -> !memory.holds(2L * GRANULE, 1));
            assertThat(memory.holds(GRANULE, 1)).isTrue();
            assertThat(memory.holds(3L * GRANULE, 1)).isTrue();
            assertThat(client.read(2L * GRANULE, GRANULE)).isEqualTo(new byte[GRANULE]);
            assertThat(client.read(GRANULE, 4096)).containsOnly(7);
            rig.stopCleanly();
            assertThat(Arrays.copyOfRange(backing.durableContent(), GRANULE + 4096, 3 * GRANULE + 4096))
                    .isEqualTo(new byte[2 * GRANULE]);
        }
    }

    @Test
    void holesOfTheImageTakeNoMemory() {
        MemoryBacking backing = new MemoryBacking(8 * GRANULE);
        try (DeviceRig rig = DeviceRig.over(backing).sparse(true).start()) {
            rig.awaitLoaded();
            assertThat(rig.connect().read(0, 8 * GRANULE)).isEqualTo(new byte[8 * GRANULE]);
            Granules memory = Objects.requireNonNull(rig.segment.granules());
            for (int granule = 0; granule < 8; granule++) {
                assertThat(memory.holds((long) granule * GRANULE, 1)).isFalse();
            }
        }
    }

    @Test
    void aFloodOfTrimsDoesNotHoldUpAFlush() throws InterruptedException {
        MemoryBacking backing = new MemoryBacking(16 * GRANULE);
        try (DeviceRig rig = DeviceRig.over(backing).sparse(true).start()) {
            rig.awaitLoaded();
            RigClient flooding = rig.connect();
            RigClient client = rig.connect();
            AtomicBoolean over = new AtomicBoolean();
            Thread flood = Thread.ofPlatform().start(() -> {
                while (!over.get()) {
                    flooding.trim(8L * GRANULE, 4L * GRANULE);
                }
            });
            try {
                for (int i = 0; i < 20; i++) {
                    client.write(0, filled(4096, i));
                    CompletableFuture<Outcome> flush = client.startFlush();
                    assertThat(RigClient.await(flush)).isEqualTo(Outcome.DONE);
                }
            } finally {
                over.set(true);
                flood.join();
            }
        }
    }

    @Test
    void withoutMemoryClientsGetErrorsAndTheDeviceLives() throws IOException, InterruptedException {
        assumeTrue(Posix.effectiveUserId() == 0, "a mount needs root");
        assumeTrue(Files.isExecutable(Path.of("/usr/bin/unshare")), "no unshare here");
        Path directory = Files.createTempDirectory("ramback-full-memory-test");
        try {
            // In a mount namespace of its own, which ends with the process.
            Process probe = new ProcessBuilder(
                            "/usr/bin/unshare",
                            "--mount",
                            "sh",
                            "-c",
                            "mount -t tmpfs -o size=12m ramback-test \"$0\" && exec \"$@\"",
                            directory.toString(),
                            Path.of(System.getProperty("java.home"), "bin", "java")
                                    .toString(),
                            "-ea",
                            "-Xmx256m",
                            "--enable-native-access=ALL-UNNAMED",
                            "-cp",
                            System.getProperty("java.class.path"),
                            FullMemoryProbe.class.getName(),
                            directory.toString())
                    .redirectErrorStream(true)
                    .start();
            String output = new String(probe.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            assertThat(probe.waitFor()).as(output).isZero();
            assertThat(output).endsWith("all well\n");
        } finally {
            Files.delete(directory);
        }
    }
}
