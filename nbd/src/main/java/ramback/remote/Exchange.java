package ramback.remote;

import java.io.IOException;
import java.net.UnknownHostException;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.SocketChannel;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;
import ramback.backing.BackingOpenException;
import ramback.backing.BackingOpenException.Reason;
import ramback.clock.Clock;
import ramback.protocol.Protocol;

/**
 * The conversation with a server: one thread, which owns all connections and the memory of all requests under way, and many callers,
 * who begin requests and wait for them. At most {@link #REQUEST_COUNT} are under way.
 *
 * <p><b>When a connection is lost.</b> All connections that were made together end together, and every request on them fails: nothing is
 * ever sent twice by itself. Before a new connection is made, the old ones are shut down for sending and listened to until the server has
 * closed its end. A server closes it after it has taken everything that was sent, so what it had been asked before can no longer come
 * behind what it is asked from then on:
 *
 * <pre>
 *   talking ──lost──▶ ending: no more requests, wait for the server's end ──▶ connecting, with back-off ──▶ talking
 * </pre>
 *
 * A server that was killed has closed its end by that. One that hangs has not, and is waited for: on a Unix socket as long as it takes
 * (it is alive, or its end would be closed), on TCP for {@link Patience#settleNanos}, because a machine that has gone tells nobody. What
 * is left of the hazard: a server that closes its end while its own threads are still writing; and a machine that comes back
 * with an old request after that time, beside another one that took over its address.
 *
 * <p><b>What is durable.</b> Each such life of the connections has a number. Whoever wrote in one life and syncs in a later one is told that
 * it failed: the server may have been started anew without what it had not synced. FLUSH is sent only in the life whose writes it is
 * to cover, on one connection: several are used only where the server says that it covers them all.
 */
final class Exchange implements AutoCloseable {

    static final int REQUEST_COUNT = 64;
    static final int LINK_COUNT_MAX = 4;

    /** A further connection is waited for less: a server that takes one client alone may leave it in its queue. */
    private static final int FURTHER_LINK_SHARE = 5;

    private static final System.Logger LOG = System.getLogger(Exchange.class.getName());
    private static final long NONE = -1;

    private final RemoteUri uri;
    private final boolean readOnly;
    private final Patience patience;
    private final Clock clock;
    private final Sockets sockets;
    private final Request[] requests = new Request[REQUEST_COUNT];
    private final Thread thread;
    private final Terms terms;

    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    /** One sync at a time: the failure of one is the failure of all that wait with it. */
    private final ReentrantLock syncing = new ReentrantLock();
    // Under the lock:
    private final ArrayDeque<Request> free = new ArrayDeque<>(REQUEST_COUNT);
    private final ArrayDeque<Request> begun = new ArrayDeque<>(REQUEST_COUNT);
    private boolean talking;
    private String cause = "";
    private long lostNanos;
    private long life;
    /** The life in which something was written that has not been synced since, or NONE. */
    private long unsyncedLife = NONE;
    /** How many syncs have failed. */
    private long failedSyncCount;

    // For the thread:
    private List<Link> links;
    private long nextCookie;

    private Exchange(RemoteUri uri, boolean readOnly, Patience patience, Clock clock) throws IOException {
        this.uri = uri;
        this.readOnly = readOnly;
        this.patience = patience;
        this.clock = clock;
        this.sockets = new Sockets(clock);
        for (int i = 0; i < REQUEST_COUNT; i++) {
            requests[i] = new Request(i);
            free.add(requests[i]);
        }
        boolean isOpen = false;
        try {
            links = connect(null);
            isOpen = true;
        } finally {
            if (!isOpen) {
                sockets.close();
            }
        }
        terms = links.getFirst().terms();
        talking = true;
        thread = Thread.ofPlatform().daemon().name("remote").unstarted(this::run);
    }

    /**
     * Connects to a server and begins to speak with it.
     *
     * @throws BackingOpenException when the server is not there, or is not what was hoped for
     */
    static Exchange open(RemoteUri uri, boolean readOnly, Patience patience, Clock clock) throws BackingOpenException {
        try {
            Exchange exchange = new Exchange(uri, readOnly, patience, clock);
            exchange.thread.start();
            return exchange;
        } catch (BackingOpenException e) {
            throw e;
        } catch (IOException e) {
            throw new BackingOpenException(
                    Reason.FAILED,
                    "no connection to " + uri + ": " + reason(e) + "; start its server, or check the address",
                    e);
        }
    }

