package ramback.attach;

import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.LinkedHashSet;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import ramback.engine.Refusal;

/**
 * What a block device holds, by the signatures that blkid(8) knows.
 *
 * @param filesystem the filesystem's type, or that of what else it is a part of (LVM2_member); "" when none is known
 * @param partitionTable the partition table's type, or ""
 */
public record Contents(String filesystem, String partitionTable) {

    private static final int NOTHING_FOUND = 2;
    private static final int SEVERAL_FOUND = 8;

    /** At either end of a device: as much as blkid looks for signatures in. */
    private static final int SIGNATURES_BYTES = 1 << 20;

    /**
     * Looks at a block device.
     *
     * @throws Refusal when it can't be read, or blkid is missing
     */
    public static Contents of(Path blockDevice, Tools tools) throws Refusal, InterruptedException {
        Tools.Result result = tools.run("util-linux", "blkid", "-p", "-o", "export", blockDevice.toString());
        return switch (result.exitCode()) {
            case 0 -> parse(result.out());
            case NOTHING_FOUND -> nothing(blockDevice, result);
            case SEVERAL_FOUND -> new Contents("mixture of filesystems", "");
            default -> throw unreadable(blockDevice, result.reason());
        };
    }

    /** blkid says the same of what it cannot read, so it is read here: mkfs would go over data that is only unreadable now. */
    private static Contents nothing(Path blockDevice, Tools.Result result) throws Refusal {
        if (!result.err().isBlank()) {
            throw unreadable(blockDevice, result.reason());
        }
        try (FileChannel channel = FileChannel.open(blockDevice, StandardOpenOption.READ)) {
            long sizeBytes = channel.size();
            read(channel, 0, Math.min(sizeBytes, SIGNATURES_BYTES));
            read(channel, Math.max(0, sizeBytes - SIGNATURES_BYTES), sizeBytes);
            return new Contents("", "");
        } catch (IOException e) {
            throw unreadable(blockDevice, e.getMessage());
        }
    }

    private static void read(FileChannel channel, long from, long to) throws IOException {
        ByteBuffer buffer = ByteBuffer.allocate((int) (to - from));
        while (buffer.hasRemaining()) {
            if (channel.read(buffer, from + buffer.position()) < 0) {
                throw new EOFException("it ends before byte " + to);
            }
        }
    }

    private static Refusal unreadable(Path blockDevice, @Nullable String reason) {
        return new Refusal(Refusal.Kind.FAILED, "cannot see what " + blockDevice + " holds: " + reason);
    }

    /** Reads what blkid prints: a line {@code KEY=value} each. */
    static Contents parse(String export) {
        String filesystem = "";
        String partitionTable = "";
        for (String line : export.split("\n", -1)) {
            if (line.startsWith("TYPE=")) {
                filesystem = line.substring("TYPE=".length());
            } else if (line.startsWith("PTTYPE=")) {
                partitionTable = line.substring("PTTYPE=".length());
            }
        }
        return new Contents(filesystem, partitionTable);
    }

    /** Whether nothing is known to be there. */
    public boolean isNone() {
        return filesystem.isEmpty() && partitionTable.isEmpty();
    }

    /** What is there, in words. */
    public String text() {
        Set<String> words = new LinkedHashSet<>();
        if (!filesystem.isEmpty()) {
            words.add("a filesystem (" + filesystem + ")");
        }
        if (!partitionTable.isEmpty()) {
            words.add("a partition table (" + partitionTable + ")");
        }
        return String.join(" and ", words);
    }
}
