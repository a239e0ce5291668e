package ramback.cli;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import ramback.control.ControlClient;
import ramback.control.StatusReport;
import ramback.engine.Refusal;

/**
 * {@code status --watch} where there is no screen: a block of lines or a line of JSON every second, until it is
 * interrupted, nobody reads it any more, or the device stops. {@link View} is the same for a terminal.
 */
final class Watch {

    private static final long PERIOD_MILLIS = 1_000;

    private final Shell shell;
    private final ControlClient client;
    private final boolean isJson;
    private final StatusScreen.Style style;
    private final CountDownLatch stopped = new CountDownLatch(1);
    private @Nullable StatusReport earlier;
    private long peakDirtyBytes;

    Watch(Shell shell, ControlClient client, boolean isJson) {
        this.shell = shell;
        this.client = client;
        this.isJson = isJson;
        this.style = StatusScreen.Style.of(shell, Terminal.isOutput());
    }

    int run() throws Refusal, InterruptedException {
        shell.signals().onStop(stopped::countDown);
        print();
        boolean isAskedAgain = false;
        while (!shell.out().checkError() && !stopped.await(PERIOD_MILLIS, TimeUnit.MILLISECONDS)) {
            try {
                print();
                isAskedAgain = false;
            } catch (Refusal refusal) {
                // Between its last answer and its end a device refuses in ways that look like errors: what it is then
                // counts.
                if (!isAskedAgain && refusal.kind() != Refusal.Kind.NO_DEVICE) {
                    isAskedAgain = true;
                } else if (earlier != null && earlier.state().equals("stopping")) {
                    shell.say(client.name() + " has stopped");
                    return ExitCode.OK;
                } else {
                    throw refusal;
                }
            }
        }
        return ExitCode.OK;
    }

    private void print() throws Refusal {
        if (isJson) {
            shell.out().print(client.statusJson());
        } else {
            show(client.status());
        }
        shell.out().flush();
    }

    private void show(StatusReport now) {
        // A flush's bar is drawn against what there was to write when it began, or came on top since.
        peakDirtyBytes = StatusScreen.isFlushing(now) ? Math.max(peakDirtyBytes, now.dirtyBytes()) : now.dirtyBytes();
        StringBuilder text = new StringBuilder();
        for (String line : StatusScreen.lines(now, earlier, peakDirtyBytes, style)) {
            text.append(line).append('\n');
        }
        shell.out().print(text.append('\n'));
        earlier = now;
    }
}
