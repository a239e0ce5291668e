package ramback.attach;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import ramback.engine.DeviceLife;

/**
 * {@code RUNDIR/NAME/attachment}: which block device of the kernel is this device, written before anybody hears of
 * it. It outlives the daemon: the next one goes on serving that block device from it. Of a FUSE directory, whose
 * mount says itself whose it is, there is a record only while the process becomes another program.
 *
 * @param via how
 * @param number which: N of {@code /dev/ublkbN} or {@code /dev/nbdN}; of FUSE the descriptor that the process goes on
 *     with
 * @param life of the device that it was told of: where the next start does not go on from it, the block device must not
 *     go on
 * @param disk which life of the number: {@link BlockDevices#life}, for a number is soon another's
 */
public record AttachRecord(Via via, int number, DeviceLife life, String disk) {

    private static final FileAttribute<?> OWNER_ONLY =
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"));

    /** Of a block device that is not recorded: nobody has been told of it. */
    static final DeviceLife UNKNOWN_LIFE = new DeviceLife(new UUID(0, 0), 0, -1);

    private static final int WORD_COUNT_MIN = 5;
    private static final int WORD_COUNT_MAX = 6;
    private static final int HEXADECIMAL = 16;

    private static final Path FUSE_DEVICE = Path.of("/dev/fuse");

    /** The name of the file in a device's directory. */
    static final String FILE_NAME = "attachment";

    /** Of what is no block device, or whose life the kernel doesn't tell. */
    AttachRecord(Via via, int number, DeviceLife life) {
        this(via, number, life, "");
    }

    /** Of a block device that is there, as the kernel shows it. */
    static AttachRecord ofDisk(BlockDevices blocks, Via via, int number, DeviceLife life) {
        return new AttachRecord(via, number, life, blocks.life(diskName(via, number)));
    }

    /** The block device's name. */
    public String diskName() {
        return diskName(via, number);
    }

    private static String diskName(Via via, int number) {
        return switch (via) {
            case UBLK -> "ublkb" + number;
            case NBD -> "nbd" + number;
            case FUSE -> throw new IllegalStateException("a FUSE directory is no block device");
        };
    }

    /** Whether this very process has it from the program that it was before. */
    boolean isInherited() {
        try {
            return via == Via.FUSE
                    && Files.readSymbolicLink(Path.of("/proc/self/fd/" + number))
                            .equals(FUSE_DEVICE);
        } catch (IOException e) {
            return false;
        }
    }

    /**
     * Reads the record in a device's directory; what makes no sense is none.
     *
     * @throws IOException when there is one and it can't be read
     */
    public static Optional<AttachRecord> read(Path directory) throws IOException {
        List<String> lines;
        try {
            lines = Files.readAllLines(directory.resolve(FILE_NAME));
        } catch (NoSuchFileException e) {
            return Optional.empty();
        }
        return lines.size() == 1 ? parse(lines.getFirst()) : Optional.empty();
    }

    /** Reads what {@link #text} wrote. */
    static Optional<AttachRecord> parse(String line) {
        String[] words = line.split(" ", WORD_COUNT_MAX);
        if (words.length < WORD_COUNT_MIN) {
            return Optional.empty();
        }
        String disk = words.length == WORD_COUNT_MAX ? words[WORD_COUNT_MAX - 1] : "";
        try {
            int number = Integer.parseInt(words[1]);
            DeviceLife life = new DeviceLife(
                    UUID.fromString(words[2]), Long.parseUnsignedLong(words[3], HEXADECIMAL), Long.parseLong(words[4]));
            return Via.ofWord(words[0]).filter(_ -> number >= 0).map(via -> new AttachRecord(via, number, life, disk));
        } catch (IllegalArgumentException e) {
            return Optional.empty();
        }
    }

    /** Whether another record is of the same block device. */
    boolean isSameDisk(AttachRecord other) {
        return via == other.via && number == other.number;
    }

    /** The record as its file has it. */
    String text() {
        return via.word() + " " + number + " " + life.device() + " " + Long.toHexString(life.generation()) + " "
                + life.exportGeneration() + (disk.isEmpty() ? "" : " " + disk);
    }

    /** Writes the record, whole or not at all. */
    void write(Path directory) throws IOException {
        write(directory.resolve(FILE_NAME), text());
    }

    static void write(Path file, String line) throws IOException {
        Path next = file.resolveSibling(file.getFileName() + ".new");
        Files.deleteIfExists(next);
        // Through the channel that made it: by its name somebody else's link could be written through.
        try (SeekableByteChannel channel = Files.newByteChannel(
                next, Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE), OWNER_ONLY)) {
            channel.write(ByteBuffer.wrap((line + "\n").getBytes(UTF_8)));
        }
        Files.move(next, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }

    /** Removes the record. */
    static void remove(Path directory) throws IOException {
        Files.deleteIfExists(directory.resolve(FILE_NAME));
    }
}
