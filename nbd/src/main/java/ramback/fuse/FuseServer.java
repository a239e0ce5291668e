package ramback.fuse;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import ramback.device.Device;
import ramback.device.DeviceSession;
import ramback.device.TooManySessionsException;
import ramback.posix.Descriptors;
import ramback.posix.Errno;
import ramback.posix.Posix;
import ramback.posix.PosixException;
import ramback.posix.Vectors;
import ramback.traffic.ClientKind;
import ramback.traffic.SessionTraffic;
import ramback.traffic.Traffic;

/**
 * A connection with the kernel and the {@linkplain Lane lanes} that serve it, over one descriptor. The last of their
 * threads that ends closes the descriptors, with which the kernel ends the connection.
 */
final class FuseServer {

    /**
     * The longest READ: with pages of 4 KiB 256, what kernels allow unless they are told otherwise
     * (fs.fuse.max_pages_limit).
     */
    static final int READ_BYTES_MAX = 1 << 20;

    private static final int PAGE_BYTES = 4096;

    /** Requests that the kernel has under way at once on behalf of asynchronous callers, such as a loop device. */
    private static final int BACKGROUND_COUNT_MAX = 256;

    private static final int CONGESTION_COUNT = BACKGROUND_COUNT_MAX * 3 / 4;

    private static final int FLAGS_WANTED = FuseProtocol.ASYNC_READ
            | FuseProtocol.BIG_WRITES
            | FuseProtocol.ASYNC_DIO
            | FuseProtocol.PARALLEL_DIROPS
            | FuseProtocol.MAX_PAGES;

    private static final Logger LOG = System.getLogger(FuseServer.class.getPackageName());

    private final int fd;
    private final TextFiles files = new TextFiles();
    private final List<Lane> lanes = new ArrayList<>();
    private final Arena arena = Arena.ofShared();
    /** What is counted of each lane, once they are prepared. */
    private List<SessionTraffic> counted = List.of();

    private final CountDownLatch allEnded = new CountDownLatch(1);
    private final AtomicInteger livingCount = new AtomicInteger();
    private volatile boolean connected = true;
    private volatile boolean leaving;

    private FuseServer(int fd) {
        this.fd = fd;
    }

    /**
     * Serves a connection. The descriptor is closed with it, also when this fails.
     *
     * @param fd of /dev/fuse, mounted; in tests any that carries whole messages
     * @param traffic where what is asked of the device is counted
     * @param threadCount how many request threads
     * @param isNew whether the kernel's INIT is still to be answered; otherwise another server did it for the same
     *     device
     */
    static FuseServer start(int fd, Device device, Tree tree, Traffic traffic, int threadCount, boolean isNew)
            throws IOException, TooManySessionsException {
        FuseServer server = new FuseServer(fd);
        boolean started = false;
        try {
            server.open(device, threadCount, isNew);
            server.startThreads(tree, device.sizeBytes(), traffic);
            started = true;
            return server;
        } finally {
            if (!started) {
                server.abandon();
            }
        }
    }

    private void open(Device device, int threadCount, boolean isNew) throws IOException, TooManySessionsException {
        for (int i = 0; i < threadCount; i++) {
            DeviceSession session = device.openSession();
            lanes.add(new Lane(i, fd, session));
        }
        if (isNew) {
            negotiate();
        }
    }

    private int payloadBytesMax() {
        long stagingBytes = lanes.getFirst().session().staging().byteSize();
        return (int) Math.min(READ_BYTES_MAX, stagingBytes / PAGE_BYTES * PAGE_BYTES);
    }

    /** Answers INIT, which comes first; once more where the kernel speaks a later major version. */
    private void negotiate() throws IOException {
        try (Arena confined = Arena.ofConfined()) {
            MemorySegment message = confined.allocate(2L * FuseProtocol.READ_BUFFER_BYTES_MIN, Long.BYTES);
            MemorySegment vector = confined.allocate(Vectors.BYTES, Long.BYTES);
            int major;
            do {
                Vectors.set(vector, 0, message.address(), message.byteSize());
                long received = Vectors.read(fd, vector.address(), 1);
                if (received < 0) {
                    throw new PosixException("read", (int) -received, MountPoint.KERNEL.toString());
                }
                boolean isInit = received >= FuseProtocol.IN_HEADER_BYTES + FuseProtocol.INIT_IN_BYTES_MIN
                        && message.get(JAVA_INT, FuseProtocol.IN_OPCODE) == FuseProtocol.INIT;
                if (!isInit) {
                    throw new FuseUnavailableException("the kernel did not begin with INIT, but with " + received
                            + " bytes: not a FUSE connection, or one that is served already");
                }
                major = message.get(JAVA_INT, FuseProtocol.IN_HEADER_BYTES);
                int minor = message.get(JAVA_INT, FuseProtocol.IN_HEADER_BYTES + 4);
                long unique = message.get(JAVA_LONG, FuseProtocol.IN_UNIQUE);
                if (major < FuseProtocol.MAJOR || (major == FuseProtocol.MAJOR && minor < FuseProtocol.MINOR)) {
                    reply(vector, message, unique, -Errno.EPROTO, 0);
                    throw new FuseUnavailableException("the kernel's FUSE is " + major + "." + minor + ", "
                            + FuseProtocol.MAJOR + "." + FuseProtocol.MINOR + " or newer is needed: Linux 5.4");
                }
                answerInit(vector, message, unique);
            } while (major > FuseProtocol.MAJOR);
        }
    }

