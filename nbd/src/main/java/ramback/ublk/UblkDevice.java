package ramback.ublk;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import ramback.device.Device;
import ramback.device.DeviceSession;
import ramback.device.TooManySessionsException;
import ramback.posix.Capabilities;
import ramback.posix.Posix;
import ramback.posix.PosixException;
import ramback.traffic.ClientKind;
import ramback.traffic.SessionTraffic;
import ramback.traffic.Traffic;

/**
 * A device as a block device of this machine, {@code /dev/ublkbN}, through the kernel's driver ublk_drv (Linux 6.5):
 * no socket in between, and it outlives the process that serves it. Where that ends in whatever way but {@link
 * #close}, requests wait until somebody {@link #recover recovers} it; those in flight are then served, some of them
 * for a second time.
 *
 * <p>Needs CAP_SYS_ADMIN. Takes a session of the device, and two threads, for each of its queues. The methods are safe
 * for use by many threads, {@link #close} and {@link #leave} one after the other.
 */
public final class UblkDevice implements AutoCloseable {

    /** How many requests of each queue are in flight at most. */
    static final int QUEUE_DEPTH = 128;

    private static final Logger LOG = System.getLogger(UblkDevice.class.getPackageName());

    private static final UblkDevices DEVICES = UblkDevices.SYSTEM;

    private static final long FLAGS = DeviceInfo.F_USER_COPY
            | DeviceInfo.F_USER_RECOVERY
            | DeviceInfo.F_USER_RECOVERY_REISSUE
            | DeviceInfo.F_CMD_IOCTL_ENCODE;

    /** How long requests in flight may take when the block device is stopped, before they fail. */
    private static final Duration STOP_PATIENCE = Duration.ofSeconds(30);

    private final UblkDevices devices;
    private final int id;
    private final int fd;
    private final QueueGroup group;
    private final List<QueueServer> queues;
    private final Consumer<Thread> starter;
    private final List<Thread> threads = Collections.synchronizedList(new ArrayList<>());
    private boolean isEnded; // guarded by this

    /** @param starter starts its threads */
    UblkDevice(
            UblkDevices devices, int id, int fd, QueueGroup group, List<QueueServer> queues, Consumer<Thread> starter) {
        this.devices = devices;
        this.id = id;
        this.fd = fd;
        this.group = group;
        this.queues = queues;
        this.starter = starter;
    }

    // ------------------------------------------------------------------------------------------------- what is there

    /**
     * Says in one line why there can be no such block device here, and what to do about it; empty where nothing speaks
     * against it.
     */
    public static Optional<String> unavailable() {
        if (!Files.exists(Control.PATH)) {
            return Optional.of("there is no " + Control.PATH
                    + ": load the kernel's module ublk_drv (modprobe ublk_drv; Linux 6.5 or newer)");
        }
        if (!mayAdministrate()) {
            return Optional.of("ublk needs CAP_SYS_ADMIN: run as root");
        }
        try (Control control = new RingControl()) {
            return missing(control.features());
        } catch (PosixException e) {
            return Optional.of(reason(e));
        }
    }

    private static Optional<String> missing(long features) {
        return (features & FLAGS) == FLAGS
                ? Optional.empty()
                : Optional.of("the kernel's ublk driver is too old (its features are 0x" + Long.toHexString(features)
                        + ", 0x" + Long.toHexString(FLAGS) + " are needed): use Linux 6.5 or newer");
    }

    private static String reason(PosixException e) {
        if (e.call().equals("io_uring_setup")) {
            return "io_uring is not to be had (" + e.text() + "): look at sysctl kernel.io_uring_disabled";
        }
        if (e.call().equals("ublk GET_FEATURES")) {
            return "the kernel's ublk driver is too old (" + e.text() + "): use Linux 6.5 or newer";
        }
        return e.call() + ": " + e.text();
    }

    private static boolean mayAdministrate() {
        try {
            return Capabilities.isEffective(Path.of("/proc/self/status"), Capabilities.SYS_ADMIN);
        } catch (IOException e) {
            return true; // then the driver will say it
        }
    }

    /**
     * The ids of the block devices that were made for this owner, whether anybody serves them or not; without those that
     * a process serves which can't be seen from here: another container's. Empty where there is no such driver, and for
     * whom it does not answer: he cannot have made any. Waits up to 2 s for the driver to have seen the end of a server.
     *
     * @param owner as {@link #create} was told
     */
    public static List<Integer> find(String owner) throws UblkException {
        return DEVICES.find(owner);
    }

    /** Where the block device of an id is. */
    public static Path pathOf(int id) {
        return DEVICES.pathOf(id);
    }

    // ------------------------------------------------------------------------------------------------- make, recover

