package ramback.cli;

import java.io.IOException;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import ramback.control.ControlClient;
import ramback.control.StatusReport;
import ramback.engine.Refusal;

/**
 * {@code status --watch}: the screen redrawn every second on a terminal, a block of lines every second elsewhere, until
 * q or Ctrl-C is pressed or the device stops.
 */
final class Watch {

    private static final long PERIOD_MILLIS = 1_000;
    private static final long KEY_MILLIS = 50;

    private final Shell shell;
    private final ControlClient client;
    private final boolean isJson;
    private final boolean isScreen;
    private final int columnCount;
    private final StatusScreen.Style style;
    private final CountDownLatch stopped = new CountDownLatch(1);
    private @Nullable StatusReport earlier;
    private long peakDirtyBytes;

    Watch(Shell shell, ControlClient client, boolean isJson) {
        this.shell = shell;
        this.client = client;
        this.isJson = isJson;
        this.isScreen = !isJson && Terminal.isOutput();
        this.columnCount = isScreen ? Terminal.columnCount() : Integer.MAX_VALUE;
        this.style = StatusScreen.Style.of(shell, isScreen);
    }

    int run() throws Refusal, IOException, InterruptedException {
        shell.signals().onStop(stopped::countDown);
        try (Terminal.Keys keys = new Terminal.Keys()) {
            if (isScreen) {
                shell.out().print("\033[2J");
            }
            do {
                if (isJson) {
                    shell.out().print(client.statusJson());
                } else {
                    show(client.status());
                }
                shell.out().flush();
            } while (!shell.out().checkError() && waitForNext(keys));
            return ExitCode.OK;
        } catch (Refusal refusal) {
            if (earlier != null && earlier.state().equals("stopping")) {
                shell.say(client.name() + " has stopped");
                return ExitCode.OK;
            }
            throw refusal;
        }
    }

    /** Waits for a period; returns false as soon as it is to end. */
    private boolean waitForNext(Terminal.Keys keys) throws IOException, InterruptedException {
        for (long waited = 0; waited < PERIOD_MILLIS; waited += KEY_MILLIS) {
            if (stopped.await(KEY_MILLIS, TimeUnit.MILLISECONDS)) {
                return false;
            }
            int key = keys.poll();
            if (key == 'q' || key == 'Q') {
                return false;
            }
        }
        return true;
    }

    private void show(StatusReport now) {
        boolean isFlushing = now.state().equals("flushing") || now.state().equals("stopping");
        // A flush's bar is drawn against what there was to write when it began, or came on top since.
        peakDirtyBytes = isFlushing ? Math.max(peakDirtyBytes, now.dirtyBytes()) : now.dirtyBytes();
        List<String> lines = StatusScreen.lines(now, earlier, peakDirtyBytes, style);
        StringBuilder text = new StringBuilder(isScreen ? "\033[H" : "");
        for (String line : lines) {
            // A line that wraps would push the rest down: cut it. Colour, which takes no cells, is in the first only.
            int cellCount = Math.min(line.length(), line.indexOf('\033') < 0 ? columnCount : Integer.MAX_VALUE);
            text.append(line, 0, cellCount).append(isScreen ? "\033[K\n" : "\n");
        }
        text.append(isScreen ? "\033[K\n  q to quit\033[K\n\033[J" : "\n");
        shell.out().print(text);
        earlier = now;
    }
}
