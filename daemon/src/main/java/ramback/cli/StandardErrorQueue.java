package ramback.cli;

import java.io.ByteArrayOutputStream;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.System.Logger.Level;
import java.nio.charset.Charset;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import org.jspecify.annotations.Nullable;
import ramback.host.JournalStream;

/**
 * Standard error for a process that serves: whoever prints never waits for whoever reads, be it a stopped terminal, or a parent that
 * has forgotten its pipe. What is printed waits in a queue of at most {@link #WAITING_BYTES_MAX} for a thread of its own; what finds
 * no room is left out, and a line says how often that was. Safe for use by many threads.
 */
final class StandardErrorQueue extends OutputStream {

    /** As much may wait: some thousand lines. */
    static final int WAITING_BYTES_MAX = 256 << 10;
    /** So long the end of the process, and a line on standard output, wait for what was printed before. */
    private static final Duration SETTLE = Duration.ofSeconds(1);

    private static volatile @Nullable StandardErrorQueue ofProcess;

    private final OutputStream sink;
    private final Charset charset;
    // All guarded by this.
    private final ByteArrayOutputStream begun = new ByteArrayOutputStream();
    private final Deque<byte[]> waiting = new ArrayDeque<>();
    private int waitingBytes;
    private long lostCount;
    private boolean isPrinting;

    /** In front of a stream, which only its thread writes to. */
    StandardErrorQueue(OutputStream sink, Charset charset) {
        this.sink = sink;
        this.charset = charset;
        Thread.ofPlatform().daemon().name("standard-error").start(this::print);
    }

    /** Has everything that this process says on standard error go this way from now on. */
    static void install() {
        Charset charset = System.err.charset();
        StandardErrorQueue queue = new StandardErrorQueue(new FileOutputStream(FileDescriptor.err), charset);
        ofProcess = queue;
        System.setErr(new PrintStream(queue, true, charset));
    }

    /** Waits until what was said before has been printed, if that is soon. */
    static void settle() {
        StandardErrorQueue queue = ofProcess;
        if (queue != null) {
            queue.settle(SETTLE);
        }
    }

    @Override
    public synchronized void write(int b) {
        begun.write(b);
    }

    @Override
    public synchronized void write(byte[] bytes, int offset, int length) {
        begun.write(bytes, offset, length);
    }

    /** Ends a piece: it is printed whole, or not at all. */
    @Override
    public synchronized void flush() {
        if (begun.size() == 0) {
            return;
        }
        byte[] piece = begun.toByteArray();
        begun.reset();
        if (waitingBytes + piece.length > WAITING_BYTES_MAX) {
            lostCount++;
            return;
        }
        noteLost();
        add(piece);
    }

    private void add(byte[] piece) {
        waiting.addLast(piece);
        waitingBytes += piece.length;
        notifyAll();
    }

    /** A line in the place of those that are missing. */
    private void noteLost() {
        if (lostCount == 0) {
            return;
        }
        String text = "standard error was not read: " + lostCount + (lostCount == 1 ? " message is" : " messages are")
                + " missing here";
        String line = StandardErrorLogs.line(JournalStream.isStandardError(), Level.WARNING, text);
        lostCount = 0;
        add((line + System.lineSeparator()).getBytes(charset));
    }

    /** Waits until everything is printed; returns whether it is, within this time. */
    synchronized boolean settle(Duration timeout) {
        flush();
        long deadlineNanos = System.nanoTime() + timeout.toNanos();
        boolean interrupted = false;
        while (!waiting.isEmpty() || isPrinting) {
            long leftMillis = (deadlineNanos - System.nanoTime()) / 1_000_000;
            if (leftMillis <= 0) {
                break;
            }
            try {
                wait(leftMillis);
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        return waiting.isEmpty() && !isPrinting;
    }

    private void print() {
        while (true) {
            byte[] piece;
            try {
                piece = next();
            } catch (InterruptedException e) {
                return; // nobody does that
            }
            try {
                sink.write(piece);
                sink.flush();
            } catch (IOException e) {
                // Whoever read it has gone: there is nobody to be told.
            }
        }
    }

    private synchronized byte[] next() throws InterruptedException {
        isPrinting = false;
        if (waiting.isEmpty()) {
            noteLost();
        }
        while (waiting.isEmpty()) {
            notifyAll(); // of those who wait for all of it
            wait();
        }
        byte[] piece = waiting.removeFirst();
        waitingBytes -= piece.length;
        isPrinting = true;
        return piece;
    }
}