    /**
     * Makes a block device; returns when it is there and its partitions are known. What fails leaves nothing behind.
     *
     * @param owner what tells this device from all others of this machine; kept by the kernel with the block device,
     *     as a checksum
     * @param queueCount how many queues, 1 or more; the kernel takes no more than there are processors
     * @param traffic where what is asked of the device is counted
     * @throws UblkException when the driver refuses, or the device has too few sessions left
     */
    public static UblkDevice create(Device device, String owner, int queueCount, Traffic traffic) throws UblkException {
        Parameters parameters = Parameters.of(device);
        if (parameters.sizeBytes() == 0) {
            throw new UblkException("device " + device.name() + " has " + device.sizeBytes()
                    + " bytes; a block device needs a sector of 512 at least");
        }
        DeviceInfo wanted = new DeviceInfo(
                queueCount,
                QUEUE_DEPTH,
                DeviceInfo.DEAD,
                Parameters.REQUEST_BYTES_MAX,
                DeviceInfo.ANY_ID,
                0,
                FLAGS,
                DeviceInfo.markOf(owner));
        try (Control control = new RingControl()) {
            DeviceInfo info = control.add(wanted);
            try {
                if ((info.flags() & FLAGS) != FLAGS) {
                    throw new UblkException(missing(info.flags()).orElseThrow());
                }
                control.setParameters(info.id(), parameters);
                return serve(device, traffic, info, control::start, QueueGroup.Phase.STARTING);
            } catch (IOException | RuntimeException | Error e) {
                undo(info.id(), e);
                throw e;
            }
        } catch (UblkException e) {
            throw e;
        } catch (IOException e) {
            throw new UblkException("no block device for " + device.name() + ": " + e.getMessage(), e);
        }
    }

    private static void undo(int id, Throwable failure) {
        try {
            DEVICES.delete(id);
        } catch (UblkException e) {
            failure.addSuppressed(e);
        }
    }

    /**
     * Serves a block device again that another process, or {@link #leave}, has left, with the requests that wait. What
     * fails leaves it as it is.
     *
     * @param device of the same name and size, and with the same content
     * @param owner as {@link #create} was told
     * @param id what {@link #id()} was
     * @param traffic where what is asked of the device is counted
     * @throws UblkException when there is no such block device, when it is another one's, or somebody still serves it
     */
    public static UblkDevice recover(Device device, String owner, int id, Traffic traffic) throws UblkException {
        try (Control control = new RingControl()) {
            DeviceInfo info = DEVICES.beginRecovery(control, device, owner, id);
            return serve(device, traffic, info, control::endRecovery, QueueGroup.Phase.SERVING);
        } catch (UblkException e) {
            throw e;
        } catch (PosixException e) {
            throw new UblkException(
                    Control.isGone(e)
                            ? "there is no " + pathOf(id) + ": attach " + device.name() + " anew"
                            : pathOf(id) + " is not recovered: " + e.getMessage(),
                    e);
        } catch (IOException e) {
            throw new UblkException(pathOf(id) + " is not recovered: " + e.getMessage(), e);
        }
    }

    /** The command that lets requests come, once all tags have been fetched. */
    interface Opening {
        boolean open(int id, BooleanSupplier whileWaiting) throws PosixException;
    }

    private static UblkDevice serve(
            Device device, Traffic traffic, DeviceInfo info, Opening opening, QueueGroup.Phase phaseWhileOpening)
            throws IOException {
        UblkDevice made = prepare(device, traffic, info);
        try {
            made.begin(opening, phaseWhileOpening);
            return made;
        } catch (IOException | RuntimeException | Error e) {
            made.leave();
            throw e;
        }
    }

    /** Opens the character device and what each queue needs, and starts nothing yet. */
    private static UblkDevice prepare(Device device, Traffic traffic, DeviceInfo info) throws IOException {
        int fd = Posix.open(DEVICES.characterDeviceOf(info.id()), Posix.O_RDWR, 0);
        QueueGroup group = new QueueGroup(info.queueCount());
        List<SessionTraffic> counted = traffic.join(ClientKind.UBLK, info.queueCount());
        List<QueueServer> queues = new ArrayList<>();
        try {
            for (int number = 0; number < info.queueCount(); number++) {
                queues.add(prepareQueue(device, info, fd, number, group, counted.get(number)));
            }
            group.set(List.copyOf(queues));
            return new UblkDevice(DEVICES, info.id(), fd, group, List.copyOf(queues), Thread::start);
        } catch (IOException | RuntimeException | Error e) {
            queues.forEach(QueueServer::discard);
            counted.forEach(SessionTraffic::close);
            Posix.close(fd);
            throw e;
        }
    }

    private static QueueServer prepareQueue(
            Device device, DeviceInfo info, int fd, int number, QueueGroup group, SessionTraffic counted)
            throws IOException {
        DeviceSession session = openSession(device, info.queueCount());
        try {
            RingQueue queue = new RingQueue(fd, number, info.depth());
            return new QueueServer("ublk-" + info.id() + "-" + number, queue, session, group, counted);
        } catch (PosixException | RuntimeException | Error e) {
            session.close();
            session.release();
            session.release();
            throw e;
        }
    }

    private static DeviceSession openSession(Device device, int queueCount) throws UblkException {
        try {
            return device.openSession();
        } catch (TooManySessionsException e) {
            throw new UblkException(
                    "device " + device.name() + " has too few clients left for " + queueCount
                            + " queues: raise --max-clients",
                    e);
        }
    }

