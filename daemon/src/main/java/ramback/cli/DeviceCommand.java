package ramback.cli;

import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;
import ramback.control.ControlClient;
import ramback.control.DeviceName;
import ramback.control.RunDirectory;
import ramback.engine.Refusal;

/** What the commands have in common: where devices are found, and which one is meant. */
abstract class DeviceCommand implements Callable<Integer> {

    static final String NAME_HELP = "The device; may be left out where only one runs.";

    @Option(
            names = "--run-dir",
            paramLabel = "DIR",
            description = "Where running devices are found; also RAMBACK_RUN_DIR. Default: /run/ramback (as root) or"
                    + " $$XDG_RUNTIME_DIR/ramback.")
    private @Nullable Path runDirectoryOption;

    @Option(
            names = {"-h", "--help"},
            usageHelp = true,
            description = "Show this help.")
    @SuppressWarnings("unused") // read by picocli, which then shows the help instead of calling us
    private boolean isHelpAsked;

    final Shell shell;

    DeviceCommand(Shell shell) {
        this.shell = shell;
    }

    final RunDirectory runDirectory() throws Refusal {
        return RunDirectory.find(runDirectoryOption, shell.environment());
    }

    /** The client of the device of this name, or of the only one when the name is null. */
    final ControlClient client(@Nullable String name) throws Refusal {
        RunDirectory directory = runDirectory();
        return new ControlClient(directory, name == null ? directory.only() : DeviceName.check(name));
    }

    final Refusal usage(String message) {
        return new Refusal(Refusal.Kind.USAGE, message);
    }
}
