package ramback.attach;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import ramback.engine.Refusal;
import ramback.posix.Descriptors;
import ramback.posix.Posix;
import ramback.posix.PosixException;

/**
 * Held by who attaches or detaches a device, for as long as that takes: two loop devices over one file would each have
 * a cache of their own. Source: flock(2), whose locks go with the open file, by however many processes it is held.
 *
 * <p>There are two of them. That of a file is the command's, and ends with it. That of the directory is also held by
 * the programs that the command starts ({@link #passOn}): when the command is killed in the midst of a losetup(8), the
 * next command waits for that, or its loop device would appear behind its back. A daemon does not: a mkfs(8) may wait
 * for that very daemon.
 */
public final class AttachLock implements AutoCloseable {

    /** The name of the locked file in a device's directory. */
    public static final String FILE_NAME = "attach.lock";

    private static final int OWNER_ONLY = 0600;
    private static final int STANDARD_INPUT = 0;
    private static final int NONE = -1;
    private static final long POLL_MILLIS = 20;

    /** A program that takes longer has the block device open, and is found by that. */
    private static final Duration PROGRAM_PATIENCE = Duration.ofSeconds(30);

    private final Path directory;
    private final int fd;
    private int programs = NONE;

    private AttachLock(Path directory, int fd) {
        this.directory = directory;
        this.fd = fd;
    }

    /**
     * Takes the lock, and waits for whoever has it.
     *
     * @param directory the device's directory
     * @throws Refusal when there is no such directory, or it is not this user's
     */
    public static AttachLock take(Path directory) throws Refusal {
        AttachLock lock = open(directory);
        try {
            Posix.lockExclusive(lock.fd);
            return lock;
        } catch (PosixException e) {
            lock.close();
            throw cannotLock(directory, e);
        }
    }

    /**
     * The same, without waiting for longer than this.
     *
     * @return null when somebody has it for longer
     */
    static @Nullable AttachLock take(Path directory, Duration patience) throws Refusal, InterruptedException {
        AttachLock lock = open(directory);
        boolean isTaken = false;
        try {
            isTaken = isLocked(lock.fd, patience);
            return isTaken ? lock : null;
        } catch (PosixException e) {
            throw cannotLock(directory, e);
        } finally {
            if (!isTaken) {
                lock.close();
            }
        }
    }

    private static AttachLock open(Path directory) throws Refusal {
        try {
            Path file = directory.resolve(FILE_NAME);
            return new AttachLock(
                    directory, Posix.open(file, Posix.O_RDWR | Posix.O_CREAT | Posix.O_NOFOLLOW, OWNER_ONLY));
        } catch (PosixException e) {
            throw cannotLock(directory, e);
        }
    }

    private static boolean isLocked(int fd, Duration patience) throws PosixException, InterruptedException {
        long beginNanos = System.nanoTime();
        while (!Posix.tryLockExclusive(fd)) {
            if (System.nanoTime() - beginNanos >= patience.toNanos()) {
                return false;
            }
            TimeUnit.MILLISECONDS.sleep(POLL_MILLIS);
        }
        return true;
    }

    private static Refusal cannotLock(Path directory, IOException e) {
        return new Refusal(
                Refusal.Kind.FAILED,
                "cannot lock " + directory.resolve(FILE_NAME) + ": " + e.getMessage() + "; run this as its owner",
                e);
    }

    /**
     * Waits for the programs of a command that was killed, and has those hold a lock from now on that have this process's
     * standard input, which is the only file that the JDK lets them have: it becomes that lock. For a process that reads
     * nothing there, and ends with what the lock is for.
     */
    void passOn() throws Refusal, InterruptedException {
        try {
            programs = Posix.open(directory, Posix.O_RDONLY | Posix.O_DIRECTORY, 0);
            isLocked(programs, PROGRAM_PATIENCE);
            Descriptors.duplicate(programs, STANDARD_INPUT);
        } catch (PosixException e) {
            throw new Refusal(Refusal.Kind.FAILED, "cannot lock " + directory + ": " + e.getMessage(), e);
        }
    }

    @Override
    public void close() {
        close(programs);
        close(fd);
    }

    private static void close(int fd) {
        if (fd == NONE) {
            return;
        }
        try {
            Posix.unlock(fd);
            Posix.close(fd);
        } catch (PosixException e) {
            // It is given up at the latest when this process ends.
        }
    }
}
