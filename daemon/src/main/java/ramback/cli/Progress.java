package ramback.cli;

import java.util.Locale;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import ramback.control.StatusReport;
import ramback.engine.Refusal;

/**
 * Says how far a flush or a snapshot is, while somebody else waits for it: on a terminal one line that is redrawn, elsewhere a line
 * after the first second and then one every ten. {@link #close} ends it.
 */
final class Progress implements AutoCloseable {

    /** Where the numbers come from; a refusal is passed over, the waiting side meets it itself. */
    interface Source {
        StatusReport status() throws Refusal;
    }

    /** What is said of a status; null for nothing. */
    interface Words {
        @Nullable
        String of(StatusReport status, long peakBytes);
    }

    private static final long REDRAW_MILLIS = 200;
    private static final long FIRST_LINE_MILLIS = 1_000;
    private static final long NEXT_LINE_MILLIS = 10_000;

    private final Shell shell;
    private final Source source;
    private final Words words;
    private final boolean isTerminal = Terminal.isError();
    private final CountDownLatch ended = new CountDownLatch(1);
    private final Thread thread;
    private long peakBytes;
    private boolean isDrawn;

    private Progress(Shell shell, Source source, Words words) {
        this.words = words;
        this.shell = shell;
        this.source = source;
        this.thread = Thread.ofPlatform().daemon().name("progress").unstarted(this::run);
    }

    /** Follows a flush. */
    static Progress start(Shell shell, Source source) {
        return start(shell, source, Progress::line);
    }

    /** Follows whatever these words tell. */
    static Progress start(Shell shell, Source source, Words words) {
        Progress progress = new Progress(shell, source, words);
        progress.thread.start();
        return progress;
    }

    private void run() {
        try {
            long waitMillis = isTerminal ? REDRAW_MILLIS : FIRST_LINE_MILLIS;
            while (!ended.await(waitMillis, TimeUnit.MILLISECONDS)) {
                waitMillis = isTerminal ? REDRAW_MILLIS : NEXT_LINE_MILLIS;
                StatusReport status = ask();
                if (status != null) {
                    draw(status);
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private @Nullable StatusReport ask() {
        try {
            return source.status();
        } catch (Refusal e) {
            return null;
        }
    }

    private void draw(StatusReport status) {
        peakBytes = Math.max(peakBytes, status.dirtyBytes());
        String line = words.of(status, peakBytes);
        if (line == null) {
            return; // the end is near, and nothing to wait for
        }
        if (isTerminal) {
            shell.err().print("\r\033[K" + line);
            isDrawn = true;
        } else {
            shell.err().println(line);
        }
        shell.err().flush();
    }

    /** What is left of how much, at what rate, and for how long. */
    static @Nullable String line(StatusReport status, long peakBytes) {
        if (status.dirtyBytes() == 0) {
            // What is left is short, unless the disk does not answer.
            return status.backingFailing() == null
                    ? null
                    : "ramback: " + status.name() + " has flushed everything; waits for the disk: "
                            + status.backingFailing();
        }
        double rate = status.backingWriteBytesPerSecond();
        String left = "ramback: " + status.name() + " flushing, " + Quantities.ofBytes(status.dirtyBytes()) + " of "
                + Quantities.ofBytes(peakBytes) + " left ("
                + String.format(Locale.ROOT, "%.0f", StatusScreen.percent(peakBytes - status.dirtyBytes(), peakBytes))
                + " % done)";
        if (status.backingFailing() != null) {
            return left + "; waits for the disk: " + status.backingFailing();
        }
        return rate < 1
                ? left
                : left + ", " + Quantities.ofRate(rate) + ", "
                        + Quantities.ofSeconds((double) status.dirtyBytes() / rate) + " to go";
    }

    @Override
    public void close() {
        ended.countDown();
        boolean interrupted = false;
        while (true) {
            try {
                thread.join();
                break;
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (isDrawn) {
            shell.err().print("\r\033[K");
            shell.err().flush();
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
