package ramback.ublk;

import java.util.HashMap;
import java.util.Map;
import java.util.function.BooleanSupplier;
import ramback.posix.Errno;
import ramback.posix.PosixException;

/** A driver that has the devices it is given. */
class FakeControl implements Control {

    final Map<Integer, DeviceInfo> infos = new HashMap<>();
    final Map<Integer, Parameters> parameters = new HashMap<>();
    int openCount;

    /** When a device that is being stopped has stopped. */
    BooleanSupplier isStopped = () -> true;

    /** What happens each time somebody asks for a device. */
    Runnable onInfo = () -> {};

    /** A device with one queue. */
    void has(int id, int state, int serverPid, long mark, Parameters told) {
        infos.put(id, new DeviceInfo(1, 8, state, 1 << 20, id, serverPid, 0, mark));
        parameters.put(id, told);
    }

    Control open() {
        openCount++;
        return this;
    }

    private DeviceInfo known(int id) throws PosixException {
        DeviceInfo info = infos.get(id);
        if (info == null) {
            throw new PosixException("ublk command", Errno.ENODEV, null);
        }
        return info;
    }

    @Override
    public long features() {
        return -1;
    }

    @Override
    public DeviceInfo add(DeviceInfo wanted) {
        throw new AssertionError(wanted);
    }

    @Override
    public DeviceInfo info(int id) throws PosixException {
        onInfo.run();
        return known(id);
    }

    @Override
    public void setParameters(int id, Parameters told) {
        throw new AssertionError(told);
    }

    @Override
    public Parameters parameters(int id) throws PosixException {
        known(id);
        return parameters.getOrDefault(id, new Parameters(0, 0, false));
    }

    @Override
    public boolean start(int id, BooleanSupplier whileWaiting) {
        throw new AssertionError(id);
    }

    @Override
    public boolean stop(int id, BooleanSupplier whileWaiting) {
        while (!isStopped.getAsBoolean()) {
            if (!whileWaiting.getAsBoolean()) {
                return false;
            }
        }
        return true;
    }

    @Override
    public boolean delete(int id, BooleanSupplier whileWaiting) throws PosixException {
        known(id);
        infos.remove(id);
        return true;
    }

    @Override
    public void startRecovery(int id) throws PosixException {
        if (known(id).state() != DeviceInfo.QUIESCED) {
            throw new PosixException("ublk START_USER_RECOVERY", Errno.EBUSY, null);
        }
    }

    @Override
    public boolean endRecovery(int id, BooleanSupplier whileWaiting) {
        throw new AssertionError(id);
    }

    @Override
    public void close() {
        openCount--;
    }
}
