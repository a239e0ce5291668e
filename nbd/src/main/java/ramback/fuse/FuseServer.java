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
import ramback.device.Device;
import ramback.device.DeviceSession;
import ramback.device.TooManySessionsException;
import ramback.posix.Descriptors;
import ramback.posix.Errno;
import ramback.posix.FuseDevice;
import ramback.posix.Posix;
import ramback.posix.PosixException;
import ramback.posix.Vectors;

/**
 * A connection with the kernel and the threads that serve it. Each request thread {@code fuse-N} has a session of the device
 * and a descriptor of its own, and beside it a reply thread {@code fuse-reply-N}. The last thread that ends closes the
 * descriptors, with which the kernel ends the connection.
 */
final class FuseServer {

    /** The longest READ: 256 pages of 4 KiB, what kernels allow unless they are told otherwise (fs.fuse.max_pages_limit). */
    static final int READ_BYTES_MAX = 1 << 20;

    private static final int READ_PAGES_MAX = READ_BYTES_MAX >> 12;
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

    /** One request thread's share. */
    private record Lane(int number, int fd, DeviceSession session, WaitingRequests waiting) {}

    private final int fd;
    private final TextFiles files = new TextFiles();
    private final List<Lane> lanes = new ArrayList<>();
    private final Arena arena = Arena.ofShared();
    private final CountDownLatch ended = new CountDownLatch(1);
    private int livingCount; // guarded by lanes
    private volatile boolean connected = true;
    private volatile boolean leaving;

    private FuseServer(int fd) {
        this.fd = fd;
    }

    /**
     * Serves a connection. The descriptor is closed with it, also when this fails.
     *
     * @param fd of /dev/fuse, mounted; in tests any that carries whole messages
     * @param threadCount how many request threads
     * @param isNew whether the kernel's INIT is still to be answered; otherwise another server did it for the same device
     */
    static FuseServer start(int fd, Device device, Tree tree, int threadCount, boolean isNew)
            throws IOException, TooManySessionsException {
        FuseServer server = new FuseServer(fd);
        boolean started = false;
        try {
            server.open(device, threadCount, isNew);
            server.startThreads(tree, device.sizeBytes());
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
            lanes.add(new Lane(i, i == 0 ? fd : another(), session, new WaitingRequests(session.deferredCountMax())));
        }
        if (isNew) {
            negotiate();
        }
    }

    /** A descriptor of the same connection: threads with one each don't wait for each other in the kernel. */
    private int another() throws PosixException {
        try {
            return FuseDevice.openClone(fd);
        } catch (PosixException e) {
            LOG.log(Level.DEBUG, () -> "fuse: one descriptor for all threads: " + e.getMessage());
            return fd;
        }
    }

