package ramback.journal;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;
import ramback.posix.FileStatus;

/**
 * Where the state of an image lies: beside a file, and for a block device in a directory of the system, under a name that the
 * device keeps across boots. (A file in a directory that takes no new files has it in that directory of the system too, under a name
 * made of the file's path.) A block device's name is the first of these which sysfs tells:
 *
 * <pre>
 * dm-…      the UUID of a device-mapper device (LVM, LUKS, multipath)
 * md-…      the UUID of an array
 * part-…    the UUID of a partition
 * wwid-…    the world-wide name of a disk or namespace
 * serial-…  the serial number of a disk
 * loop-…    the file behind a loop device, and where in it the device begins
 * name-…    else the kernel's name and the size: after a reboot it may be another disk's
 * nbd_…     not a block device but a remote image: its URI
 * </pre>
 *
 * A partition without a UUID of its own takes its disk's name and adds its number. Where the name turns out to be another disk's, the
 * device's UUID in the journal tells, and nothing is mixed up.
 */
public final class StateLocation {

    /** What the state file's name is the image's with. */
    public static final String SUFFIX = ".ramback";

    private static final Path SYSFS = Path.of("/sys");
    private static final int NAME_LENGTH_MAX = 128;
    private static final Pattern PARTITION_UUID = Pattern.compile("(?m)^PARTUUID=(\\S+)$");

    private final Path sysfs;
    private final Path partitionLinks;
    private final Path systemDirectory;

    StateLocation(Path sysfs, Path partitionLinks, Path systemDirectory) {
        this.sysfs = sysfs;
        this.partitionLinks = partitionLinks;
        this.systemDirectory = systemDirectory;
    }

    /**
     * Where the state of this image lies, or will.
     *
     * @param image its path, absolute, symbolic links resolved
     * @param sizeBytes its size
     * @param systemDirectory for what can't lie beside its image; made when it is needed
     */
    public static StateFileStore store(Path image, FileStatus status, long sizeBytes, Path systemDirectory) {
        return new StateLocation(SYSFS, Path.of("/dev/disk/by-partuuid"), systemDirectory)
                .locate(image, status, sizeBytes);
    }

    /**
     * Where the state of a remote image lies, or will.
     *
     * @param uri its URI, in the one spelling by which it is known
     * @param systemDirectory made when it is needed
     */
    public static StateFileStore store(String uri, Path systemDirectory) {
        return new StateFileStore(in(systemDirectory, uri), null);
    }

    StateFileStore locate(Path image, FileStatus status, long sizeBytes) {
        if (!status.isBlockDevice()) {
            Path elsewhere = in(systemDirectory, "file-" + image.getFileName() + "-" + checksum(image.toString()));
            return new StateFileStore(image.resolveSibling(image.getFileName() + SUFFIX), elsewhere);
        }
        String number = (status.specialDevice() >>> 32) + ":" + (status.specialDevice() & 0xFFFF_FFFFL);
        return new StateFileStore(in(systemDirectory, name(number, sizeBytes)), null);
    }

    private static Path in(Path directory, String name) {
        return directory.resolve(fileName(name) + SUFFIX);
    }

    // ------------------------------------------------------------------------------------- the name of a block device

    private String name(String number, long sizeBytes) {
        Path device = sysfs.resolve("dev/block").resolve(number);
        String found = nameOf(device);
        if (found != null) {
            return found;
        }
        String partition = text(device.resolve("partition"));
        if (partition != null) {
            // A partition's directory lies in its disk's.
            String disk = nameOf(resolved(device).resolve("..").normalize());
            if (disk != null) {
                return disk + "-part" + partition;
            }
        }
        return "name-" + resolved(device).getFileName() + "-" + sizeBytes;
    }

    private @Nullable String nameOf(Path device) {
        String mapped = text(device.resolve("dm/uuid"));
        if (mapped != null) {
            return "dm-" + mapped;
        }
        String array = text(device.resolve("md/uuid"));
        if (array != null) {
            return "md-" + array;
        }
        String partition = partitionUuid(device);
        if (partition != null) {
            return "part-" + partition;
        }
        for (String place : new String[] {"wwid", "device/wwid"}) {
            String name = text(device.resolve(place));
            if (name != null) {
                return "wwid-" + name;
            }
        }
        for (String place : new String[] {"serial", "device/serial"}) {
            String serial = text(device.resolve(place));
            if (serial != null) {
                return "serial-" + serial;
            }
        }
        String file = text(device.resolve("loop/backing_file"));
        if (file != null) {
            String offset = text(device.resolve("loop/offset"));
            return "loop-" + Path.of(file).getFileName() + "-" + checksum(file) + (offset == null ? "" : "-" + offset);
        }
        return null;
    }

    /** Newer kernels tell it; on older ones the links that udev makes do. */
    private @Nullable String partitionUuid(Path device) {
        String events = text(device.resolve("uevent"));
        if (events == null || !Files.exists(device.resolve("partition"))) {
            return null;
        }
        Matcher matcher = PARTITION_UUID.matcher(events);
        if (matcher.find()) {
            return matcher.group(1);
        }
        Path kernelName = resolved(device).getFileName();
        try (Stream<Path> links = Files.list(partitionLinks)) {
            return links.filter(link -> resolved(link).getFileName().equals(kernelName))
                    .map(link -> link.getFileName().toString())
                    .sorted()
                    .findFirst()
                    .orElse(null);
        } catch (IOException e) {
            return null;
        }
    }

    private static Path resolved(Path link) {
        try {
            return link.toRealPath();
        } catch (IOException e) {
            return link;
        }
    }

    /** What a file of sysfs says, or null if it is not there or says nothing. */
    private static @Nullable String text(Path file) {
        try {
            String text = Files.readString(file).strip();
            return text.isEmpty() ? null : text;
        } catch (IOException e) {
            return null;
        }
    }

    /** A name that is a file's on any filesystem; what had to be changed in it is told apart by its checksum. */
    private static String fileName(String name) {
        String plain = name.replaceAll("[^A-Za-z0-9._-]", "_");
        if (plain.length() > NAME_LENGTH_MAX) {
            plain = plain.substring(0, NAME_LENGTH_MAX);
        }
        return plain.equals(name) ? plain : plain + "-" + checksum(name);
    }

    private static String checksum(String text) {
        CRC32C crc = new CRC32C();
        crc.update(text.getBytes(java.nio.charset.StandardCharsets.UTF_8));
        return String.format("%08x", crc.getValue());
    }
}
