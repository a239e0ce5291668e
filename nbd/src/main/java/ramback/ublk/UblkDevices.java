package ramback.ublk;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import ramback.device.Device;
import ramback.posix.Errno;
import ramback.posix.PosixException;

/**
 * The driver's block devices, by whatever process they were made: found, judged and removed. Safe for use by many
 * threads.
 *
 * @param opener opens the control device
 * @param devices {@code /dev}
 * @param processes {@code /proc}
 * @param quiescePatience how long is waited for the driver to have seen the end of who served a device
 * @param findPatience likewise, where nobody has said that there is one
 */
record UblkDevices(
        Control.Opener opener, Path devices, Path processes, Duration quiescePatience, Duration findPatience) {

    /**
     * The driver needs some milliseconds to see the end of who served a device, but where every tag was in flight, it
     * looks only when a request has taken 30 s.
     */
    private static final Duration QUIESCE_PATIENCE = Duration.ofSeconds(90);

    /** A device that nobody has been told of has hardly a request. */
    private static final Duration FIND_PATIENCE = Duration.ofSeconds(2);

    static final UblkDevices SYSTEM =
            new UblkDevices(RingControl::new, Path.of("/dev"), Path.of("/proc"), QUIESCE_PATIENCE, FIND_PATIENCE);

    private static final Logger LOG = System.getLogger(UblkDevices.class.getPackageName());

    private static final String CHARACTER_DEVICE = "ublkc";
    private static final String BLOCK_DEVICE = "ublkb";

    /** How long is waited for those who still have a deleted device open. It goes with the last of them. */
    private static final Duration DELETE_PATIENCE = Duration.ofSeconds(2);

    private static final long LOOK_NANOS = Duration.ofMillis(20).toNanos();

    /** How a process is that a device was served by. */
    private enum Server {
        LIVING,
        /**
         * It has ended, though its threads and descriptors may not have: one that waits for its own block device never
         * does.
         */
        ENDED,
        /** There is none of that number here: it has ended, or is another container's, or it is our own number. */
        UNKNOWN
    }

    /** Where the block device of an id is. */
    Path pathOf(int id) {
        return devices.resolve(BLOCK_DEVICE + id);
    }

    /** Where an id is served. */
    Path characterDeviceOf(int id) {
        return devices.resolve(CHARACTER_DEVICE + id);
    }

    /** Answers true for so long. */
    static BooleanSupplier patience(Duration patience) {
        long deadlineNanos = System.nanoTime() + patience.toNanos();
        return () -> System.nanoTime() - deadlineNanos < 0;
    }

    // ------------------------------------------------------------------------------------------------- find

    /** See {@link UblkDevice#find}. */
    List<Integer> find(String owner) throws UblkException {
        try {
            List<Integer> ids = ids();
            return ids.isEmpty() ? ids : withMark(ids, DeviceInfo.markOf(owner));
        } catch (PosixException e) {
            return switch (e.errno()) {
                case Errno.EACCES, Errno.EPERM, Errno.ENOSYS, Errno.ENOENT -> List.of();
                default -> throw new UblkException("cannot look for ublk devices: " + e.getMessage(), e);
            };
        } catch (IOException e) {
            throw new UblkException("cannot look for ublk devices: " + e.getMessage(), e);
        }
    }

    private List<Integer> ids() throws IOException {
        List<Integer> ids = new ArrayList<>();
        try (DirectoryStream<Path> nodes = Files.newDirectoryStream(devices, CHARACTER_DEVICE + "[0-9]*")) {
            for (Path node : nodes) {
                ids.add(Integer.parseInt(node.getFileName().toString().substring(CHARACTER_DEVICE.length())));
            }
        }
        Collections.sort(ids);
        return ids;
    }

    private List<Integer> withMark(List<Integer> ids, long mark) throws PosixException {
        List<Integer> found = new ArrayList<>();
        try (Control control = opener.open()) {
            for (int id : ids) {
                if (isFound(control, id, mark)) {
                    found.add(id);
                }
            }
        }
        return found;
    }

    private boolean isFound(Control control, int id, long mark) throws PosixException {
        try {
            DeviceInfo info = control.info(id);
            return info.mark() == mark && serverOf(control, id, findPatience) != Server.UNKNOWN;
        } catch (PosixException e) {
            if (Control.isGone(e)) {
                return false;
            }
            throw e;
        }
    }

    // ------------------------------------------------------------------------------------------------- recover

    /**
     * Begins the recovery of what is still the block device of a device.
     *
     * @throws UblkException when it is not, or the device is not what it was to whoever uses that; or somebody still
     *     serves it
     */
    DeviceInfo beginRecovery(Control control, Device device, String owner, int id)
            throws PosixException, UblkException {
        DeviceInfo info = control.info(id);
        checkFits(control, device, owner, info);
        BooleanSupplier goesOn = patience(quiescePatience);
        while (!isRecovering(control, control.info(id))) {
            if (!goesOn.getAsBoolean()) {
                throw stillServed(control.info(id));
            }
            LockSupport.parkNanos(LOOK_NANOS);
        }
        return info;
    }

    private void checkFits(Control control, Device device, String owner, DeviceInfo info)
            throws PosixException, UblkException {
        String which = pathOf(info.id()) + " ";
        if (info.mark() != DeviceInfo.markOf(owner)) {
            throw new UblkException(which + "was not made for " + device.name() + ": attach that anew");
        }
        Parameters before = control.parameters(info.id());
        Parameters now = Parameters.of(device);
        if (before.sizeBytes() != now.sizeBytes()) {
            throw new UblkException(which + "has " + before.sizeBytes() + " bytes, " + device.name() + " has "
                    + now.sizeBytes() + " now: detach it and attach it anew");
        }
        if (now.readOnly() && !before.readOnly()) {
            throw new UblkException(which + "can be written, and " + device.name()
                    + " is read-only now: serve it writable, or detach it and attach it anew");
        }
    }

    private boolean isRecovering(Control control, DeviceInfo info) throws PosixException, UblkException {
        if (info.state() == DeviceInfo.DEAD) {
            throw new UblkException(pathOf(info.id()) + " was stopped: detach it and attach it anew");
        }
        try {
            control.startRecovery(info.id());
            return true;
        } catch (PosixException e) {
            if (e.errno() == Errno.EINVAL && info.state() == DeviceInfo.QUIESCED) {
                return true; // an earlier recovery was cut off before it had fetched anything
            }
            if (e.errno() != Errno.EBUSY) {
                throw e;
            }
            return false;
        }
    }

    private UblkException stillServed(DeviceInfo info) {
        return new UblkException(
                pathOf(info.id()) + " is still served, by process " + info.serverPid() + ": end that first");
    }

    // ------------------------------------------------------------------------------------------------- remove

    /** See {@link UblkDevice#remove}. */
    void remove(String owner, int id) throws UblkException {
        try (Control control = opener.open()) {
            checkOwner(control.info(id), owner);
            if (serverOf(control, id, quiescePatience) != Server.ENDED) {
                throw stillServed(control.info(id));
            }
        } catch (PosixException e) {
            if (Control.isGone(e)) {
                return;
            }
            throw new UblkException(pathOf(id) + " is not removed: " + e.getMessage(), e);
        }
        delete(id);
    }

    private void checkOwner(DeviceInfo info, String owner) throws UblkException {
        if (!info.isOurs()) {
            throw new UblkException(pathOf(info.id()) + " was not made by ramback: remove it with what made it");
        }
        if (info.mark() != DeviceInfo.markOf(owner)) {
            throw new UblkException(pathOf(info.id()) + " was made for another device than that of " + owner
                    + ": detach it by that one's name");
        }
    }

    /** How the server is of a device, after a while in which one who can't be seen may turn out to have ended. */
    private Server serverOf(Control control, int id, Duration patience) throws PosixException {
        BooleanSupplier goesOn = patience(patience);
        while (true) {
            DeviceInfo info = control.info(id);
            Server server = info.state() == DeviceInfo.LIVE ? server(info.serverPid()) : Server.ENDED;
            if (server != Server.UNKNOWN || !goesOn.getAsBoolean()) {
                return server;
            }
            LockSupport.parkNanos(LOOK_NANOS);
        }
    }

    private Server server(int pid) {
        if (pid == ProcessHandle.current().pid()) {
            // What this one has left is soon seen to be left; and the number may be another container's as well.
            return Server.UNKNOWN;
        }
        try {
            String status = Files.readString(processes.resolve(pid + "/stat"), ISO_8859_1);
            char state = status.charAt(status.lastIndexOf(')') + 2); // proc_pid_stat(5): a name may have brackets
            return state == 'Z' || state == 'X' ? Server.ENDED : Server.LIVING;
        } catch (IOException e) {
            return Server.UNKNOWN;
        }
    }

    /** Deletes a device, whosever it is and whoever serves it. */
    void delete(int id) throws UblkException {
        // Through a control device of its own: in one that failed there may be a command that does not end.
        try (Control control = opener.open()) {
            if (!control.delete(id, patience(DELETE_PATIENCE))) {
                LOG.log(Level.INFO, () -> pathOf(id) + " goes when the last who has it open closes it");
            }
        } catch (PosixException e) {
            if (!Control.isGone(e)) {
                throw new UblkException(pathOf(id) + " is not deleted: " + e.getMessage(), e);
            }
        }
    }
}
