package ramback.cli;

import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import ramback.control.ControlClient;
import ramback.control.ProcessState;
import ramback.control.RunDirectory;
import ramback.engine.Refusal;

/** {@code ramback down}: stops a device cleanly and returns when its process is gone. */
@Command(name = "down", description = "Flush and stop cleanly, with progress; IMAGE is then a plain raw image.")
final class DownCommand extends DeviceCommand {

    private static final long POLL_MILLIS = 20;

    @Parameters(index = "0", arity = "0..1", paramLabel = "NAME", description = NAME_HELP)
    private @Nullable String name;

    @Option(
            names = "--keep-ram",
            description =
                    "Leave the memory for the next 'up', which then loads nothing, as long as nobody changes IMAGE.")
    private boolean isMemoryKept;

    DownCommand(Shell shell) {
        super(shell);
    }

    @Override
    public Integer call() throws Refusal, InterruptedException {
        ControlClient client = client(name);
        RunDirectory runDirectory = runDirectory();
        long pid = runDirectory.pid(client.name());
        ProcessState daemon = pid == ProcessHandle.current().pid() ? null : ProcessState.of(pid);
        String left;
        try (Progress _ = Progress.start(shell, client::status)) {
            left = client.down(isMemoryKept);
            while (daemon == null ? isThere(runDirectory, client.name(), pid) : daemon.isAlive()) {
                TimeUnit.MILLISECONDS.sleep(POLL_MILLIS);
            }
        } catch (Refusal e) {
            if (daemon != null && !daemon.isAlive()) {
                throw new Refusal(
                        Refusal.Kind.FAILED,
                        "the daemon of " + client.name() + " (pid " + pid
                                + ") ended before it had stopped cleanly; see its messages and start it again with"
                                + " 'ramback up'",
                        e);
            }
            throw e;
        }
        if (left != null) {
            throw new Refusal(Refusal.Kind.FAILED, left);
        }
        shell.say(client.name() + " has stopped" + (isMemoryKept ? ", its memory is kept" : ""));
        return ExitCode.OK;
    }

    /** Returns whether the device's directory is there and that daemon's, not a later one's of the same name. */
    private static boolean isThere(RunDirectory runDirectory, String name, long pid) {
        return Files.exists(runDirectory.of(name), LinkOption.NOFOLLOW_LINKS) && runDirectory.pid(name) == pid;
    }
}