    /** What the server said when it was opened; later ones offer as much. */
    Terms terms() {
        return terms;
    }

    /** The thread that touches the memory of requests. */
    Thread thread() {
        return thread;
    }

    // ---------------------------------------------------------------------------------------------- callers

    /**
     * Sends a request on its way. Waits for a connection and for a request that is free.
     *
     * @param memory accessible by {@link #thread()}, of {@code lengthBytes}, or null
     * @param mayWait whether to wait for a free request, which only those may do who hold none; if not, null is returned
     * @throws LostException when there is no connection, and has been none for a while
     */
    @Nullable
    Request begin(
            int command,
            long offsetBytes,
            int lengthBytes,
            @Nullable ByteBuffer memory,
            @Nullable Extents extents,
            boolean mayWait)
            throws LostException {
        lock.lock();
        try {
            while (true) {
                awaitConnection();
                if (!free.isEmpty()) {
                    return enqueue(command, offsetBytes, lengthBytes, memory, extents);
                }
                if (!mayWait) {
                    return null;
                }
                changed.awaitUninterruptibly();
            }
        } finally {
            lock.unlock();
        }
    }

    private Request enqueue(
            int command, long offsetBytes, int lengthBytes, @Nullable ByteBuffer memory, @Nullable Extents extents) {
        Request request = free.remove();
        request.command = command;
        request.offsetBytes = offsetBytes;
        request.lengthBytes = lengthBytes;
        request.memory = memory;
        request.extents = extents;
        request.waiter = Thread.currentThread();
        request.error = 0;
        request.message = "";
        request.lost = null;
        request.done = false;
        begun.add(request);
        if (begun.size() == 1) {
            sockets.wake();
        }
        return request;
    }

    private void awaitConnection() throws LostException {
        while (!talking) {
            long leftNanos = lostNanos + patience.outageNanos() - clock.nanoTime();
            if (leftNanos <= 0) {
                throw new LostException(cause);
            }
            try {
                if (changed.awaitNanos(leftNanos) <= 0 && !talking) {
                    throw new LostException(cause);
                }
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new LostException(cause);
            }
        }
    }

