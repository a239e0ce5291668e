package ramback.attach;

import java.io.IOException;
import java.nio.file.Path;
import ramback.engine.Refusal;
import ramback.posix.Descriptors;
import ramback.posix.Posix;
import ramback.posix.PosixException;

/**
 * Held by who attaches or detaches a device, for as long as that takes: two loop devices over one file would each have
 * a cache of their own. Whoever is killed gives it up, though not before the program has ended that it had started
 * meanwhile ({@link #passOn}): the loop device of such a losetup(8) would appear behind the next one's back. Source:
 * flock(2), whose locks go with the open file, by how many processes ever it is held.
 */
public final class AttachLock implements AutoCloseable {

    /** The name of the locked file in a device's directory. */
    public static final String FILE_NAME = "attach.lock";

    private static final int OWNER_ONLY = 0600;
    private static final int STANDARD_INPUT = 0;

    private final int fd;

    private AttachLock(int fd) {
        this.fd = fd;
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
            AttachLock lock =
                    new AttachLock(Posix.open(file, Posix.O_RDWR | Posix.O_CREAT | Posix.O_NOFOLLOW, OWNER_ONLY));
            Posix.lockExclusive(lock.fd);
            return lock;
        } catch (IOException e) {
            throw new Refusal(
                    Refusal.Kind.FAILED, "cannot lock " + file + ": " + e.getMessage() + "; run this as its owner", e);
        }
    }

    /**
     * Has those hold the lock too that have this process's standard input: the only file that the programs can have from
     * it which the JDK starts. For a process that reads nothing there, and ends with what the lock is for.
     */
    void passOn() throws Refusal {
        try {
            Descriptors.duplicate(fd, STANDARD_INPUT);
        } catch (PosixException e) {
            throw new Refusal(Refusal.Kind.FAILED, "cannot pass a lock on: " + e.getMessage(), e);
        }
    }

    @Override
    public void close() {
        try {
            Posix.unlock(fd);
            Posix.close(fd);
        } catch (PosixException e) {
            // It is given up at the latest when this process ends.
        }
    }
}
