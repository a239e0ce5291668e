package ramback.nbd;

import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ByteChannel;
import java.nio.channels.SocketChannel;
import java.util.concurrent.locks.ReentrantLock;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLEngineResult;
import javax.net.ssl.SSLEngineResult.HandshakeStatus;
import javax.net.ssl.SSLEngineResult.Status;
import javax.net.ssl.SSLException;

/**
 * An encrypted connection over a blocking socket. One thread reads, any one at a time writes; the two go on beside each
 * other, as {@link SSLEngine} allows. What TLS has to say for itself in between (a new key, a ticket) is sent by the
 * reading thread, with the writing side held.
 */
final class TlsChannel implements ByteChannel {

    private final SocketChannel channel;
    private final SSLEngine engine;
    private final ReentrantLock writing = new ReentrantLock();

    private final ByteBuffer
            encryptedIn; // reading thread; filled from its beginning, read up to encryptedIn.position()
    private final ByteBuffer plainIn; // reading thread; what was decrypted and not yet taken, from position to limit
    private final ByteBuffer encryptedOut; // guarded by writing

    private TlsChannel(SocketChannel channel, SSLEngine engine) {
        this.channel = channel;
        this.engine = engine;
        int packetBytes = engine.getSession().getPacketBufferSize();
        int plainBytes = engine.getSession().getApplicationBufferSize();
        encryptedIn = ByteBuffer.allocateDirect(packetBytes);
        encryptedOut = ByteBuffer.allocateDirect(packetBytes);
        plainIn = ByteBuffer.allocateDirect(plainBytes).flip();
    }

    /**
     * Runs the TLS handshake of a server; returns when both sides agree. The time it may take is limited by whoever
     * closes the socket.
     *
     * @throws IOException when they don't: the client has been told why, and the connection must be closed
     */
    static TlsChannel accept(SocketChannel channel, SSLEngine engine) throws IOException {
        TlsChannel tls = new TlsChannel(channel, engine);
        try {
            engine.beginHandshake();
            tls.shakeHands();
        } catch (SSLException e) {
            tls.tellWhy();
            throw e;
        }
        return tls;
    }

    private void shakeHands() throws IOException {
        HandshakeStatus next = engine.getHandshakeStatus();
        while (next != HandshakeStatus.NOT_HANDSHAKING && next != HandshakeStatus.FINISHED) {
            next = switch (next) {
                case NEED_WRAP -> wrapNothing();
                case NEED_TASK -> runTasks();
                default -> unwrapHandshake();
            };
        }
    }

    private HandshakeStatus unwrapHandshake() throws IOException {
        plainIn.clear();
        SSLEngineResult result = unwrap(plainIn);
        plainIn.flip();
        if (result.getStatus() == Status.BUFFER_UNDERFLOW && !receive()) {
            throw new EOFException("the client hung up during the TLS handshake");
        }
        if (result.getStatus() == Status.CLOSED) {
            throw new EOFException("the client ended TLS during its handshake");
        }
        return result.getHandshakeStatus();
    }

    /** The alert that the engine has left to be sent, as far as it can be. */
    private void tellWhy() {
        try {
            while (engine.getHandshakeStatus() == HandshakeStatus.NEED_WRAP && !engine.isOutboundDone()) {
                wrapNothing();
            }
        } catch (IOException e) {
            // The client has gone, or the engine has nothing to say: the first failure is the one to tell of.
        }
    }

    private HandshakeStatus runTasks() {
        Runnable task = engine.getDelegatedTask();
        while (task != null) {
            task.run();
            task = engine.getDelegatedTask();
        }
        return engine.getHandshakeStatus();
    }

    // ----------------------------------------------------------------------------------------------------- reading

    /** Receives at least one byte, waiting for it; -1 when the client has ended TLS, or the stream. */
    @Override
    public int read(ByteBuffer into) throws IOException {
        if (!into.hasRemaining()) {
            return 0;
        }
        while (!plainIn.hasRemaining()) {
            boolean isDirect = into.remaining() >= plainIn.capacity();
            int before = into.position();
            if (!isDirect) {
                plainIn.clear();
            }
            SSLEngineResult result = unwrap(isDirect ? into : plainIn);
            if (!isDirect) {
                plainIn.flip();
            }
            if (result.getStatus() == Status.CLOSED || (result.getStatus() == Status.BUFFER_UNDERFLOW && !receive())) {
                return -1;
            }
            attend(result.getHandshakeStatus());
            if (into.position() > before) {
                return into.position() - before;
            }
        }
        int takenBytes = Math.min(into.remaining(), plainIn.remaining());
        int limit = plainIn.limit();
        into.put(plainIn.limit(plainIn.position() + takenBytes));
        plainIn.limit(limit);
        return takenBytes;
    }

    /** What TLS wants for itself after its handshake. */
    private void attend(HandshakeStatus status) throws IOException {
        HandshakeStatus next = status;
        while (next == HandshakeStatus.NEED_TASK || next == HandshakeStatus.NEED_WRAP) {
            next = next == HandshakeStatus.NEED_TASK ? runTasks() : wrapNothing();
        }
    }

    private SSLEngineResult unwrap(ByteBuffer into) throws IOException {
        encryptedIn.flip();
        try {
            SSLEngineResult result = engine.unwrap(encryptedIn, into);
            if (result.getStatus() == Status.BUFFER_OVERFLOW) {
                throw new SSLException("a packet of more than the " + into.remaining() + " bytes that TLS allows");
            }
            return result;
        } finally {
            encryptedIn.compact();
        }
    }

    /**
     * Receives more of a packet; false at the stream's end.
     *
     * @throws SSLException when the packet announces more than TLS allows: during its handshake the engine would wait for all
     *     of it, and nothing more can come into a full buffer
     */
    private boolean receive() throws IOException {
        if (!encryptedIn.hasRemaining()) {
            throw new SSLException("a record of more than " + encryptedIn.capacity() + " bytes");
        }
        return channel.read(encryptedIn) >= 0;
    }

    // ----------------------------------------------------------------------------------------------------- writing

    /** Sends all that remains in the buffer, waiting for room. */
    @Override
    public int write(ByteBuffer bytes) throws IOException {
        int sentBytes = bytes.remaining();
        writing.lock();
        try {
            while (bytes.hasRemaining()) {
                wrap(bytes);
            }
        } finally {
            writing.unlock();
        }
        return sentBytes;
    }

    private HandshakeStatus wrapNothing() throws IOException {
        writing.lock();
        try {
            return wrap(ByteBuffer.allocate(0));
        } finally {
            writing.unlock();
        }
    }

    /** Encrypts one packet and sends it. */
    private HandshakeStatus wrap(ByteBuffer bytes) throws IOException {
        encryptedOut.clear();
        SSLEngineResult result = engine.wrap(bytes, encryptedOut);
        encryptedOut.flip();
        while (encryptedOut.hasRemaining()) {
            channel.write(encryptedOut);
        }
        if (result.getStatus() == Status.CLOSED && bytes.hasRemaining()) {
            throw new SSLException("the client has ended TLS");
        }
        return result.getHandshakeStatus();
    }

    /** Tells the client that nothing follows (close_notify), so that it knows that nobody cut the stream off. */
    void sayGoodbye() throws IOException {
        writing.lock();
        try {
            engine.closeOutbound();
            while (!engine.isOutboundDone()) {
                wrap(ByteBuffer.allocate(0));
            }
        } finally {
            writing.unlock();
        }
    }

    @Override
    public boolean isOpen() {
        return channel.isOpen();
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
