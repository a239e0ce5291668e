package ramback.nbd;

import java.io.Closeable;
import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.net.BindException;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import ramback.traffic.Traffic;

/**
 * Serves a set of exports to NBD clients, on any number of Unix sockets and TCP ports. Every client has two threads of
 * its own and memory of a fixed size, so what a client sends, withholds or leaves unread is felt by nobody else. Safe
 * for use by many threads.
 *
 * <p>Source: the NBD specification; what is spoken of it is in the package's description and in {@code Protocol}.
 */
public final class NbdServer implements AutoCloseable {

    private static final Logger LOG = System.getLogger(NbdServer.class.getPackageName());

    /** How long {@link #close()} lets outstanding requests finish. */
    private static final Duration CLOSE_TIMEOUT = Duration.ofSeconds(5);

    /** How long a stop waits for threads whose socket and session have been closed under them. */
    private static final Duration ABORT_TIMEOUT = Duration.ofSeconds(5);

    /** How long a listener rests when the system refuses a connection, for want of descriptors or threads. */
    private static final Duration ACCEPT_PAUSE = Duration.ofMillis(100);

    private static final int TCP_BACKLOG = 128;

    private final Exports exports;
    private final ServerLimits limits;
    private final TlsMode tlsMode;
    private final @Nullable TlsKeys tlsKeys;
    private final HandshakeRoom handshakes;
    private final int connectionCountMax;
    private final Traffic traffic;

    private final Object lock = new Object();
    private final Set<Connection> connections = new LinkedHashSet<>(); // guarded by lock
    private final List<ServerSocketChannel> listeners = new ArrayList<>(); // guarded by lock
    private final List<UnixSocket> unixSockets = new ArrayList<>(); // guarded by lock
    private long connectionNumber; // guarded by lock
    private boolean stopping; // guarded by lock

    /** A server without TLS that listens nowhere yet. */
    public NbdServer(List<Export> exports, ServerLimits limits) {
        this(exports, limits, TlsMode.OFF, null, new Traffic());
    }

    /**
     * Makes a server that listens nowhere yet.
     *
     * @param exports with names that differ
     * @param tlsMode whether clients may, or must, encrypt
     * @param tlsKeys what the server proves itself with; null only when the mode is OFF
     * @param traffic where its clients are counted
     */
    public NbdServer(
            List<Export> exports, ServerLimits limits, TlsMode tlsMode, @Nullable TlsKeys tlsKeys, Traffic traffic) {
        if ((tlsMode == TlsMode.OFF) != (tlsKeys == null)) {
            throw new IllegalArgumentException("TLS " + tlsMode + (tlsKeys == null ? " without keys" : " with keys"));
        }
        this.tlsMode = tlsMode;
        this.tlsKeys = tlsKeys;
        this.traffic = traffic;
        this.exports = new Exports(exports);
        this.limits = limits;
        this.handshakes = new HandshakeRoom(
                limits.handshakeCountMax(),
                limits.handshakeTimeout().toNanos(),
                limits.handshakeStay().toNanos());
        // All clients, a full handshake, and as many that have ended and are still letting go of what they held.
        this.connectionCountMax = this.exports.sessionCountMax() + 2 * limits.handshakeCountMax();
        Thread.ofPlatform().daemon().name("nbd-handshakes").start(handshakes::run);
    }

    // ------------------------------------------------------------------------------------------------- listening

    /**
     * Listens on a Unix socket, whose file is the owner's alone (mode 0600). A file that a server left behind is
     * replaced.
     *
     * @throws IOException when the path is longer than 107 bytes, a live server's, not a socket, or not to be made; the
     *     message says which and what to do
     */
    public void listenUnix(Path file) throws IOException {
        listenUnix(file, false);
    }

    /** The same; for tests, its clients may have to encrypt as those of TCP. */
    void listenUnix(Path file, boolean isRequired) throws IOException {
        UnixSocket socket = UnixSocket.listen(file);
        synchronized (lock) {
            unixSockets.add(socket);
        }
        listen(socket.channel(), file.toString(), new Encryption(tlsKeys, isRequired));
    }

    /**
     * Listens on a TCP port.
     *
     * @param address port 0 takes any free port
     * @param isInsecure whether it may be one beyond the loopback where clients need no TLS
     * @return the address in use
     * @throws IOException when the address is such a one and may not be, or the port is in use; the message says which and
     *     what to do
     */
    public InetSocketAddress listenTcp(InetSocketAddress address, boolean isInsecure) throws IOException {
        if (address.isUnresolved()) {
            throw new IOException("unknown host in --listen: " + address.getHostString());
        }
        boolean isRequired = tlsMode == TlsMode.REQUIRE;
        if (!isRequired && !isInsecure && !address.getAddress().isLoopbackAddress()) {
            throw new IOException("NBD without TLS is served on the loopback only, not on " + address.getHostString()
                    + "; use 127.0.0.1 or localhost in --listen");
        }
        ServerSocketChannel channel = ServerSocketChannel.open();
        try {
            channel.bind(address, TCP_BACKLOG);
            InetSocketAddress bound = (InetSocketAddress) channel.getLocalAddress();
            listen(channel, bound.toString(), new Encryption(tlsKeys, isRequired));
            return bound;
        } catch (BindException e) {
            channel.close();
            throw new IOException(
                    "cannot listen on " + address.getHostString() + ":" + address.getPort() + ": " + e.getMessage()
                            + "; choose another port with --listen",
                    e);
        } catch (IOException | RuntimeException e) {
            channel.close();
            throw e;
        }
    }

