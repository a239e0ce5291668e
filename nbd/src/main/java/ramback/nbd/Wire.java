package ramback.nbd;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * A client's socket in the transmission phase. One thread receives; any thread sends, and holds the sending side while
 * it sends a whole message, so that messages never mix. Blocks like a socket: what a client does not read makes only
 * its own senders wait.
 *
 * <p>The channel is non-blocking while the receiving thread polls. A sender that finds the socket full then makes it
 * blocking again; the receiving thread makes it non-blocking only while nobody sends, so it never waits for a sender.
 */
final class Wire {

    private final SocketChannel channel;
    private final @Nullable TlsChannel tls;
    private final Polling polling;
    private final Batching batching = new Batching();
    private final Scheduling scheduling;
    private final LongSupplier nanoClock;
    private final ReentrantLock sending = new ReentrantLock();
    private final ByteBuffer[] gathered = new ByteBuffer[2]; // used while sending is held
    private long receivedNanos; // receiving thread
    private long waitNanos; // receiving thread

    /**
     * Takes a connected, blocking channel.
     *
     * @param tls what encrypts it, or null; with it nothing is polled
     * @param scheduling of the receiving thread
     * @param nanoClock as {@link System#nanoTime()}
     */
    Wire(
            SocketChannel channel,
            @Nullable TlsChannel tls,
            Polling polling,
            Scheduling scheduling,
            LongSupplier nanoClock) {
        this.channel = channel;
        this.tls = tls;
        this.polling = polling;
        this.scheduling = scheduling;
        this.nanoClock = nanoClock;
    }

    /**
     * Receives at least one byte, waiting for it as {@link Polling} decides. For the receiving thread.
     *
     * @return the number of bytes, or -1 at the stream's end
     */
    int receive(ByteBuffer into) throws IOException {
        if (polling.isPolling() && beginPolling()) {
            int received = poll(into);
            if (received != 0) {
                receivedNanos = nanoClock.getAsLong();
                waitNanos = 0;
                return received;
            }
            polling.missed();
        }
        if (!channel.isBlocking()) {
            channel.configureBlocking(true);
        }
        long beginNanos = nanoClock.getAsLong();
        int received = tls == null ? channel.read(into) : tls.read(into);
        receivedNanos = nanoClock.getAsLong();
        waitNanos = receivedNanos - beginNanos;
        if (tls == null) {
            polling.blockedFor(waitNanos);
        }
        return received;
    }

    /**
     * Says how many requests the last {@link #receive} brought to their end, before the next one. For the receiving thread, whose
     * {@link Scheduling} follows from it.
     */
    void served(int requestCount) {
        if (requestCount > 0
                && batching.received(requestCount, waitNanos)
                && !scheduling.interrupts(!batching.isOn())) {
            batching.giveUp();
        }
    }

    /** When the last {@link #receive} ended, by the clock. For the receiving thread. */
    long receivedNanos() {
        return receivedNanos;
    }

    private boolean beginPolling() throws IOException {
        if (!channel.isBlocking()) {
            return true;
        }
        if (!sending.tryLock()) {
            return false;
        }
        try {
            channel.configureBlocking(false);
        } finally {
            sending.unlock();
        }
        return true;
    }

    private int poll(ByteBuffer into) throws IOException {
        int received = channel.read(into);
        if (received != 0) {
            polling.hit();
            return received;
        }
        long deadlineNanos = nanoClock.getAsLong() + polling.windowNanos();
        do {
            Thread.yield(); // a client on the same CPU must get to send
            received = channel.read(into);
            if (received != 0) {
                polling.hit();
                return received;
            }
        } while (nanoClock.getAsLong() - deadlineNanos < 0);
        return 0;
    }

    /** Begins a message: until {@link #endSending()} no other thread sends. */
    void beginSending() {
        sending.lock();
    }

    /** Ends a message. */
    void endSending() {
        sending.unlock();
    }

    /** Sends all that remains in the buffer. Between {@link #beginSending()} and {@link #endSending()}. */
    void send(ByteBuffer bytes) throws IOException {
        if (tls != null) {
            tls.write(bytes);
            return;
        }
        while (bytes.hasRemaining()) {
            if (channel.write(bytes) == 0) {
                awaitRoom();
            }
        }
    }

    /** Sends all that remains in both buffers, gathered. Between {@link #beginSending()} and {@link #endSending()}. */
    void send(ByteBuffer first, ByteBuffer second) throws IOException {
        if (tls != null) {
            tls.write(first);
            tls.write(second);
            return;
        }
        gathered[0] = first;
        gathered[1] = second;
        while (second.hasRemaining()) {
            if (channel.write(gathered, 0, 2) == 0) {
                awaitRoom();
            }
        }
        send(first);
    }

    /** All has been answered: an encrypted stream is ended so that the client knows that nobody cut it off. */
    void end() throws IOException {
        if (tls != null) {
            tls.sayGoodbye();
        }
    }

    /** The socket is full and the channel is polled: from now on a write waits for room. */
    private void awaitRoom() throws IOException {
        if (!channel.isBlocking()) {
            channel.configureBlocking(true);
        }
    }
}