    private void answerInit(MemorySegment vector, MemorySegment message, long unique) throws IOException {
        int readaheadBytes = message.get(JAVA_INT, FuseProtocol.IN_HEADER_BYTES + 8);
        int offered = message.get(JAVA_INT, FuseProtocol.IN_HEADER_BYTES + 12);
        MemorySegment body = message.asSlice(FuseProtocol.OUT_HEADER_BYTES, FuseProtocol.INIT_OUT_BYTES);
        body.fill((byte) 0);
        body.set(JAVA_INT, 0, FuseProtocol.MAJOR);
        body.set(JAVA_INT, 4, FuseProtocol.MINOR);
        body.set(JAVA_INT, 8, readaheadBytes);
        body.set(JAVA_INT, 12, offered & FLAGS_WANTED);
        body.set(JAVA_SHORT, 16, (short) BACKGROUND_COUNT_MAX);
        body.set(JAVA_SHORT, 18, (short) CONGESTION_COUNT);
        body.set(JAVA_INT, 20, payloadBytesMax());
        body.set(JAVA_INT, 24, 1);
        body.set(JAVA_SHORT, 28, (short) readPagesMax(Posix.pageBytes()));
        reply(vector, message, unique, 0, FuseProtocol.INIT_OUT_BYTES);
    }

    /**
     * How many pages make the longest READ: if the kernel asked for more, it would take what it gets for the end of
     * the file.
     */
    static int readPagesMax(long pageBytes) {
        return (int) Math.max(1, READ_BYTES_MAX / pageBytes);
    }

    /** Sends a reply whose body is in place. */
    private void reply(MemorySegment vector, MemorySegment message, long unique, int error, int bodyBytes)
            throws PosixException {
        int lengthBytes = FuseProtocol.OUT_HEADER_BYTES + bodyBytes;
        message.set(JAVA_INT, 0, lengthBytes);
        message.set(JAVA_INT, 4, error);
        message.set(JAVA_LONG, 8, unique);
        Vectors.set(vector, 0, message.address(), lengthBytes);
        long result = Vectors.write(fd, vector.address(), 1);
        if (result < 0) {
            throw new PosixException("write", (int) -result, MountPoint.KERNEL.toString());
        }
    }

    // ------------------------------------------------------------------------------------------------------ threads

    private void startThreads(Tree tree, long sizeBytes, Traffic traffic) {
        int payloadBytesMax = payloadBytesMax();
        counted = traffic.join(ClientKind.FUSE, lanes.size());
        for (int i = 0; i < lanes.size(); i++) {
            lanes.get(i).prepare(tree, files, sizeBytes, payloadBytesMax, counted.get(i), arena);
        }
        livingCount.set(lanes.size());
        lanes.forEach(lane -> lane.start(this::ended));
    }

    /**
     * A lane's threads have ended; the last one takes the connection with it, unless it is left to another program.
     * Where nobody asked for it, the device has closed its sessions.
     */
    private void ended(boolean isDisconnected) {
        if (isDisconnected || !leaving) {
            connected = false;
        }
        if (livingCount.decrementAndGet() > 0) {
            if (!leaving) {
                // The others would go on, but a lane that failed has requests that nobody answers.
                lanes.forEach(Lane::stop);
            }
            return;
        }
        files.close();
        counted.forEach(SessionTraffic::close);
        closeOrKeep(leaving && connected);
        arena.close();
        allEnded.countDown();
    }

    /** Whether the kernel still sends requests. */
    boolean isAlive() {
        return connected && !leaving;
    }

    /**
     * Ends the service: what is under way is dropped, and the connection with it. Waits until all threads have ended.
     */
    void stop() {
        connected = false;
        lanes.forEach(Lane::abort);
        awaitEnd();
    }

    /**
     * Ends the service and leaves the connection: all that was received is answered, what comes from now on waits in
     * the kernel for another server.
     *
     * @return whether the connection still exists: its descriptor is open then, and not closed on exec
     */
    boolean leave() {
        leaving = true;
        files.leave();
        lanes.forEach(Lane::stop);
        awaitEnd();
        return connected;
    }

    private void awaitEnd() {
        boolean interrupted = false;
        while (true) {
            try {
                allEnded.await();
                break;
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    // -------------------------------------------------------------------------------------------------- the
    // descriptor

    /** Nothing was started: gives everything back. */
    private void abandon() {
        for (Lane lane : lanes) {
            lane.abandon();
        }
        counted.forEach(SessionTraffic::close);
        closeOrKeep(false);
        arena.close();
    }

    private void closeOrKeep(boolean keeps) {
        try {
            if (keeps) {
                Descriptors.closeOnExec(fd, false);
            } else {
                Posix.close(fd);
            }
        } catch (PosixException e) {
            LOG.log(Level.WARNING, () -> "fuse: the connection can't be closed, or left: " + e.getMessage());
        }
    }
}
