package ramback.attach;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Set;
import ramback.engine.Refusal;

/**
 * Held by a command that attaches or detaches a device, for as long as it works: two loop devices over one file would
 * each have a cache of their own. A command that is killed gives it up.
 */
public final class AttachLock implements AutoCloseable {

    /** The name of the locked file in a device's directory. */
    public static final String FILE_NAME = "attach.lock";

    private final FileChannel channel;

    private AttachLock(FileChannel channel) {
        this.channel = channel;
    }

    /**
     * Takes the lock, and waits for whoever has it.
     *
     * @param directory the device's directory
     * @throws Refusal when there is no such directory, or it is not this user's
     */
    public static AttachLock take(Path directory) throws Refusal {
        Path file = directory.resolve(FILE_NAME);
        try {
            FileChannel channel = FileChannel.open(
                    file,
                    Set.of(StandardOpenOption.CREATE, StandardOpenOption.WRITE),
                    PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
            channel.lock();
            return new AttachLock(channel);
        } catch (IOException e) {
            throw new Refusal(
                    Refusal.Kind.FAILED, "cannot lock " + file + ": " + e.getMessage() + "; run this as its owner", e);
        }
    }

    @Override
    public void close() {
        try {
            channel.close();
        } catch (IOException e) {
            // It is given up at the latest when this process ends.
        }
    }
}
