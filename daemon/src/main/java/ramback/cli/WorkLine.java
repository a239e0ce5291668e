package ramback.cli;

import java.util.Locale;
import ramback.engine.WorkProgress;

/**
 * Says how far a long piece of work is: on a terminal one line that is redrawn, elsewhere a line after the first second and then
 * one every ten. {@link #close} wipes the line. For one thread.
 */
final class WorkLine implements WorkProgress, AutoCloseable {

    private static final long REDRAW_NANOS = 200_000_000L;
    private static final long FIRST_LINE_NANOS = 1_000_000_000L;
    private static final long NEXT_LINE_NANOS = 10_000_000_000L;

    private final Shell shell;
    private final boolean isTerminal = Terminal.isError();
    private String current = "";
    private long beganNanos;
    private long drawnNanos;
    private boolean isDrawn;
    private boolean wasSaid;

    WorkLine(Shell shell) {
        this.shell = shell;
    }

    @Override
    public void at(String what, long doneBytes, long totalBytes) {
        long now = System.nanoTime();
        if (!what.equals(current)) {
            wipe();
            current = what;
            beganNanos = now;
            drawnNanos = now;
            wasSaid = false;
        }
        long periodNanos = isTerminal ? REDRAW_NANOS : wasSaid ? NEXT_LINE_NANOS : FIRST_LINE_NANOS;
        if (now - drawnNanos < periodNanos) {
            return;
        }
        drawnNanos = now;
        wasSaid = true;
        String line = line(what, doneBytes, totalBytes, (now - beganNanos) / 1e9);
        if (isTerminal) {
            shell.err().print("\r\033[Kramback: " + line);
            shell.err().flush();
            isDrawn = true;
        } else {
            shell.note(line);
        }
    }

    /** What is done of how much, at what rate, and for how long it will go on. */
    static String line(String what, long doneBytes, long totalBytes, double seconds) {
        double rate = (double) doneBytes / Math.max(seconds, 0.001);
        String done = what + ", " + Quantities.ofBytes(doneBytes);
        if (totalBytes <= 0) {
            return done + ", " + Quantities.ofRate(rate);
        }
        String part = done + " of " + Quantities.ofBytes(totalBytes) + " ("
                + String.format(Locale.ROOT, "%.0f", Math.floor(StatusScreen.percent(doneBytes, totalBytes))) + " %)";
        return rate < 1
                ? part
                : part + ", " + Quantities.ofRate(rate) + ", "
                        + Quantities.ofSeconds((double) (totalBytes - doneBytes) / rate) + " to go";
    }

    @Override
    public void note(String line) {
        wipe();
        shell.note(line);
    }

    private void wipe() {
        if (isDrawn) {
            shell.err().print("\r\033[K");
            shell.err().flush();
            isDrawn = false;
        }
    }

    @Override
    public void close() {
        wipe();
    }
}