    private void listen(ServerSocketChannel channel, String place, Encryption encryption) throws IOException {
        synchronized (lock) {
            if (stopping) {
                channel.close();
                throw new IOException("the server is stopping");
            }
            listeners.add(channel);
        }
        Thread.ofPlatform().daemon().name("nbd-accept " + place).start(() -> accept(channel, encryption));
    }

    private void accept(ServerSocketChannel listener, Encryption encryption) {
        while (listener.isOpen()) {
            try {
                admit(listener.accept(), encryption);
            } catch (ClosedChannelException e) {
                return;
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return;
            } catch (IOException | OutOfMemoryError e) {
                LOG.log(Level.WARNING, "cannot take a connection: " + e.getMessage());
                rest();
            }
        }
    }

    private static void rest() {
        try {
            Thread.sleep(ACCEPT_PAUSE);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void admit(SocketChannel channel, Encryption encryption) throws IOException, InterruptedException {
        Connection connection;
        synchronized (lock) {
            // While too many that have ended still hold their threads, newcomers wait in the system's queue.
            while (connections.size() >= connectionCountMax && !stopping) {
                lock.wait();
            }
            connection = new Connection(++connectionNumber, channel, this, encryption);
            if (stopping) {
                channel.close();
                return;
            }
            connections.add(connection);
        }
        boolean started = false;
        try {
            tune(channel);
            if (handshakes.enter(connection)) {
                Thread.ofPlatform().daemon().name("nbd-" + connection.number()).start(connection);
                started = true;
            }
        } finally {
            if (!started) {
                handshakes.leave(connection);
                connection.abort("the server is stopping, or its thread could not be started");
                remove(connection);
            }
        }
    }

    /** A Unix socket keeps the system's buffer: a larger one was measured to be slower, its data falls out of the cache. */
    private static void tune(SocketChannel channel) throws IOException {
        if (channel.getRemoteAddress() instanceof InetSocketAddress) {
            channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
            channel.setOption(StandardSocketOptions.SO_KEEPALIVE, true);
        }
    }

    // --------------------------------------------------------------------------------------- for the connections

    Exports exports() {
        return exports;
    }

    ServerLimits limits() {
        return limits;
    }

    HandshakeRoom handshakes() {
        return handshakes;
    }

    /** Where its clients are counted. */
    Traffic traffic() {
        return traffic;
    }

    /** The connection has ended. */
    void remove(Connection connection) {
        synchronized (lock) {
            if (connections.remove(connection)) {
                lock.notifyAll();
            }
        }
    }

    // ---------------------------------------------------------------------------------------------------- status

    /** Returns the number of connections that have a thread, whatever they are at. */
    int connectionCount() {
        synchronized (lock) {
            return connections.size();
        }
    }

    /** Returns the number of connections in the transmission phase. */
    public int clientCount() {
        synchronized (lock) {
            return (int) connections.stream().filter(Connection::isClient).count();
        }
    }

    // -------------------------------------------------------------------------------------------------- stopping

    /**
     * Stops: takes no more connections and requests, lets outstanding requests finish and their replies leave, then
     * closes every connection. Returns when all of its threads have let go of their sessions. May be called more than
     * once.
     *
     * @param timeout how long to wait for outstanding requests; afterwards their connections are closed without an
     *     answer
     */
    public void stop(Duration timeout) {
        List<Connection> open;
        synchronized (lock) {
            stopping = true;
            lock.notifyAll();
            closeListeners();
            open = List.copyOf(connections);
        }
        handshakes.close();
        open.forEach(Connection::beginStop);
        if (awaitNone(timeout)) {
            return;
        }
        synchronized (lock) {
            open = List.copyOf(connections);
        }
        open.forEach(connection -> connection.abort("not finished within " + timeout.toMillis() + " ms of a stop"));
        if (!awaitNone(ABORT_TIMEOUT)) {
            LOG.log(Level.WARNING, "connections are still in the device " + ABORT_TIMEOUT + " after they were closed");
        }
    }

    /**
     * Stops without an answer to what is outstanding or still arrives, so that clients who can connect again ask the next server on
     * this address instead of taking an error for an answer. Returns when all of its threads have let go of their sessions.
     *
     * @param reason for the log
     */
    public void drop(String reason) {
        List<Connection> open;
        synchronized (lock) {
            stopping = true;
            closeListeners();
            open = List.copyOf(connections);
        }
        handshakes.close();
        open.forEach(connection -> connection.abort(reason));
        if (!awaitNone(ABORT_TIMEOUT)) {
            LOG.log(Level.WARNING, "connections are still in the device " + ABORT_TIMEOUT + " after they were closed");
        }
    }

    /** Stops with a time-out of five seconds. */
    @Override
    public void close() {
        stop(CLOSE_TIMEOUT);
    }

    private void closeListeners() {
        for (UnixSocket socket : unixSockets) {
            closeQuietly(socket);
        }
        for (ServerSocketChannel listener : listeners) {
            closeQuietly(listener);
        }
        unixSockets.clear();
        listeners.clear();
    }

    private static void closeQuietly(Closeable listener) {
        try {
            listener.close();
        } catch (IOException e) {
            LOG.log(Level.WARNING, "cannot close a listening socket: " + e.getMessage());
        }
    }

    private boolean awaitNone(Duration timeout) {
        long deadlineNanos = System.nanoTime() + timeout.toNanos();
        synchronized (lock) {
            while (!connections.isEmpty()) {
                long leftMillis = (deadlineNanos - System.nanoTime()) / 1_000_000;
                if (leftMillis <= 0) {
                    return false;
                }
                try {
                    lock.wait(leftMillis);
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                    return false;
                }
            }
            return true;
        }
    }
}