    /**
     * Starts the threads and lets requests come.
     *
     * @param phaseWhileOpening what the queues do with a request that cannot be served, before this has returned:
     *     STARTING fails it, as it must be where the kernel waits for what it reads itself; SERVING keeps it
     */
    void begin(Opening opening, QueueGroup.Phase phaseWhileOpening) throws IOException {
        startThreads();
        awaitFetched();
        checkFailure();
        group.enter(phaseWhileOpening);
        BooleanSupplier goesOn = () -> group.phase() != QueueGroup.Phase.LEAVING;
        if (!opening.open(id, goesOn)) {
            checkFailure();
            throw new UblkException("the requests of " + pathOf(id) + " cannot be served");
        }
        checkFailure();
        group.enter(QueueGroup.Phase.SERVING);
        checkFailure();
    }

    /** A thread to be started, and what is done instead where it can't be, or one before it. */
    private record Task(String name, Runnable run, Runnable instead) {}

    private void startThreads() {
        List<Task> tasks = new ArrayList<>();
        for (int number = 0; number < queues.size(); number++) {
            QueueServer queue = queues.get(number);
            String name = id + "-" + number;
            tasks.add(new Task("ublk-reply-" + name, queue::runReplies, queue::runNoReplies));
            tasks.add(new Task("ublk-" + name, queue::run, queue::runNot));
        }
        int startedCount = 0;
        try {
            for (Task task : tasks) {
                Thread thread = Thread.ofPlatform().daemon().name(task.name).unstarted(task.run);
                starter.accept(thread);
                threads.add(thread);
                startedCount++;
            }
        } finally {
            tasks.subList(startedCount, tasks.size()).forEach(task -> task.instead.run());
        }
    }

    private void awaitFetched() throws UblkException {
        try {
            group.awaitFetched();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new UblkException("interrupted", e);
        }
    }

    private void checkFailure() throws UblkException {
        Throwable failure = group.failure();
        if (failure != null) {
            throw new UblkException("the requests of " + pathOf(id) + " cannot be served: " + failure, failure);
        }
    }

    // ------------------------------------------------------------------------------------------------- while it is
    // there

    /** The number of the block device, by which it can be recovered or removed. */
    public int id() {
        return id;
    }

    /** Where the block device is. */
    public Path path() {
        return pathOf(id);
    }

    /** Whether requests are served; false once it was closed or left, was stopped by somebody else, or has failed. */
    public boolean isAlive() {
        return group.isAlive();
    }

    // ------------------------------------------------------------------------------------------------- end

    /**
     * Stops the block device, waits for what is in flight, 30 s at most, and deletes it. Who still has it open, as a
     * mounted filesystem, gets errors from then on.
     *
     * @throws UblkException when the driver refuses; the threads have ended all the same
     */
    @Override
    public synchronized void close() throws UblkException {
        if (isEnded) {
            return;
        }
        group.enter(QueueGroup.Phase.STOPPING);
        endIfFailed();
        try (Control control = devices.opener().open()) {
            BooleanSupplier goesOn = UblkDevices.patience(STOP_PATIENCE);
            control.stop(id, () -> {
                endIfFailed();
                if (!goesOn.getAsBoolean()) {
                    group.enter(QueueGroup.Phase.FAILING);
                }
                return true;
            });
        } catch (PosixException e) {
            if (!Control.isGone(e)) {
                throw new UblkException(path() + " is not stopped: " + e.getMessage(), e);
            }
        } finally {
            end();
        }
        devices.delete(id);
    }

    /** The driver waits for what is in flight; of queues that serve no more only their end gives that back. */
    private void endIfFailed() {
        if (group.phase() == QueueGroup.Phase.LEAVING) {
            end();
        }
    }

    /**
     * Ends the threads and leaves the block device, for the next process or {@link #recover}: requests wait, also
     * those in flight. Does not wait for the device.
     */
    public synchronized void leave() {
        end();
    }

    private void end() {
        if (isEnded) {
            return;
        }
        isEnded = true;
        group.enter(QueueGroup.Phase.LEAVING);
        boolean interrupted = false;
        for (Thread thread : threads) {
            while (thread.isAlive()) {
                try {
                    thread.join();
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
        }
        queues.forEach(QueueServer::giveUp);
        try {
            Posix.close(fd);
        } catch (PosixException e) {
            LOG.log(Level.WARNING, () -> path() + " is not closed: " + e.getMessage());
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /**
     * Removes a block device that was made for this owner and nobody serves: what waits for it fails. One that is not
     * there is no error. Waits up to 90 s for the driver to have seen the end of who served it, as far as it can't be
     * seen otherwise.
     *
     * @param owner as {@link #create} was told
     * @throws UblkException when it is another one's, a process that lives serves it, or the driver refuses
     */
    public static void remove(String owner, int id) throws UblkException {
        DEVICES.remove(owner, id);
    }
}
