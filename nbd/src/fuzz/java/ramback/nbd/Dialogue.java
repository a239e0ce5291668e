package ramback.nbd;

import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.util.SplittableRandom;
import ramback.nbd.Conversation.Manner;

/** Holds one conversation with a server, and judges its answers. */
final class Dialogue implements AutoCloseable {

    /** A server that says nothing for so long hangs. */
    private static final long PATIENCE_MILLIS = 60_000;

    /** Enough for a server on the same CPU to receive what it was sent. */
    private static final int PAUSE_YIELDS = 100;

    private static final int PIECE_BYTES_MAX = 1 << 16;

    private final Path socket;
    private final Selector selector = Selector.open();
    private final ByteBuffer received = ByteBuffer.allocateDirect(1 << 16);
    private ByteBuffer toSend = ByteBuffer.allocate(0);

    Dialogue(Path socket) throws IOException {
        this.socket = socket;
    }

    @Override
    public void close() throws IOException {
        selector.close();
    }

    /**
     * Holds it.
     *
     * @param beside the good client's turn, taken so many times in between
     */
    void hold(Conversation conversation, Reading reading, SplittableRandom random, Runnable beside) throws IOException {
        try (SocketChannel channel = SocketChannel.open(UnixDomainSocketAddress.of(socket))) {
            channel.configureBlocking(false);
            SelectionKey key = channel.register(selector, 0);
            Answers answers = new Answers(reading);
            boolean all = exchange(channel, key, conversation, reading, answers, random, beside);
            if (conversation.manner() != Manner.VANISHING) {
                answers.finish(all);
            }
        }
        selector.selectNow(); // lets the channel go
    }

    /** Sends and receives until the server closes, or the client; returns whether it waited for every answer. */
    private boolean exchange(
            SocketChannel channel,
            SelectionKey key,
            Conversation conversation,
            Reading reading,
            Answers answers,
            SplittableRandom random,
            Runnable beside)
            throws IOException {
        toSend = ByteBuffer.wrap(conversation.stream(), 0, reading.lengthBytes());
        int besideTurns = conversation.besideTurns();
        int besideStride = toSend.remaining() / (besideTurns + 1) + 1;
        boolean sulks = conversation.manner() == Manner.SULKING;
        boolean hungUp = false;
        boolean waited = false;
        boolean broken = false;
        boolean greeted = false;
        while (true) {
            boolean moved = false;
            boolean full = false;
            if (toSend.hasRemaining() && !broken) {
                int sent = sendPiece(channel, conversation, random);
                broken = sent < 0;
                full = sent == 0;
                moved = sent > 0;
                if (besideTurns > 0 && toSend.position() >= toSend.limit() - besideTurns * besideStride) {
                    besideTurns--;
                    beside.run();
                }
            }
            if (!sulks || full || broken || !toSend.hasRemaining()) {
                int got = receive(channel, answers);
                if (got < 0) {
                    if (!hungUp && reading.end() == Reading.End.STREAM_ENDED) {
                        throw new FuzzFailure("the server closed the connection for no reason");
                    }
                    return waited;
                }
                moved |= got > 0;
                greeted |= got > 0;
            }
            if (conversation.manner() == Manner.VANISHING && !toSend.hasRemaining() && greeted) {
                // Not before: a server that has yet to accept it would do what it says later, beside another one.
                return false;
            }
            if (!toSend.hasRemaining() && !hungUp && !broken) {
                waited = answers.isComplete();
                if (waited
                        ? reading.end() == Reading.End.STREAM_ENDED || reading.isTlsBegun()
                        : conversation.manner() == Manner.HASTY) {
                    hungUp = hangUp(channel);
                    moved = true;
                }
            }
            if (!moved) {
                await(key, toSend.hasRemaining() && !broken);
            }
        }
    }

    /** Sends some bytes; -1 when the server has hung up, which it may only do where the reading says so. */
    private int sendPiece(SocketChannel channel, Conversation conversation, SplittableRandom random)
            throws IOException {
        int lengthBytes = switch (conversation.pieces()) {
            case WHOLE -> PIECE_BYTES_MAX;
            case RANDOM -> random.nextInt(1, 2000);
            case DRIP -> toSend.position() < 500 ? random.nextInt(1, 4) : PIECE_BYTES_MAX;
        };
        int beforePause = conversation.pauseAt() - toSend.position();
        if (beforePause == 0) {
            for (int i = 0; i < PAUSE_YIELDS; i++) {
                Thread.yield();
            }
        } else if (beforePause > 0) {
            lengthBytes = Math.min(lengthBytes, beforePause);
        }
        int limit = toSend.limit();
        toSend.limit(Math.min(limit, toSend.position() + lengthBytes));
        try {
            return channel.write(toSend);
        } catch (IOException e) {
            return -1; // what it has said before that is read, and judged
        } finally {
            toSend.limit(limit);
        }
    }

    private int receive(SocketChannel channel, Answers answers) {
        received.clear();
        try {
            int got = channel.read(received);
            answers.take(received.flip());
            return got;
        } catch (IOException e) {
            return -1; // it has closed with bytes of ours unread
        }
    }

    private static boolean hangUp(SocketChannel channel) {
        try {
            channel.shutdownOutput();
        } catch (IOException e) {
            // It has closed already: what it has said is read, and judged.
        }
        return true;
    }

    private void await(SelectionKey key, boolean sending) throws IOException {
        key.interestOps(sending ? SelectionKey.OP_READ | SelectionKey.OP_WRITE : SelectionKey.OP_READ);
        if (selector.select(PATIENCE_MILLIS) == 0) {
            throw new FuzzFailure("the server has neither answered nor closed within " + PATIENCE_MILLIS + " ms");
        }
        selector.selectedKeys().clear();
    }
}
