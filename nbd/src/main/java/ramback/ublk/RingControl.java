package ramback.ublk;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.function.BooleanSupplier;
import ramback.posix.IoUring;
import ramback.posix.Posix;
import ramback.posix.PosixException;

/**
 * The driver's control device, through an io_uring of its own.
 *
 * <pre>
 *   command (32 bytes)   0 device u32   4 queue u16, none: 0xffff   6 buffer's length u16
 *                        8 buffer's address u64   16 data u64
 * </pre>
 */
final class RingControl implements Control {

    private static final int COMMAND_BYTES = 32;

    private static final int GET_DEV_INFO = Uapi.ior(0x02, COMMAND_BYTES);
    private static final int ADD_DEV = Uapi.iowr(0x04, COMMAND_BYTES);
    private static final int DEL_DEV = Uapi.iowr(0x05, COMMAND_BYTES);
    private static final int START_DEV = Uapi.iowr(0x06, COMMAND_BYTES);
    private static final int STOP_DEV = Uapi.iowr(0x07, COMMAND_BYTES);
    private static final int SET_PARAMS = Uapi.iowr(0x08, COMMAND_BYTES);
    private static final int GET_PARAMS = Uapi.ior(0x09, COMMAND_BYTES);
    private static final int START_USER_RECOVERY = Uapi.iowr(0x10, COMMAND_BYTES);
    private static final int END_USER_RECOVERY = Uapi.iowr(0x11, COMMAND_BYTES);
    private static final int GET_FEATURES = Uapi.ior(0x13, COMMAND_BYTES);

    private static final short NO_QUEUE = -1;
    private static final int NO_DEVICE = -1;
    private static final int RING_ENTRIES = 4;

    /** How often somebody who waits for a command looks whether that still has a point. */
    private static final long LOOK_NANOS = Duration.ofMillis(100).toNanos();

    /** After so long it is said that a command takes long. */
    private static final Duration SLOW = Duration.ofSeconds(10);

    private static final Logger LOG = System.getLogger(RingControl.class.getPackageName());

    private final int fd;
    private final IoUring ring;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment buffer = arena.allocate(DeviceInfo.BYTES, Long.BYTES);
    private boolean isAbandoned;

    /** Opens the control device. */
    RingControl() throws PosixException {
        fd = Posix.open(PATH, Posix.O_RDWR, 0);
        try {
            ring = new IoUring(RING_ENTRIES, IoUring.LONG_ENTRIES);
        } catch (PosixException e) {
            Posix.close(fd);
            throw e;
        }
    }

    @Override
    public long features() throws PosixException {
        command("GET_FEATURES", GET_FEATURES, NO_DEVICE, Long.BYTES, 0);
        return buffer.get(JAVA_LONG, 0);
    }

    @Override
    public DeviceInfo add(DeviceInfo wanted) throws PosixException {
        wanted.writeTo(buffer);
        command("ADD_DEV", ADD_DEV, wanted.id(), DeviceInfo.BYTES, 0);
        return DeviceInfo.of(buffer);
    }

    @Override
    public DeviceInfo info(int id) throws PosixException {
        command("GET_DEV_INFO", GET_DEV_INFO, id, DeviceInfo.BYTES, 0);
        return DeviceInfo.of(buffer);
    }

    @Override
    public void setParameters(int id, Parameters parameters) throws PosixException {
        parameters.writeTo(buffer);
        command("SET_PARAMS", SET_PARAMS, id, Parameters.BYTES, 0);
    }

    @Override
    public Parameters parameters(int id) throws PosixException {
        Parameters.askIn(buffer);
        command("GET_PARAMS", GET_PARAMS, id, Parameters.BYTES, 0);
        return Parameters.of(buffer);
    }

    @Override
    public boolean start(int id, BooleanSupplier whileWaiting) throws PosixException {
        return command("START_DEV", START_DEV, id, 0, ProcessHandle.current().pid(), whileWaiting);
    }

    @Override
    public boolean stop(int id, BooleanSupplier whileWaiting) throws PosixException {
        return command("STOP_DEV", STOP_DEV, id, 0, 0, whileWaiting);
    }

    @Override
    public boolean delete(int id, BooleanSupplier whileWaiting) throws PosixException {
        return command("DEL_DEV", DEL_DEV, id, 0, 0, whileWaiting);
    }

    @Override
    public void startRecovery(int id) throws PosixException {
        command("START_USER_RECOVERY", START_USER_RECOVERY, id, 0, 0);
    }

    @Override
    public boolean endRecovery(int id, BooleanSupplier whileWaiting) throws PosixException {
        long pid = ProcessHandle.current().pid();
        return command("END_USER_RECOVERY", END_USER_RECOVERY, id, 0, pid, whileWaiting);
    }

    private void command(String name, int command, int id, int bufferBytes, long data) throws PosixException {
        command(name, command, id, bufferBytes, data, () -> true);
    }

    private boolean command(String name, int command, int id, int bufferBytes, long data, BooleanSupplier whileWaiting)
            throws PosixException {
        if (isAbandoned) {
            throw new IllegalStateException("the command before " + name + " has not ended");
        }
        long at = ring.prepareCommand(fd, command, 0) + IoUring.COMMAND_OFFSET;
        MemorySegment entries = ring.entries();
        entries.set(JAVA_INT, at, id);
        entries.set(JAVA_SHORT, at + 4, NO_QUEUE);
        entries.set(JAVA_SHORT, at + 6, (short) bufferBytes);
        entries.set(JAVA_LONG, at + 8, bufferBytes == 0 ? 0 : buffer.address());
        entries.set(JAVA_LONG, at + 16, data);
        ring.submitAndWait(LOOK_NANOS);
        if (!isDone(name, id, whileWaiting)) {
            isAbandoned = true;
            return false;
        }
        int result = ring.result();
        ring.take();
        if (result < 0) {
            throw new PosixException("ublk " + name, -result, null);
        }
        return true;
    }

    /** Waits for a command to end, as long as that has a point. */
    private boolean isDone(String name, int id, BooleanSupplier whileWaiting) throws PosixException {
        long beginNanos = System.nanoTime();
        boolean isTold = false;
        while (!ring.hasCompletion()) {
            if (!whileWaiting.getAsBoolean()) {
                return false;
            }
            if (!isTold && System.nanoTime() - beginNanos > SLOW.toNanos()) {
                isTold = true;
                LOG.log(
                        Level.WARNING,
                        "the ublk driver has not answered " + name + " of block device " + id + " for "
                                + SLOW.toSeconds() + " s: it may wait for requests in flight");
            }
            Thread.yield(); // a virtual thread keeps its carrier while it is in the kernel
            ring.submitAndWait(LOOK_NANOS);
        }
        return true;
    }

    @Override
    public void close() throws PosixException {
        try {
            ring.close();
        } finally {
            arena.close();
            Posix.close(fd);
        }
    }
}
