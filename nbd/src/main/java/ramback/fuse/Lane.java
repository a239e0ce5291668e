package ramback.fuse;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.lang.foreign.Arena;
import org.jspecify.annotations.Nullable;
import ramback.device.DeviceSession;
import ramback.posix.PosixException;
import ramback.posix.Wakeup;
import ramback.traffic.SessionTraffic;

/**
 * One of several that serve a connection side by side: a session of the device, a
 * request thread {@code fuse-N} and a reply thread {@code fuse-reply-N}.
 */
final class Lane {

    /** What is told when both threads have ended. */
    @FunctionalInterface
    interface Listener {
        /**
         * Says that they have.
         *
         * @param isDisconnected whether it was not asked to end: the kernel ended the connection, or something failed
         */
        void ended(boolean isDisconnected);
    }

    private static final long NOBODY = 0;

    /** How often a request thread that is to end is woken until it has heard. */
    private static final int WAKE_INTERVAL_MILLIS = 1;

    private static final Logger LOG = System.getLogger(Lane.class.getPackageName());

    private final int number;
    private final int fd;
    private final DeviceSession session;
    private final WaitingRequests waiting;
    private @Nullable Requests requests;
    private @Nullable DeferredReplies replies;
    private long receiver = NOBODY; // guarded by this
    private volatile boolean failed;

    Lane(int number, int fd, DeviceSession session) {
        this.number = number;
        this.fd = fd;
        this.session = session;
        this.waiting = new WaitingRequests(session.deferredCountMax());
    }

    DeviceSession session() {
        return session;
    }

    /** Makes what the threads need; before {@link #start}. */
    void prepare(Tree tree, TextFiles files, long sizeBytes, int payloadBytesMax, SessionTraffic traffic, Arena arena) {
        Replies own = new Replies(fd, session, arena);
        DiskReplies answered = new DiskReplies(waiting, own, traffic, traffic.answers());
        DiskRequests disk = new DiskRequests(session, sizeBytes, waiting, own, answered, traffic);
        requests = new Requests(fd, session, tree, files, disk, own, payloadBytesMax, arena);
        Replies later = new Replies(fd, session, arena);
        replies = new DeferredReplies(
                session, waiting, new DiskReplies(waiting, later, traffic, traffic.deferredAnswers()));
    }

    /** Starts the threads. */
    void start(Listener listener) {
        Requests receiving = requests;
        DeferredReplies answering = replies;
        if (receiving == null || answering == null) {
            throw new IllegalStateException("not prepared");
        }
        Thread replyThread =
                Thread.ofPlatform().daemon().name("fuse-reply-" + number).start(() -> runReplies(answering, receiving));
        Thread.ofPlatform().daemon().name("fuse-" + number).start(() -> runRequests(receiving, replyThread, listener));
    }

    private void runRequests(Requests receiving, Thread replyThread, Listener listener) {
        boolean stopped = false;
        try {
            setReceiver(Wakeup.self());
            stopped = receiving.run() == Requests.End.STOPPED;
            setReceiver(NOBODY);
            if (stopped) {
                waiting.awaitAnswered();
            }
        } catch (InterruptedException e) {
            failed = true;
        } catch (PosixException | RuntimeException | Error e) {
            failed = true;
            LOG.log(Level.WARNING, "fuse-" + number + ": closed by an internal error", e);
        } finally {
            setReceiver(NOBODY);
            session.close();
            join(replyThread);
            session.release();
            listener.ended(!stopped || failed);
        }
    }

    private void runReplies(DeferredReplies answering, Requests receiving) {
        try {
            answering.run();
        } catch (RuntimeException | Error e) {
            failed = true;
            LOG.log(Level.WARNING, "fuse-reply-" + number + ": closed by an internal error", e);
        } finally {
            session.close();
            session.release();
            waiting.giveUp();
            stop(receiving);
        }
    }

    private synchronized void setReceiver(long thread) {
        receiver = thread;
        notifyAll();
    }

    /**
     * Lets the threads end when all that was received is answered. Returns when the request thread receives no more,
     * which may be before it began.
     */
    void stop() {
        Requests receiving = requests;
        if (receiving != null) {
            stop(receiving);
        }
    }

    private synchronized void stop(Requests receiving) {
        receiving.stop();
        boolean interrupted = false;
        while (receiver != NOBODY) {
            try {
                // Woken just before it begins to wait, it would not notice.
                Wakeup.wake(receiver);
                wait(WAKE_INTERVAL_MILLIS);
            } catch (InterruptedException e) {
                interrupted = true;
            } catch (PosixException e) {
                LOG.log(Level.WARNING, () -> "fuse-" + number + ": cannot be woken: " + e.getMessage());
                break;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /** As {@link #stop}, but what waits is dropped. */
    void abort() {
        session.close();
        stop();
    }

    /** Gives the session of a lane back that was never started. */
    void abandon() {
        session.close();
        session.release();
        session.release();
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
}
