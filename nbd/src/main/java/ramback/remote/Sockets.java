package ramback.remote;

import java.io.EOFException;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.SocketTimeoutException;
import java.net.StandardProtocolFamily;
import java.net.StandardSocketOptions;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import ramback.clock.Clock;

/**
 * The sockets of one thread, none of which ever blocks it: it waits for all of them at once, up to a deadline, and can be woken. Only
 * {@link #wake()} and {@link #stop()} may be called by other threads.
 */
final class Sockets implements AutoCloseable {

    private final Clock clock;
    private final Selector selector;
    private volatile boolean stopped;

    Sockets(Clock clock) throws IOException {
        this.clock = clock;
        this.selector = Selector.open();
    }

    /** Connects to a server, of whose addresses the first that answers is taken. */
    SocketChannel connect(RemoteUri.Endpoint endpoint, long deadlineNanos) throws IOException {
        return switch (endpoint) {
            case RemoteUri.Unix(Path socket) ->
                connect(
                        SocketChannel.open(StandardProtocolFamily.UNIX),
                        UnixDomainSocketAddress.of(socket),
                        deadlineNanos);
            case RemoteUri.Tcp(String host, int port) -> connectTcp(host, port, deadlineNanos);
        };
    }

    private SocketChannel connectTcp(String host, int port, long deadlineNanos) throws IOException {
        IOException failure = null;
        for (InetAddress address : InetAddress.getAllByName(host)) {
            try {
                SocketChannel channel = SocketChannel.open();
                channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
                channel.setOption(StandardSocketOptions.SO_KEEPALIVE, true);
                return connect(channel, new InetSocketAddress(address, port), deadlineNanos);
            } catch (IOException e) {
                if (failure != null) {
                    e.addSuppressed(failure);
                }
                failure = e;
            }
        }
        throw failure == null ? new IOException("no address") : failure;
    }

    private SocketChannel connect(SocketChannel channel, SocketAddress address, long deadlineNanos) throws IOException {
        boolean isConnected = false;
        try {
            channel.configureBlocking(false);
            boolean isAtOnce = channel.connect(address);
            channel.register(selector, 0);
            while (!isAtOnce && !channel.finishConnect()) {
                await(channel, SelectionKey.OP_CONNECT, deadlineNanos);
            }
            isConnected = true;
            return channel;
        } finally {
            if (!isConnected) {
                channel.close();
            }
        }
    }

    // ---------------------------------------------------------------------------------------------- one alone

    /** Sends all that remains. */
    void send(SocketChannel channel, ByteBuffer from, long deadlineNanos) throws IOException {
        while (from.hasRemaining()) {
            if (channel.write(from) == 0) {
                await(channel, SelectionKey.OP_WRITE, deadlineNanos);
            }
        }
    }

    /** Receives all that is missing. */
    void receive(SocketChannel channel, ByteBuffer into, long deadlineNanos) throws IOException {
        while (into.hasRemaining()) {
            int count = channel.read(into);
            if (count < 0) {
                throw new EOFException("the server hung up");
            }
            if (count == 0) {
                await(channel, SelectionKey.OP_READ, deadlineNanos);
            }
        }
    }

    /** One of them as a handshake sees it. */
    ClientHandshake.ServerChannel until(long deadlineNanos, SocketChannel channel) {
        return new ClientHandshake.ServerChannel() {
            @Override
            public void send(ByteBuffer from) throws IOException {
                Sockets.this.send(channel, from, deadlineNanos);
            }

            @Override
            public void receive(ByteBuffer into) throws IOException {
                Sockets.this.receive(channel, into, deadlineNanos);
            }
        };
    }

    private void await(SocketChannel channel, int operation, long deadlineNanos) throws IOException {
        channel.keyFor(selector).interestOps(operation);
        sleep(deadlineNanos);
        channel.keyFor(selector).interestOps(0);
        if (stopped) {
            throw new IOException("the image is being closed");
        }
        if (clock.nanoTime() >= deadlineNanos) {
            throw new SocketTimeoutException("no answer in time");
        }
    }

    // ---------------------------------------------------------------------------------------------- all of them

    /** Says what is waited for from now on, on one of them. */
    void watch(SocketChannel channel, int operations) {
        SelectionKey key = channel.keyFor(selector);
        if (key != null && key.isValid() && key.interestOps() != operations) {
            key.interestOps(operations);
        }
    }

    /** Waits until something can be done, the deadline has passed, or somebody wakes it. */
    void sleep(long deadlineNanos) throws IOException {
        if (stopped) {
            return;
        }
        if (deadlineNanos == Clock.NEVER) {
            selector.select();
        } else {
            long leftNanos = deadlineNanos - clock.nanoTime();
            if (leftNanos > 0) {
                selector.select(leftNanos / 1_000_000 + 1);
            }
        }
        selector.selectedKeys().clear();
    }

    void wake() {
        selector.wakeup();
    }

    /** Ends all waiting for good. */
    void stop() {
        stopped = true;
        selector.wakeup();
    }

    boolean isStopped() {
        return stopped;
    }

    @Override
    public void close() throws IOException {
        selector.close();
    }
}
