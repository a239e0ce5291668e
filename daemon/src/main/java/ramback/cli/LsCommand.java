package ramback.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import ramback.attach.AttachedDisk;
import ramback.attach.Parts;
import ramback.control.ControlClient;
import ramback.control.RunDirectory;
import ramback.control.StatusReport;
import ramback.engine.Refusal;
import ramback.power.ForeignText;

/** {@code ramback ls}: all devices, a line each; those whose daemon died as well. */
@Command(
        name = "ls",
        description =
                "List running devices: name, size, mode, light, what a power failure now would cost, the device it is attached as,"
                        + " URI.")
final class LsCommand extends DeviceCommand {

    private static final List<String> HEADER = List.of("NAME", "SIZE", "MODE", "LIGHT", "LOSS", "DEVICE", "URI");

    private static final String NOTHING = "-";
    private static final String LEFT = " (left)";

    /** A daemon that hangs must not hide the others for long. */
    private static final Duration ANSWER_TIMEOUT = Duration.ofSeconds(2);

    LsCommand(Shell shell) {
        super(shell);
    }

    @Override
    public Integer call() throws Refusal {
        RunDirectory runDirectory = runDirectory();
        List<List<String>> rows = new ArrayList<>();
        rows.add(HEADER);
        for (String name : runDirectory.names()) {
            rows.add(row(new ControlClient(runDirectory, name, ANSWER_TIMEOUT), runDirectory.of(name)));
        }
        print(rows);
        return ExitCode.OK;
    }

    private static List<String> row(ControlClient client, Path directory) {
        try {
            StatusReport status = client.status();
            return List.of(
                    client.name(),
                    Quantities.ofSize(status.sizeBytes()),
                    ForeignText.printable(status.mode()),
                    status.lightColour().word(),
                    loss(status),
                    device(status.attached()),
                    ForeignText.printable(status.uri()));
        } catch (Refusal e) {
            String word = e.kind() == Refusal.Kind.NO_DEVICE ? "gone" : client.isStarting() ? "starting" : "unknown";
            return List.of(client.name(), "-", "-", word, "-", leftBy(directory), "-");
        }
    }

    private static String device(@Nullable AttachedDisk attached) {
        if (attached == null) {
            return NOTHING;
        }
        return ForeignText.printable(attached.device()) + (attached.isLeft() ? LEFT : "");
    }

    /** What a daemon that does not answer has attached: nobody serves it, whatever the kernel shows. */
    private static String leftBy(Path directory) {
        try {
            Parts parts = Parts.find(directory);
            return parts.isNone() ? NOTHING : ForeignText.printable(parts.device(directory)) + LEFT;
        } catch (IOException e) {
            return NOTHING;
        }
    }

    /** What a power failure at this moment would cost; in unsafe nobody knows more than that the whole device is at stake. */
    private static String loss(StatusReport status) {
        if (status.lossBytes() == 0) {
            return "nothing";
        }
        String bytes = status.mode().equals("unsafe") ? "all" : Quantities.ofBytes(status.lossBytes());
        return bytes + ", " + Quantities.ofSeconds(status.lossSeconds());
    }

    private void print(List<List<String>> rows) {
        int[] widths = new int[HEADER.size()];
        for (List<String> row : rows) {
            for (int column = 0; column < widths.length; column++) {
                widths[column] = Math.max(widths[column], row.get(column).length());
            }
        }
        StringBuilder text = new StringBuilder();
        for (List<String> row : rows) {
            for (int column = 0; column < widths.length - 1; column++) {
                String cell = row.get(column);
                text.append(cell).append(" ".repeat(widths[column] - cell.length() + 2));
            }
            text.append(row.getLast()).append('\n');
        }
        shell.out().print(text);
        shell.out().flush();
    }
}
