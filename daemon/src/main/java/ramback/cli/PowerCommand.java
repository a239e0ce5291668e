package ramback.cli;

import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;
import ramback.control.ControlClient;
import ramback.control.RunDirectory;
import ramback.engine.Refusal;
import ramback.power.PowerEvent;

/** {@code ramback power}: what a power management script says, told to one device or to all. */
@Command(
        name = "power",
        customSynopsis = "ramback power on-line|on-battery|low [NAME]",
        description = "Tell running devices how the power is, from a power management script: all of them if no NAME is"
                + " given. What was said last holds until something else is said.")
final class PowerCommand extends DeviceCommand {

    /** A daemon that hangs must not keep the others from hearing of it. */
    private static final Duration ANSWER_TIMEOUT = Duration.ofSeconds(2);

    @Parameters(index = "0", paramLabel = "EVENT", description = "on-line, on-battery or low.")
    private String event = "";

    @Parameters(index = "1", arity = "0..1", paramLabel = "NAME", description = "The device; all if it is left out.")
    private @Nullable String name;

    PowerCommand(Shell shell) {
        super(shell);
    }

    @Override
    public Integer call() throws Refusal {
        PowerEvent said = event(event);
        if (name != null) {
            client(name).tellPower(said);
            return ExitCode.OK;
        }
        RunDirectory directory = runDirectory();
        List<String> names = directory.names();
        int worst = ExitCode.OK;
        for (String each : names) {
            try {
                new ControlClient(directory, each, ANSWER_TIMEOUT).tellPower(said);
            } catch (Refusal e) {
                // Those whose daemon is gone keep a directory: nobody is left to be told.
                if (e.kind() != Refusal.Kind.NO_DEVICE) {
                    worst = Math.max(worst, shell.complain(e));
                }
            }
        }
        return worst;
    }

    private PowerEvent event(String word) throws Refusal {
        for (PowerEvent each : PowerEvent.values()) {
            if (each.word().equals(word)) {
                return each;
            }
        }
        throw usage("bad power event '" + word + "'; use one of "
                + Arrays.stream(PowerEvent.values()).map(PowerEvent::word).collect(Collectors.joining(", ")));
    }
}
