package ramback.attach;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import ramback.remote.RemoteUri;

/**
 * The machine's block devices, as {@code /sys} has them at the moment of each call. Source: the kernel's
 * Documentation/ABI/stable/sysfs-block, and drivers/block/loop.c for {@code loop/backing_file}.
 */
final class BlockDevices {

    private final Path root;
    private final Path disks;

    /** @param root the machine's root directory */
    BlockDevices(Path root) {
        this.root = root;
        this.disks = root.resolve("sys/block");
    }

    /** The names of all loop devices that have a file. */
    List<String> loops() throws IOException {
        return namesIn(disks, "loop*").stream()
                .filter(name -> backingFile(name) != null)
                .toList();
    }

    /** The file of a loop device as the kernel names it now, or null when it has none. */
    @Nullable
    String backingFile(String loop) {
        return attribute(loop, "loop/backing_file");
    }

    /**
     * Whether a disk of this name has something behind it: a loop device a file, one of nbd a server, others as long
     * as they exist.
     */
    boolean isInUse(String name) {
        if (name.startsWith("loop")) {
            return backingFile(name) != null;
        }
        return name.startsWith("nbd") ? attribute(name, "pid") != null : Files.isDirectory(disks.resolve(name));
    }

    /**
     * Whether a disk of this name may be a Ramback device, of whichever directory: where the kernel doesn't say whose
     * it is, any may be.
     */
    boolean isRamback(String name) {
        if (name.startsWith("loop")) {
            String file = backingFile(name);
            return file != null && file.endsWith("/" + Parts.FUSE_DISK);
        }
        String backend = attribute(name, "backend");
        return isInUse(name) && (!name.startsWith("nbd") || backend == null || RemoteUri.isMeant(backend));
    }

    /** Whether a block device of the kernel's NBD client has a server, or had one and waits for it. */
    boolean isConnected(int index) {
        return attribute("nbd" + index, "pid") != null;
    }

    /**
     * What tells a disk's present life from every other one of the same name: whose server's export it is for one of
     * the kernel's NBD client, which is the same disk to the kernel whoever connects it; for others the kernel's number
     * for it, with that of the boot, since a run directory may outlive it. "" where the kernel doesn't say (before 5.15).
     */
    String life(String name) {
        String text = attribute(name, name.startsWith("nbd") ? "backend" : "diskseq");
        if (text == null) {
            return "";
        }
        return name.startsWith("nbd") ? text : text + "@" + bootId();
    }

    private String bootId() {
        try {
            return Files.readString(root.resolve("proc/sys/kernel/random/boot_id"))
                    .strip();
        } catch (IOException e) {
            return "";
        }
    }

    /** Any attribute of a disk, without the newline behind it, or null when it has none. */
    @Nullable
    String attribute(String name, String attribute) {
        try {
            String text = new String(Files.readAllBytes(disks.resolve(name).resolve(attribute)), UTF_8);
            return text.endsWith("\n") ? text.substring(0, text.length() - 1) : text;
        } catch (IOException e) {
            return null; // gone meanwhile, as much as never there
        }
    }

    /** A disk and its partitions: their names. */
    List<String> family(String disk) {
        List<String> family = new ArrayList<>(List.of(disk));
        try {
            for (String name : namesIn(disks.resolve(disk), disk + "p*")) {
                if (Files.exists(disks.resolve(disk).resolve(name).resolve("partition"))) {
                    family.add(name);
                }
            }
        } catch (IOException e) {
            // Gone meanwhile.
        }
        return family;
    }

    /** {@code MAJOR:MINOR} of a disk or partition, or "" when it is gone. */
    String number(String name) {
        try {
            return Files.readString(
                            root.resolve("sys/class/block").resolve(name).resolve("dev"))
                    .strip();
        } catch (IOException e) {
            return "";
        }
    }

    /** What is made of a disk or partition by device mapper or MD: its names, as people know them. */
    List<String> holders(String name) {
        List<String> holders = new ArrayList<>();
        try {
            Path directory = root.resolve("sys/class/block").resolve(name).resolve("holders");
            for (String holder : namesIn(directory, "*")) {
                String mapped = attribute(holder, "dm/name");
                holders.add(mapped == null ? "/dev/" + holder : "/dev/mapper/" + mapped);
            }
        } catch (IOException e) {
            // Gone meanwhile.
        }
        return holders;
    }

    /** Whether a disk or partition is in use as swap space. */
    boolean isSwap(String name) {
        try {
            return Files.readAllLines(root.resolve("proc/swaps")).stream()
                    .anyMatch(line -> line.startsWith("/dev/" + name + " "));
        } catch (IOException e) {
            return false;
        }
    }

    private static List<String> namesIn(Path directory, String pattern) throws IOException {
        List<String> names = new ArrayList<>();
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(directory, pattern)) {
            for (Path entry : entries) {
                names.add(entry.getFileName().toString());
            }
        } catch (java.nio.file.NoSuchFileException | java.nio.file.NotDirectoryException e) {
            return List.of();
        }
        names.sort(null);
        return names;
    }
}
