package ramback.writeback;

import java.nio.file.Path;
import java.util.Arrays;
import ramback.backing.MemoryBacking;
import ramback.device.Mode;
import ramback.device.Outcome;

/**
 * Runs sparse devices in a directory on a tmpfs of 12 MiB until its memory is out. Run by {@link SparseDeviceTest} in a
 * process of its own: a touch too many would be a SIGBUS.
 */
final class FullMemoryProbe {
    private static final int MIB = 1 << 20;

    private FullMemoryProbe() {}

    private static void expect(String what, Object actual, Object expected) {
        if (!expected.equals(actual)) {
            throw new AssertionError(what + ": " + actual + " instead of " + expected);
        }
    }

    private static byte[] filled(int length, int value) {
        byte[] bytes = new byte[length];
        Arrays.fill(bytes, (byte) value);
        return bytes;
    }

    public static void main(String[] arguments) {
        Path directory = Path.of(arguments[0]);
        writing(directory);
        loading(directory);
        System.out.println("all well");
    }

    private static void writing(Path directory) {
        MemoryBacking backing = new MemoryBacking(64 * MIB);
        try (DeviceRig rig = DeviceRig.over(backing)
                .in(directory)
                .sparse(true)
                .mode(Mode.UNSAFE)
                .sessionCountMax(2)
                .start()) {
            rig.awaitLoaded();
            RigClient client = rig.connect();
            int written = 0;
            while (client.write((long) written * MIB, filled(MIB, written + 1)) == Outcome.DONE) {
                written++;
            }
            if (written < 4 || written > 12) {
                throw new AssertionError(written + " MiB were written");
            }
            expect("a write without memory", client.write(40L * MIB + 5, filled(10, 1)), Outcome.NO_SPACE);
            // Zeroes need none, and what is there stays readable and writable.
            expect("zeroes", RigClient.await(client.startZero(50L * MIB, MIB, true, false)), Outcome.DONE);
            expect("the last written byte", client.read((long) written * MIB - 1, 1)[0], (byte) written);
            expect("an overwrite", client.write(0, filled(4096, 99)), Outcome.DONE);
            client.trim(0, 4L * MIB);
            DeviceRig.awaitTrue(
                    "there is memory again", () -> client.write(40L * MIB, filled(MIB, 77)) == Outcome.DONE);
            expect("trimmed", client.read(0, 1)[0], (byte) 0);
            rig.stopCleanly();
            byte[] image = backing.durableContent();
            expect("image, trimmed", image[0], (byte) 0);
            expect("image, written", image[40 * MIB], (byte) 77);
            expect("image, last before memory ran out", image[written * MIB - 1], (byte) written);
        }
    }

    private static void loading(Path directory) {
        MemoryBacking backing = MemoryBacking.holding(filled(32 * MIB, 5));
        try (DeviceRig rig = DeviceRig.over(backing)
                .in(directory)
                .sparse(true)
                .sessionCountMax(2)
                .start()) {
            RigClient client = rig.connect();
            DeviceRig.awaitTrue("loading fails", rig.faults::isFailing);
            expect("a read without memory", RigClient.await(client.startRead(30L * MIB, 4096)), Outcome.IO_ERROR);
            expect("a write without memory", client.write(30L * MIB, filled(4096, 1)), Outcome.NO_SPACE);
            expect("a trim", client.trim(0, 32L * MIB), Outcome.DONE);
            rig.awaitLoaded();
            expect("zeroes", client.read(30L * MIB, 1)[0], (byte) 0);
            rig.stopCleanly();
            expect("image", backing.durableContent()[31 * MIB], (byte) 0);
        }
    }
}