    /** Waits until a request is done. */
    static void await(Request request) {
        boolean isInterrupted = false;
        while (!request.done) {
            LockSupport.park(request);
            isInterrupted |= Thread.interrupted();
        }
        if (isInterrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /** Gives a request back that is done, and whose outcome has been read. */
    void giveBack(Request request) {
        request.memory = null;
        request.extents = null;
        request.waiter = null;
        lock.lock();
        try {
            free.add(request);
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    /**
     * Returns when everything is durable that was answered before.
     *
     * @throws LostException when it is not certain that it is
     * @throws ServerErrorException when the server said that it is not
     */
    void sync() throws LostException, ServerErrorException {
        long failedBefore = failedSyncCount();
        syncing.lock();
        try {
            if (failedSyncCount() != failedBefore) {
                throw new LostException("a sync that was waited for failed");
            }
            boolean isDone = false;
            try {
                flush();
                isDone = true;
            } finally {
                if (!isDone) {
                    noteFailedSync();
                }
            }
        } finally {
            syncing.unlock();
        }
    }

    private void flush() throws LostException, ServerErrorException {
        Request request;
        lock.lock();
        try {
            while (true) {
                awaitConnection();
                if (unsyncedLife != NONE && unsyncedLife != life) {
                    throw new LostException(
                            "the connection was lost after writes that had not been synced, and the server may"
                                    + " have lost them; they are written again");
                }
                if (!free.isEmpty()) {
                    unsyncedLife = NONE;
                    request = enqueue(Protocol.CMD_FLUSH, 0, 0, null, null);
                    break;
                }
                changed.awaitUninterruptibly();
            }
        } finally {
            lock.unlock();
        }
        await(request);
        try {
            check(request);
        } finally {
            giveBack(request);
        }
    }

    /** Throws what went wrong with a request that is done, if anything did. */
    static void check(Request request) throws LostException, ServerErrorException {
        if (request.lost != null) {
            throw new LostException(request.lost);
        }
        if (request.error != 0) {
            throw new ServerErrorException(request.error, request.message);
        }
    }

    /** Why there is no connection now; null while there is one. */
    @Nullable
    String outage() {
        lock.lock();
        try {
            return talking ? null : cause;
        } finally {
            lock.unlock();
        }
    }

    private long failedSyncCount() {
        lock.lock();
        try {
            return failedSyncCount;
        } finally {
            lock.unlock();
        }
    }

    /** Everything that was written since the last good sync is going to be written again. */
    private void noteFailedSync() {
        lock.lock();
        try {
            failedSyncCount++;
            unsyncedLife = NONE;
        } finally {
            lock.unlock();
        }
    }

    /** Ends it; no request may be under way. */
    @Override
    public void close() throws IOException {
        sockets.stop();
        boolean isInterrupted = false;
        while (thread.isAlive()) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                isInterrupted = true;
            }
        }
        if (isInterrupted) {
            Thread.currentThread().interrupt();
        }
        sockets.close();
    }

    // ---------------------------------------------------------------------------------------------- the thread

    private void run() {
        while (!sockets.isStopped()) {
            String why = "it ends";
            try {
                talk();
            } catch (IOException e) {
                why = reason(e);
            } catch (RuntimeException | Error e) {
                LOG.log(System.Logger.Level.ERROR, "a connection to " + uri + " ends by an internal error", e);
                why = "internal error: " + e;
            }
            if (!sockets.isStopped()) {
                lose(why);
                end();
                connectAgain();
            }
        }
        links.forEach(Link::sayGoodbye);
        links.forEach(Link::close);
    }

    /** Sends and receives until there is an error, or nothing more to do for good. */
    private void talk() throws IOException {
        while (!sockets.isStopped()) {
            long nowNanos = clock.nanoTime();
            handOut(nowNanos);
            boolean moved = false;
            for (Link link : links) {
                moved |= link.send(nowNanos);
                moved |= link.receive(nowNanos);
            }
            if (!moved) {
                sockets.sleep(silenceEndsNanos(nowNanos));
            }
        }
    }

    /** When the server will have been silent for too long, while it owes an answer. */
    private long silenceEndsNanos(long nowNanos) throws IOException {
        boolean isSlow = false;
        long silentSinceNanos = Clock.NEVER;
        for (Link link : links) {
            isSlow |= link.isSlow();
            silentSinceNanos = Math.min(silentSinceNanos, link.silentSinceNanos());
        }
        if (silentSinceNanos == Clock.NEVER) {
            return Clock.NEVER;
        }
        long limitNanos = isSlow ? patience.slowAnswerNanos() : patience.answerNanos();
        if (nowNanos - silentSinceNanos >= limitNanos) {
            throw new IOException("the server has not answered for " + limitNanos / 1_000_000_000 + " s");
        }
        return silentSinceNanos + limitNanos;
    }

    /** Gives what was begun to the connections. */
    private void handOut(long nowNanos) {
        lock.lock();
        try {
            for (Request request = begun.poll(); request != null; request = begun.poll()) {
                Link lightest = links.getFirst();
                for (Link link : links) {
                    lightest = link.weightBytes() < lightest.weightBytes() ? link : lightest;
                }
                request.cookie = nextCookie++ << 16 | request.index;
                lightest.take(request, nowNanos);
            }
        } finally {
            lock.unlock();
        }
    }

    private void finished(Request request) {
        boolean isChange = request.command == Protocol.CMD_WRITE || request.command == Protocol.CMD_WRITE_ZEROES;
        if (isChange && request.error == 0) {
            lock.lock();
            try {
                if (unsyncedLife == NONE) {
                    unsyncedLife = life;
                }
            } finally {
                lock.unlock();
            }
        }
        Thread waiter = request.waiter;
        request.done = true;
        LockSupport.unpark(waiter);
    }

    // ---------------------------------------------------------------------------------------------- losing, finding
    // again

    /** Ends a life: all requests fail. */
    private void lose(String why) {
        List<Request> failed = new ArrayList<>();
        for (Request request : requests) {
            if (request.link != null) {
                failed.add(request);
            }
        }
        links.forEach(Link::beginEnd);
        lock.lock();
        try {
            failed.addAll(begun);
            begun.clear();
            talking = false;
            lostNanos = clock.nanoTime();
            life++;
            cause = "the connection was lost: " + why;
        } finally {
            lock.unlock();
        }
        LOG.log(System.Logger.Level.WARNING, "connection to {0} lost: {1}; connects again by itself", uri, why);
        for (Request request : failed) {
            Thread waiter = request.waiter;
            request.lost = cause;
            request.done = true;
            LockSupport.unpark(waiter);
        }
    }

    /** Waits until the server has closed its end of the old connections: then it has taken all that it is ever going to. */
    private void end() {
        boolean isLimited = uri.endpoint() instanceof RemoteUri.Tcp;
        long endNanos = isLimited ? clock.nanoTime() + patience.settleNanos() : Clock.NEVER;
        boolean isTold = false;
        try {
            while (!sockets.isStopped() && clock.nanoTime() < endNanos) {
                boolean isOver = true;
                for (Link link : links) {
                    isOver &= link.hasEnded();
                }
                if (isOver) {
                    break;
                }
                if (!isTold) {
                    isTold = true;
                    tell(cause + "; the server has not closed its end yet, and is waited for (end it if it hangs)");
                }
                sockets.sleep(endNanos);
            }
        } catch (IOException e) {
            LOG.log(System.Logger.Level.WARNING, "can't wait for the end of connections to {0}: {1}", uri, reason(e));
        }
        links.forEach(Link::close);
    }

    private void connectAgain() {
        long delayNanos = patience.retryNanosMin();
        while (!sockets.isStopped()) {
            try {
                pause(delayNanos);
                delayNanos = Math.min(patience.retryNanosMax(), delayNanos * 2);
                if (!sockets.isStopped()) {
                    links = connect(terms);
                    found();
                    return;
                }
            } catch (IOException e) {
                tell("no connection: " + reason(e));
            } catch (RuntimeException e) {
                LOG.log(System.Logger.Level.ERROR, "connecting to " + uri + " failed by an internal error", e);
                tell("no connection: internal error: " + e);
            }
        }
    }

    private void pause(long nanos) throws IOException {
        long endNanos = clock.nanoTime() + nanos;
        while (!sockets.isStopped() && clock.nanoTime() < endNanos) {
            sockets.sleep(endNanos);
        }
    }

    private void tell(String why) {
        lock.lock();
        try {
            cause = why;
        } finally {
            lock.unlock();
        }
    }

    private void found() {
        lock.lock();
        try {
            talking = true;
            changed.signalAll();
        } finally {
            lock.unlock();
        }
        LOG.log(System.Logger.Level.INFO, "connected to {0} again", uri);
    }

    // ---------------------------------------------------------------------------------------------- connecting

    /** Makes the connections of a life: one, or several where the server allows them. */
    private List<Link> connect(@Nullable Terms before) throws IOException {
        List<Link> made = new ArrayList<>();
        boolean isComplete = false;
        try {
            Link first = connectOne(before, patience.handshakeNanos());
            made.add(first);
            while (first.terms().allowsConnections() && made.size() < LINK_COUNT_MAX) {
                try {
                    made.add(connectOne(first.terms(), patience.handshakeNanos() / FURTHER_LINK_SHARE));
                } catch (IOException e) {
                    // A server that takes no more clients is spoken with over those that it took.
                    LOG.log(System.Logger.Level.DEBUG, "connection {0} to {1}: {2}", made.size() + 1, uri, reason(e));
                    break;
                }
            }
            isComplete = true;
            return made;
        } finally {
            if (!isComplete) {
                made.forEach(Link::close);
            }
        }
    }

    private Link connectOne(@Nullable Terms before, long timeNanos) throws IOException {
        long deadlineNanos = clock.nanoTime() + timeNanos;
        SocketChannel channel = sockets.connect(uri.endpoint(), deadlineNanos);
        boolean isAgreed = false;
        try {
            Terms agreed = new ClientHandshake(uri, sockets.until(deadlineNanos, channel), true).run();
            agreed.check(uri, readOnly);
            String difference = before == null ? null : agreed.difference(before, readOnly);
            if (difference != null) {
                throw new IOException("the export " + difference + "; bring back the one that was there");
            }
            isAgreed = true;
            return new Link(channel, sockets, agreed, requests, this::finished);
        } finally {
            if (!isAgreed) {
                channel.close();
            }
        }
    }

    /** Why, in a phrase: the JDK's messages are bare at times. */
    private static String reason(IOException e) {
        return switch (e) {
            case UnknownHostException unknown -> "host " + unknown.getMessage() + " is unknown";
            case ClosedChannelException _ -> "the connection is closed";
            default -> String.valueOf(e.getMessage());
        };
    }
}
