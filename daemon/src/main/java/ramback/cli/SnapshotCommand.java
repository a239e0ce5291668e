package ramback.cli;

import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;
import ramback.control.ControlClient;
import ramback.control.StatusReport;
import ramback.engine.Refusal;

/** {@code ramback snapshot}: a point-in-time copy of a running device. */
@Command(
        name = "snapshot",
        customSynopsis = "ramback snapshot [NAME] FILE",
        description =
                "Have the daemon write what the device holds at one moment to the new FILE, sparse, while it is in use.")
final class SnapshotCommand extends DeviceCommand {

    @Parameters(arity = "1..2", paramLabel = "[NAME] FILE", description = "NAME may be left out where only one runs.")
    private List<String> words = List.of();

    SnapshotCommand(Shell shell) {
        super(shell);
    }

    @Override
    public Integer call() throws Refusal {
        if (words.size() > 2) {
            throw usage("bad snapshot request '" + String.join(" ", words) + "'; write 'ramback snapshot [NAME] FILE'");
        }
        Path file = ImageFiles.path("FILE", words.getLast()).normalize();
        ControlClient client = client(words.size() == 2 ? words.getFirst() : null);
        long startNanos = System.nanoTime();
        long writtenBytes;
        try (Progress _ = Progress.start(shell, client::status, SnapshotCommand::line)) {
            writtenBytes = client.snapshot(file);
        }
        shell.say("snapshot of " + client.name() + " in " + file + ", " + Quantities.ofBytes(writtenBytes)
                + " written in " + Quantities.ofSeconds((System.nanoTime() - startNanos) / 1e9));
        return ExitCode.OK;
    }

    /** How much of the device is done. */
    static @Nullable String line(StatusReport status, long peakBytes) {
        if (status.snapshotPath() == null) {
            return null;
        }
        String percent = String.format(
                Locale.ROOT, "%.0f", Math.floor(StatusScreen.percent(status.snapshotDoneBytes(), status.sizeBytes())));
        return "ramback: " + status.name() + " snapshot, " + Quantities.ofBytes(status.snapshotDoneBytes()) + " of "
                + Quantities.ofSize(status.sizeBytes()) + " (" + percent + " %)"
                + (status.throttling() ? ", writers throttled" : "");
    }
}
