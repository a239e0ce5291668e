package ramback.host;

import static java.nio.charset.StandardCharsets.US_ASCII;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import ramback.memory.MemoryCgroup;
import ramback.memory.MemoryLock;
import ramback.posix.Errno;
import ramback.posix.Posix;
import ramback.posix.PosixException;

/** Linux, by what it says below a root directory. */
final class LinuxHost implements Host {

    /**
     * Killed after everything else, but before the kernel gives up: with −1000 a machine, or a memory cgroup, in which
     * nothing else is left would stop for good, and the device's memory outlives the daemon.
     */
    static final int OOM_SCORE_ADJUST = -999;

    private static final int CAP_IPC_LOCK = 14;

    private final Path root;

    LinuxHost(Path root) {
        this.root = root;
    }

    // ----------------------------------------------------------------------------------------------- the process

    @Override
    public Protection protect() {
        List<String> warnings = new ArrayList<>();
        boolean isIoFlusher = isIoFlusher(warnings);
        lockProcess();
        return new Protection(isIoFlusher, adjustOomScore(), List.copyOf(warnings));
    }

    /** Whoever started the JVM has set it, since each of the JVM's threads has it only from the thread that made it. */
    private static boolean isIoFlusher(List<String> warnings) {
        String danger = "don't mount a filesystem of this device on this same host: when memory runs short, it and"
                + " ramback could wait for each other for ever";
        try {
            if (Posix.isIoFlusher()) {
                return true;
            }
            warnings.add(
                    "not set: PR_SET_IO_FLUSHER, which the start script sets by way of perl; install perl-base, and"
                            + " start with 'ramback'; until then " + danger);
        } catch (PosixException e) {
            warnings.add("not permitted: PR_SET_IO_FLUSHER ("
                    + (e.errno() == Errno.EPERM ? "it needs CAP_SYS_RESOURCE" : "it needs Linux 5.6") + "); " + danger);
        }
        return false;
    }

    /** Without a right to lock everything only the devices' segments are locked, as far as the limit goes. */
    private void lockProcess() {
        try {
            if (mayLockMemory()) {
                Posix.lockProcess();
            } else if (Posix.raiseLockedMemoryLimit().hardBytes() == Posix.UNLIMITED) {
                Posix.lockProcess();
            }
        } catch (PosixException e) {
            // Then it is not; threats() says so where there is anything to swap to.
        }
    }

    private boolean mayLockMemory() {
        String capabilities = valueOf("CapEff:");
        return capabilities != null && (Long.parseUnsignedLong(capabilities, 16) >>> CAP_IPC_LOCK & 1) != 0;
    }

    private @Nullable String valueOf(String key) {
        for (String line : lines("proc/self/status")) {
            if (line.startsWith(key)) {
                return line.substring(key.length()).strip();
            }
        }
        return null;
    }

    /** Another value than 0 is somebody's decision, and stays. Returns the value in force. */
    private int adjustOomScore() {
        Path file = root.resolve("proc/self/oom_score_adj");
        try {
            int found = Integer.parseInt(Files.readString(file).strip());
            if (found != 0) {
                return found;
            }
            Files.write(file, Integer.toString(OOM_SCORE_ADJUST).getBytes(US_ASCII), StandardOpenOption.WRITE);
            return OOM_SCORE_ADJUST;
        } catch (IOException | NumberFormatException e) {
            return 0;
        }
    }

    // -------------------------------------------------------------------------------------------------- threats

    @Override
    public List<String> threats(DeviceMemory memory) {
        List<String> threats = new ArrayList<>();
        addSwap(threats, memory);
        addLogout(threats, memory);
        addCgroup(threats, memory);
        addTmpfs(threats, memory);
        return threats;
    }

    private void addSwap(List<String> threats, DeviceMemory memory) {
        boolean isSwapOn = lines("proc/swaps").size() > 1; // behind its heading
        if (!isSwapOn || memory.lock() == MemoryLock.ALL) {
            return;
        }
        String cost = "may be swapped out, and then is as slow as the swap; ";
        threats.add(
                memory.isSparse()
                        ? "swap is on, and the data of a sparse device " + cost
                                + "use --ram reserve, mount --ram-dir with noswap, or turn swap off"
                        : "swap is on, and the device's memory is not locked (" + mebibytes(memory.sizeBytes())
                                + ", more than RLIMIT_MEMLOCK): it " + cost
                                + "start ramback as root, raise the limit (LimitMEMLOCK=infinity), or turn swap off");
    }

    private void addLogout(List<String> threats, DeviceMemory memory) {
        LoginManager login = new LoginManager(root);
        if (memory.directory().startsWith("/dev/shm")
                && login.removesMemoryOf(Posix.effectiveUserId(), System.getProperty("user.name", ""))) {
            threats.add(
                    "when you log out, systemd removes your files in /dev/shm, and a daemon that is killed then can't"
                            + " come back to its memory; 'loginctl enable-linger', RemoveIPC=no in logind.conf, or another"
                            + " --ram-dir prevents that");
        }
    }

    private void addCgroup(List<String> threats, DeviceMemory memory) {
        MemoryCgroup cgroup = MemoryCgroup.find(root);
        if (cgroup != null && cgroup.limitBytes() < memory.sizeBytes()) {
            threats.add("the device takes up to " + mebibytes(memory.sizeBytes()) + ", and the memory cgroup only "
                    + mebibytes(cgroup.limitBytes()) + " (" + cgroup.file()
                    + "): the daemon would be killed when that is"
                    + " full; raise it, or use a smaller device");
        }
    }

    private static void addTmpfs(List<String> threats, DeviceMemory memory) {
        try {
            long limitBytes = Files.getFileStore(memory.directory()).getTotalSpace();
            if (memory.isSparse() && limitBytes > 0 && limitBytes < memory.sizeBytes()) {
                threats.add("the device takes up to " + mebibytes(memory.sizeBytes()) + ", and the tmpfs of "
                        + memory.directory() + " only " + mebibytes(limitBytes)
                        + ": writes fail with 'no space' when that is full; raise it (mount -o remount,size=...), or use a"
                        + " smaller device");
            }
        } catch (IOException e) {
            // It was there a moment ago; whoever removed it will hear of it in other ways.
        }
    }

    // ---------------------------------------------------------------------------------------------------- helpers

    private List<String> lines(String file) {
        try {
            return Files.readAllLines(root.resolve(file));
        } catch (IOException e) {
            return List.of(); // a kernel without it has nothing of the kind
        }
    }

    private static String mebibytes(long bytes) {
        return String.format(Locale.ROOT, "%,d MiB", (bytes + (1 << 20) - 1) >> 20);
    }
}
