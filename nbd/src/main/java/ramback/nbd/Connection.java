package ramback.nbd;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.lang.foreign.Arena;
import java.nio.channels.SocketChannel;
import org.jspecify.annotations.Nullable;
import ramback.device.DeviceSession;
import ramback.traffic.ClientKind;
import ramback.traffic.SessionTraffic;

/**
 * One client from its first byte to its last. Its request thread, {@code nbd-N}, runs the handshake and serves requests;
 * its reply thread, {@code reply-N}, joins it for the transmission phase. Whatever goes wrong ends this connection and
 * nothing else.
 *
 * <p>Memory: besides the session's staging area, the socket's own buffers and two stacks, a connection holds
 * {@value #BUFFER_BYTES} bytes of buffers and a slot for each request that may wait; nothing in it grows.
 */
final class Connection implements Runnable {

    /** The request thread's replies: a batch of 32 replies of 4 KiB leaves in one call. */
    private static final int REPLY_BUFFER_BYTES = 256 << 10;

    /** The reply thread's replies. */
    private static final int DEFERRED_BUFFER_BYTES = 128 << 10;

    /** All buffers of a connection. */
    static final int BUFFER_BYTES = REPLY_BUFFER_BYTES + DEFERRED_BUFFER_BYTES;

    private static final Logger LOG = System.getLogger(Connection.class.getPackageName());

    private final long number;
    private final SocketChannel channel;
    private final NbdServer server;
    private final Encryption encryption;

    private volatile @Nullable DeviceSession session;
    private volatile boolean stopping;

    Connection(long number, SocketChannel channel, NbdServer server, Encryption encryption) {
        this.number = number;
        this.channel = channel;
        this.server = server;
        this.encryption = encryption;
    }

    /** The connection's number, unique in its server. */
    long number() {
        return number;
    }

    /** Whether the client has taken an export. */
    boolean isClient() {
        return session != null;
    }

    /** The request thread. */
    @Override
    public void run() {
        try {
            Handshake.Agreed agreed = new Handshake(server.exports(), channel, encryption).run();
            server.handshakes().leave(this);
            if (agreed != null) {
                session = agreed.session();
                serve(agreed);
            }
        } catch (IOException e) {
            LOG.log(Level.DEBUG, () -> "nbd-" + number + ": closed: " + e.getMessage());
        } catch (RuntimeException | Error e) {
            LOG.log(Level.WARNING, "nbd-" + number + ": closed by an internal error", e);
        } finally {
            closeChannel();
            server.handshakes().leave(this);
            server.remove(this);
        }
    }

    private void serve(Handshake.Agreed agreed) throws IOException {
        String device = agreed.export().device().name();
        String export = agreed.export().name();
        LOG.log(
                Level.DEBUG,
                () -> device + ": a client has come; event=client-begin device=" + device + " export=" + export
                        + " client=" + number);
        SessionTraffic traffic = server.traffic().join(ClientKind.NBD, 1).getFirst();
        try {
            transmit(agreed, traffic);
        } finally {
            traffic.close();
            LOG.log(
                    Level.DEBUG,
                    () -> device + ": a client has gone; event=client-end device=" + device + " client=" + number
                            + " requests=" + traffic.requestCount());
        }
    }

    private void transmit(Handshake.Agreed agreed, SessionTraffic traffic) throws IOException {
        DeviceSession own = agreed.session();
        Thread replyThread = null;
        try (Arena arena = Arena.ofShared()) {
            try {
                ReplyForm form = agreed.dialect().form();
                Wire wire = new Wire(
                        channel,
                        agreed.tls(),
                        new Polling(server.limits().polling()),
                        Scheduling.SYSTEM,
                        System::nanoTime);
                DeferredSlots slots = new DeferredSlots(own.deferredCountMax());
                Replies replies = new Replies(own, form, wire, slots, traffic.answers(), REPLY_BUFFER_BYTES, arena);
                Replies deferred =
                        new Replies(own, form, wire, slots, traffic.deferredAnswers(), DEFERRED_BUFFER_BYTES, arena);
                DeferredReplies deferredReplies = new DeferredReplies(own, slots, deferred, traffic);
                replyThread = Thread.ofPlatform()
                        .daemon()
                        .name("reply-" + number)
                        .start(() -> runReplies(deferredReplies, slots, own));
                Transmission transmission =
                        new Transmission(agreed.export(), own, agreed.dialect(), wire, slots, replies, traffic);
                finish(transmission.run(), slots, wire);
            } finally {
                closeChannel();
                own.close();
                if (replyThread == null) {
                    own.release();
                } else {
                    join(replyThread);
                }
                own.release();
            }
        }
    }

    /** After DISC, and when the server stops, what is outstanding is answered before the connection closes. */
    private void finish(Transmission.End end, DeferredSlots slots, Wire wire) throws IOException {
        if (end == Transmission.End.STREAM_END && !stopping) {
            return;
        }
        try {
            slots.awaitAnswered();
            wire.end();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void runReplies(DeferredReplies replies, DeferredSlots slots, DeviceSession own) {
        try {
            replies.run();
        } catch (IOException e) {
            LOG.log(Level.DEBUG, () -> "reply-" + number + ": closed: " + e.getMessage());
        } catch (RuntimeException | Error e) {
            LOG.log(Level.WARNING, "reply-" + number + ": closed by an internal error", e);
        } finally {
            closeChannel();
            own.close();
            own.release();
            slots.giveUp();
        }
    }

    /** Asks the connection to end: no more requests are received, what is outstanding is answered. */
    void beginStop() {
        stopping = true;
        if (!isClient()) {
            closeChannel();
            return;
        }
        try {
            channel.shutdownInput();
        } catch (IOException e) {
            closeChannel();
        }
    }

    /** Ends the connection at once. */
    void abort(String why) {
        LOG.log(Level.DEBUG, () -> "nbd-" + number + ": closed: " + why);
        closeChannel();
        DeviceSession own = session;
        if (own != null) {
            own.close();
        }
    }

    private void closeChannel() {
        try {
            channel.close();
        } catch (IOException e) {
            LOG.log(Level.DEBUG, () -> "nbd-" + number + ": close failed: " + e.getMessage());
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
}
