package ramback.cli;

import java.util.Locale;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;
import ramback.control.ControlClient;
import ramback.control.ProcessState;
import ramback.control.StatusReport;
import ramback.engine.Refusal;
import ramback.engine.Successor;

/** {@code ramback upgrade}: the daemon of a device goes on as this program, with its memory, under the same process number. */
@Command(
        name = "upgrade",
        description = {
            "A new daemon, of the program that this command is of, takes over the running device, with its memory and its sockets.",
            "Clients are cut off for the moment that takes; those who can connect again go on."
        })
final class UpgradeCommand extends DeviceCommand {

    /** The system property by which the launcher says where it is. */
    private static final String LAUNCHER_PROPERTY = "ramback.launcher";

    private static final long POLL_MILLIS = 10;

    /** A process that becomes another program looks as if it had ended for as long as its threads do. */
    private static final long DEAD_NANOS = 1_000_000_000L;

    @Parameters(index = "0", arity = "0..1", paramLabel = "NAME", description = NAME_HELP)
    private @Nullable String name;

    UpgradeCommand(Shell shell) {
        super(shell);
    }

    @Override
    public Integer call() throws Refusal, InterruptedException {
        String launcher = System.getProperty(LAUNCHER_PROPERTY);
        if (launcher == null) {
            throw new Refusal(
                    Refusal.Kind.FAILED,
                    "nobody knows how this program is started: " + LAUNCHER_PROPERTY
                            + " is not set; run it by its script 'ramback'");
        }
        ControlClient client = client(name);
        long pid = client.status().pid();
        ProcessState daemon = ProcessState.of(pid);
        client.handOver(launcher, Successor.LAYOUT_VERSION);
        long askedNanos = System.nanoTime();
        long aliveNanos = askedNanos;
        while (!isTakenOver(client, askedNanos)) {
            long now = System.nanoTime();
            if (daemon != null && daemon.isAlive()) {
                aliveNanos = now;
            } else if (now - aliveNanos > DEAD_NANOS) {
                throw new Refusal(
                        Refusal.Kind.FAILED,
                        "the daemon of " + client.name() + " (pid " + pid
                                + ") ended before another took over; see its messages and start it again with 'ramback"
                                + " up', which goes on from its memory");
            }
            TimeUnit.MILLISECONDS.sleep(POLL_MILLIS);
        }
        shell.say(client.name() + " was taken over in "
                + String.format(Locale.ROOT, "%.2f", (System.nanoTime() - askedNanos) / 1e9) + " s");
        return ExitCode.OK;
    }

    /** Whether a daemon answers that has not been there for as long as we have been waiting. */
    private static boolean isTakenOver(ControlClient client, long askedNanos) {
        try {
            StatusReport status = client.status();
            return status.uptimeSeconds() < (System.nanoTime() - askedNanos) / 1e9;
        } catch (Refusal e) {
            // Neither the one nor the other, at the moment.
            return false;
        }
    }
}
