package ramback.control;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Objects;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import ramback.attach.AttachLock;
import ramback.attach.Attachments;
import ramback.attach.Parts;
import ramback.engine.Orders;
import ramback.engine.Refusal;

/**
 * {@code RUNDIR/NAME} while a daemon of this process owns it. Whoever holds the lock on the file {@code lock} is the
 * device of that name; of any number of processes that ask at once, one gets it. A dead owner's lock is gone with its
 * process, and what it left is swept by the next.
 */
final class DeviceDirectory implements AutoCloseable {

    private static final int ATTEMPT_COUNT_MAX = 1_000;
    private static final long DYING_WAIT_NANOS = 10_000_000L;
    private static final int DYING_WAIT_COUNT_MAX = 1_000;
    private static final FileAttribute<?> OWNER_ONLY =
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"));

    /**
     * The lock files held by this process. A record lock belongs to the process, and is lost when the process closes
     * any descriptor of the file (fcntl(2)): so no second one is ever opened here.
     */
    private static final Set<Path> HELD = ConcurrentHashMap.newKeySet();

    private final RunDirectory runDirectory;
    private final String name;
    private final FileChannel lock;
    private final OrdersFile orders;

    private DeviceDirectory(RunDirectory runDirectory, String name, FileChannel lock) {
        this.orders = new OrdersFile(runDirectory.ordersFile(name));
        this.runDirectory = runDirectory;
        this.name = name;
        this.lock = lock;
    }

    /**
     * Makes the directory of a device, takes its lock, sweeps what a dead owner left and writes the pid.
     *
     * @throws Refusal when another daemon has the name, or the directory can't be made
     */
    static DeviceDirectory claim(RunDirectory runDirectory, String name) throws Refusal {
        runDirectory.make();
        Path directory = runDirectory.of(name);
        Path lockFile = directory.resolve("lock");
        if (!HELD.add(lockFile)) {
            throw running(runDirectory, name);
        }
        DeviceDirectory claimed = null;
        try {
            for (int attempt = 0; claimed == null; attempt++) {
                if (attempt == ATTEMPT_COUNT_MAX) {
                    throw new Refusal(
                            Refusal.Kind.FAILED,
                            directory
                                    + " is made and removed over and over by others; choose another name with --name");
                }
                FileChannel channel = tryLock(directory, lockFile, runDirectory, name);
                if (channel != null) {
                    claimed = new DeviceDirectory(runDirectory, name, channel);
                }
            }
            claimed.orders.read();
            Attachments.sweep(directory, name);
            claimed.sweep(Set.of(runDirectory.ordersFile(name), directory.resolve(AttachLock.FILE_NAME)));
            Files.writeString(
                    Files.createFile(runDirectory.pidFile(name), OWNER_ONLY),
                    ProcessHandle.current().pid() + "\n");
            return claimed;
        } catch (IOException e) {
            if (claimed != null) {
                claimed.close();
            }
            throw new Refusal(
                    Refusal.Kind.FAILED,
                    "cannot make " + directory + ": " + RunDirectory.reason(e) + "; choose another with --run-dir",
                    e);
        } finally {
            if (claimed == null) {
                HELD.remove(lockFile);
            }
        }
    }

    /**
     * Takes the lock, or returns null when the file was removed meanwhile by its last owner. The file is opened under a
     * second name of its own, a hard link, so that it can be told afterwards whether {@code lock} still is the file
     * that was locked.
     */
    private static @Nullable FileChannel tryLock(Path directory, Path lockFile, RunDirectory runDirectory, String name)
            throws IOException, Refusal {
        RunDirectory.makePrivate(directory);
        Path mine = directory.resolve("lock." + UUID.randomUUID());
        FileChannel channel = null;
        boolean ours = false;
        try {
            try {
                Files.createFile(lockFile, OWNER_ONLY);
            } catch (FileAlreadyExistsException e) {
                // Somebody's: the lock decides whether they live.
            }
            Files.createLink(mine, lockFile);
            channel = FileChannel.open(mine, StandardOpenOption.WRITE, LinkOption.NOFOLLOW_LINKS);
            FileLock lock = channel.tryLock();
            for (int wait = 0; lock == null && wait < DYING_WAIT_COUNT_MAX && isDying(runDirectory, name); wait++) {
                LockSupport.parkNanos(DYING_WAIT_NANOS);
                lock = channel.tryLock();
            }
            if (lock == null) {
                throw running(runDirectory, name);
            }
            ours = Objects.equals(keyOf(mine), keyOf(lockFile));
        } catch (NoSuchFileException e) {
            ours = false; // removed under us
        } finally {
            Files.deleteIfExists(mine);
            if (!ours) {
                if (channel != null) {
                    channel.close();
                }
                removeIfEmpty(directory);
            }
        }
        return ours ? channel : null;
    }

    /** A process that was killed is seen to have ended before its memory is unmapped and its locks are gone. */
    private static boolean isDying(RunDirectory runDirectory, String name) {
        long pid = runDirectory.pid(name);
        return pid > 0 && !ProcessState.isAlive(pid);
    }

    private static @Nullable Object keyOf(Path file) throws IOException {
        return Files.readAttributes(file, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS)
                .fileKey();
    }

    private static Refusal running(RunDirectory runDirectory, String name) {
        long pid = runDirectory.pid(name);
        return new Refusal(
                Refusal.Kind.FAILED,
                "a device named " + name + " is already running" + (pid < 0 ? "" : " (pid " + pid + ")")
                        + "; stop it with 'ramback down " + name + "' or choose another name with --name");
    }

    /**
     * Removes everything in the directory but the lock, these files, and what there is for as long as the device is attached;
     * subdirectories are not ours and stay.
     *
     * @return whether there is anything of an attached device
     */
    private boolean sweep(Set<Path> kept) throws IOException {
        boolean isAttached = false;
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(runDirectory.of(name))) {
            for (Path entry : entries) {
                String file = entry.getFileName().toString();
                if (Parts.isPartOf(file)) {
                    isAttached = true; // and if it is a dead mount, not even looked at
                } else if (!file.equals("lock")
                        && !kept.contains(entry)
                        && !Files.isDirectory(entry, LinkOption.NOFOLLOW_LINKS)) {
                    Files.deleteIfExists(entry);
                }
            }
        }
        return isAttached;
    }

    /** What people and scripts have told the device. */
    Orders.Keeper orders() {
        return orders;
    }

    /**
     * Removes the directory and what is in it, then gives the name free. If the device could not be detached the directory stays, so
     * that {@code ls} shows that something is left.
     */
    @Override
    public void close() {
        Path directory = runDirectory.of(name);
        Path lockFile = directory.resolve("lock");
        try (lock) {
            if (!sweep(Set.of())) {
                Files.deleteIfExists(lockFile);
                removeIfEmpty(directory);
            }
        } catch (IOException e) {
            System.getLogger(DeviceDirectory.class.getName())
                    .log(System.Logger.Level.WARNING, "cannot remove " + directory + ": " + RunDirectory.reason(e));
        } finally {
            HELD.remove(lockFile);
        }
    }

    private static void removeIfEmpty(Path directory) throws IOException {
        try {
            Files.deleteIfExists(directory);
        } catch (DirectoryNotEmptyException e) {
            // Another daemon is about to take the name: it is theirs now.
        }
    }
}
