package ramback.ublk;

import java.nio.file.Path;
import java.util.function.BooleanSupplier;
import ramback.posix.Errno;
import ramback.posix.PosixException;

/**
 * The driver's control device: makes block devices, starts, stops and deletes them, one command at a time. For one
 * thread. Commands need CAP_SYS_ADMIN, all but {@link #features}.
 */
interface Control extends AutoCloseable {

    /** Where it is, once the driver is loaded. */
    Path PATH = Path.of("/dev/ublk-control");

    /** Opens it. */
    @FunctionalInterface
    interface Opener {
        Control open() throws PosixException;
    }

    /** What the driver can do: UBLK_F_ bits. Linux 6.5. */
    long features() throws PosixException;

    /** Adds a device, which is not there for others before {@link #start}; returns what came of the wishes. */
    DeviceInfo add(DeviceInfo wanted) throws PosixException;

    /**
     * What the driver knows of a device.
     *
     * @throws PosixException ENODEV where there is none
     */
    DeviceInfo info(int id) throws PosixException;

    /** Says what the block layer is to be told of a device, before {@link #start}. */
    void setParameters(int id, Parameters parameters) throws PosixException;

    /** What {@link #setParameters} said. */
    Parameters parameters(int id) throws PosixException;

    /**
     * Makes the block device: waits until all tags have been fetched, and its partition table is read through them.
     *
     * @param whileWaiting is asked every now and then; false: it is not waited for any longer
     * @return false when it was given up so
     */
    boolean start(int id, BooleanSupplier whileWaiting) throws PosixException;

    /** Takes the block device away: waits for what is in flight, fails what comes, takes all tags out of service. */
    boolean stop(int id, BooleanSupplier whileWaiting) throws PosixException;

    /** Deletes a device, stopping it where it is not; waits until nobody has it open. It goes in any case. */
    boolean delete(int id, BooleanSupplier whileWaiting) throws PosixException;

    /**
     * Begins a recovery: the device's tags may be fetched anew.
     *
     * @throws PosixException EBUSY where the one who served it is not gone yet, EINVAL where that was never served
     */
    void startRecovery(int id) throws PosixException;

    /** Ends a recovery: waits until all tags have been fetched, then lets requests go on. */
    boolean endRecovery(int id, BooleanSupplier whileWaiting) throws PosixException;

    /** Ends its use; a command that was given up is cancelled as far as that goes. */
    @Override
    void close() throws PosixException;

    /** Whether an error of a command means that there is no such device. */
    static boolean isGone(PosixException e) {
        return e.errno() == Errno.ENODEV;
    }
}
