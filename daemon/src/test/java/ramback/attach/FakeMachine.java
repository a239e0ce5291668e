package ramback.attach;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import ramback.engine.DeviceLife;

/** A root directory with as much of {@code /proc}, {@code /sys} and {@code /dev} as is looked at. */
final class FakeMachine {

    final Path root;
    private final List<String> mounts = new ArrayList<>();

    FakeMachine(Path root) throws IOException {
        this.root = root;
        Files.createDirectories(root.resolve("proc/self"));
        Files.createDirectories(root.resolve("sys/block"));
        Files.createDirectories(root.resolve("sys/class/block"));
        writeMounts();
    }

    /** Of one and the same device, all of one start but for what was lost. */
    static DeviceLife life(long exportGeneration) {
        return new DeviceLife(new UUID(1, 2), 0xab, exportGeneration);
    }

    private void writeMounts() throws IOException {
        Files.writeString(root.resolve("proc/self/mountinfo"), String.join("", mounts));
    }

    FakeMachine mount(String number, String directory, String type, String source) throws IOException {
        mounts.add(
                (20 + mounts.size()) + " 1 " + number + " / " + directory + " rw - " + type + " " + source + " rw\n");
        writeMounts();
        return this;
    }

    FakeMachine disk(String name, String number) throws IOException {
        Files.createDirectories(root.resolve("sys/block").resolve(name));
        return numbered(name, number);
    }

    private FakeMachine numbered(String name, String number) throws IOException {
        Path directory = Files.createDirectories(root.resolve("sys/class/block").resolve(name));
        Files.writeString(directory.resolve("dev"), number + "\n");
        return this;
    }

    FakeMachine partition(String disk, String name, String number) throws IOException {
        Path directory =
                Files.createDirectories(root.resolve("sys/block").resolve(disk).resolve(name));
        Files.writeString(directory.resolve("partition"), "1\n");
        return numbered(name, number);
    }

    FakeMachine loop(String name, String number, String file, int sequence) throws IOException {
        disk(name, number);
        Files.createDirectories(root.resolve("sys/block").resolve(name).resolve("loop"));
        attribute(name, "loop/backing_file", file);
        return attribute(name, "diskseq", Integer.toString(sequence));
    }

    FakeMachine attribute(String disk, String attribute, String value) throws IOException {
        Files.writeString(root.resolve("sys/block").resolve(disk).resolve(attribute), value + "\n");
        return this;
    }

    FakeMachine boot(String id) throws IOException {
        Path directory = Files.createDirectories(root.resolve("proc/sys/kernel/random"));
        Files.writeString(directory.resolve("boot_id"), id + "\n");
        return this;
    }
}