    private int payloadBytesMax() {
        long stagingBytes = lanes.getFirst().session.staging().byteSize();
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
                    throw new PosixException("read", (int) -received, FuseDevice.PATH.toString());
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
        body.set(JAVA_SHORT, 28, (short) READ_PAGES_MAX);
        reply(vector, message, unique, 0, FuseProtocol.INIT_OUT_BYTES);
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
            throw new PosixException("write", (int) -result, FuseDevice.PATH.toString());
        }
    }

    // ------------------------------------------------------------------------------------------------------ threads

    private void startThreads(Tree tree, long sizeBytes) {
        int payloadBytesMax = payloadBytesMax();
        livingCount = lanes.size();
        for (Lane lane : lanes) {
            Replies replies = new Replies(lane.fd, lane.session, arena);
            Replies deferred = new Replies(lane.fd, lane.session, arena);
            DiskRequests disk = new DiskRequests(lane.session, sizeBytes, lane.waiting, replies);
            Requests requests = new Requests(lane.fd, lane.session, tree, files, disk, replies, payloadBytesMax, arena);
            Thread replyThread = Thread.ofPlatform()
                    .daemon()
                    .name("fuse-reply-" + lane.number)
                    .start(() -> runReplies(lane, new DeferredReplies(lane.session, lane.waiting, deferred)));
            Thread.ofPlatform()
                    .daemon()
                    .name("fuse-" + lane.number)
                    .start(() -> runRequests(lane, requests, replyThread));
        }
    }

    private void runRequests(Lane lane, Requests requests, Thread replyThread) {
        try {
            if (requests.run() == Requests.End.STOPPED && leaving) {
                lane.waiting.awaitAnswered();
            } else {
                connected = false;
            }
        } catch (InterruptedException e) {
            connected = false;
        } catch (RuntimeException | Error e) {
            connected = false;
            LOG.log(Level.WARNING, "fuse-" + lane.number + ": closed by an internal error", e);
            stopThreads();
        } finally {
            lane.session.close();
            join(replyThread);
            lane.session.release();
            endedOne();
        }
    }

    private void runReplies(Lane lane, DeferredReplies replies) {
        try {
            replies.run();
        } catch (RuntimeException | Error e) {
            connected = false;
            LOG.log(Level.WARNING, "fuse-reply-" + lane.number + ": closed by an internal error", e);
            stopThreads();
        } finally {
            lane.session.close();
            lane.session.release();
            lane.waiting.giveUp();
        }
    }

    private void endedOne() {
        synchronized (lanes) {
            if (--livingCount > 0) {
                return;
            }
        }
        files.close();
        closeDescriptors(leaving && connected);
        arena.close();
        ended.countDown();
    }

    /**
     * Asks each request thread to stop, by a message that the kernel sends on to one of them: nothing else wakes a thread
     * that reads from /dev/fuse, and only it. (The kernel is asked for what it has in its page cache of the directory, which
     * is nothing.)
     */
    private void stopThreads() {
        try (Arena confined = Arena.ofConfined()) {
            int lengthBytes = FuseProtocol.OUT_HEADER_BYTES + FuseProtocol.NOTIFY_RETRIEVE_OUT_BYTES;
            MemorySegment message = confined.allocate(lengthBytes, Long.BYTES);
            message.set(JAVA_INT, 0, lengthBytes);
            message.set(JAVA_INT, 4, FuseProtocol.NOTIFY_RETRIEVE);
            message.set(JAVA_LONG, FuseProtocol.OUT_HEADER_BYTES, Requests.STOP);
            message.set(JAVA_LONG, FuseProtocol.OUT_HEADER_BYTES + 8, FuseProtocol.ROOT_NODE);
            MemorySegment vector = confined.allocate(Vectors.BYTES, Long.BYTES);
            Vectors.set(vector, 0, message.address(), lengthBytes);
            synchronized (lanes) { // the descriptor is open as long as one of them lives
                for (int i = 0; i < livingCount; i++) {
                    Vectors.write(fd, vector.address(), 1);
                }
            }
        }
    }

    /** Whether the kernel still sends requests. */
    boolean isAlive() {
        return connected && !leaving;
    }

    /** Ends the service: what is under way is dropped, and the connection with it. Waits until all threads have ended. */
    void stop() {
        connected = false;
        lanes.forEach(lane -> lane.session.close());
        stopThreads();
        awaitEnd();
    }

    /**
     * Ends the service and leaves the connection: all that was received is answered, what comes from now on waits in the
     * kernel for another server.
     *
     * @return whether the connection still exists: its descriptor is open then, and not closed on exec
     */
    boolean leave() {
        leaving = true;
        files.leave();
        stopThreads();
        awaitEnd();
        return connected;
    }

    private void awaitEnd() {
        boolean interrupted = false;
        while (true) {
            try {
                ended.await();
                break;
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private static void join(Thread thread) {
        boolean interrupted = false;
        while (thread.isAlive()) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    // -------------------------------------------------------------------------------------------------- descriptors

    /** Nothing was started: gives everything back. */
    private void abandon() {
        for (Lane lane : lanes) {
            lane.session.close();
            lane.session.release();
            lane.session.release();
        }
        closeDescriptors(false);
        arena.close();
    }

    private void closeDescriptors(boolean keepsFirst) {
        for (Lane lane : lanes) {
            if (lane.fd != fd) {
                close(lane.fd);
            }
        }
        if (!keepsFirst) {
            close(fd);
            return;
        }
        try {
            Descriptors.closeOnExec(fd, false);
        } catch (PosixException e) {
            LOG.log(Level.WARNING, () -> "fuse: the connection can't be left to another program: " + e.getMessage());
        }
    }

    private static void close(int descriptor) {
        try {
            Posix.close(descriptor);
        } catch (PosixException e) {
            LOG.log(Level.DEBUG, () -> "fuse: close failed: " + e.getMessage());
        }
    }
}
