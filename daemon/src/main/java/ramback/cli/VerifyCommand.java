package ramback.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import ramback.control.ControlClient;
import ramback.control.StatusReport;
import ramback.engine.Refusal;
import ramback.engine.VerifyReport;
import ramback.engine.VerifyReport.Repair;

/** {@code ramback verify}: holds what RAM has against the image, while the device is in use. */
@Command(
        name = "verify",
        sortOptions = false,
        description = "Compare what RAM holds with IMAGE, while the device is in use; say where they differ.",
        footer = "Exit code 0: nothing differs, or all of it was repaired. 1: something differs, or could not be read.")
final class VerifyCommand extends DeviceCommand {

    private static final long RATE_BYTES_DEFAULT = 128L << 20;
    private static final long RATE_BYTES_MIN = 4 << 10;

    @Parameters(arity = "0..1", paramLabel = "NAME", description = NAME_HELP)
    private @Nullable String name;

    @Option(
            names = "--repair",
            paramLabel = "ram|image",
            description = "Which side is right where they differ: the other one gets its bytes. Default: neither.")
    private @Nullable String repair;

    @Option(
            names = "--rate",
            paramLabel = "SIZE",
            description = "How much of IMAGE is read in a second at most. Default: 128M.")
    private @Nullable String rate;

    VerifyCommand(Shell shell) {
        super(shell);
    }

    @Override
    public Integer call() throws Refusal {
        Repair side = side();
        long bytesPerSecond = rate == null ? RATE_BYTES_DEFAULT : Quantities.sizeBytes("--rate", rate);
        if (bytesPerSecond < RATE_BYTES_MIN) {
            throw usage("bad --rate '" + rate + "': must be at least " + Quantities.ofSize(RATE_BYTES_MIN));
        }
        ControlClient client = client(name);
        long startNanos = System.nanoTime();
        VerifyReport report;
        try (Progress _ = Progress.start(shell, client::status, VerifyCommand::line)) {
            report = client.verify(side, bytesPerSecond);
        }
        for (VerifyReport.Range range : report.differences()) {
            shell.say("bytes " + range.offsetBytes() + " to " + (range.offsetBytes() + range.lengthBytes() - 1)
                    + " differ");
        }
        long untold = report.differenceCount() - report.differences().size();
        if (untold > 0) {
            shell.say(untold + " more ranges differ");
        }
        shell.say("verify of " + client.name() + ": " + found(report, side) + ", in "
                + Quantities.ofSeconds((System.nanoTime() - startNanos) / 1e9));
        complain(client.name(), report);
        return ExitCode.OK;
    }

    private Repair side() throws Refusal {
        return switch (repair) {
            case null -> Repair.NONE;
            case "ram" -> Repair.RAM;
            case "image" -> Repair.IMAGE;
            default ->
                throw usage("bad --repair '" + repair + "'; use ram, where RAM is right, or image, where the image is");
        };
    }

    private static String found(VerifyReport report, Repair side) {
        List<String> parts = new ArrayList<>();
        parts.add(Quantities.ofBytes(report.comparedBytes()) + " compared");
        if (report.unloadedBytes() > 0) {
            parts.add(Quantities.ofBytes(report.unloadedBytes()) + " not loaded yet");
        }
        if (report.busyBytes() > 0) {
            parts.add(Quantities.ofBytes(report.busyBytes()) + " left out because they were being changed");
        }
        parts.add(
                report.differingBytes() == 0
                        ? "nothing differs"
                        : Quantities.ofBytes(report.differingBytes()) + " differed");
        if (report.repairedBytes() > 0) {
            parts.add(Quantities.ofBytes(report.repairedBytes()) + " repaired from "
                    + (side == Repair.RAM ? "RAM" : "the image"));
        }
        return String.join(", ", parts);
    }

    private static void complain(String device, VerifyReport report) throws Refusal {
        if (report.unreadableBytes() > 0) {
            throw new Refusal(
                    Refusal.Kind.FAILED,
                    Quantities.ofBytes(report.unreadableBytes()) + " of the image of " + device + " could not be read: "
                            + report.lastError() + "; see to its disk, and try again");
        }
        long leftBytes = report.differingBytes() - report.repairedBytes();
        if (leftBytes > 0) {
            throw new Refusal(
                    Refusal.Kind.FAILED,
                    Quantities.ofBytes(leftBytes) + " of " + device
                            + " differ between RAM and image; --repair=ram writes what RAM holds to the image,"
                            + " --repair=image takes what the image holds");
        }
    }

    /** How much of the device is done. */
    static @Nullable String line(StatusReport status, long peakBytes) {
        if (!status.verifying()) {
            return null;
        }
        String percent = String.format(
                Locale.ROOT, "%.0f", Math.floor(StatusScreen.percent(status.verifyDoneBytes(), status.sizeBytes())));
        return "ramback: " + status.name() + " verify, " + Quantities.ofBytes(status.verifyDoneBytes()) + " of "
                + Quantities.ofSize(status.sizeBytes()) + " (" + percent + " %)"
                + (status.verifyDifferingBytes() == 0
                        ? ""
                        : ", " + Quantities.ofBytes(status.verifyDifferingBytes()) + " differ");
    }
}
