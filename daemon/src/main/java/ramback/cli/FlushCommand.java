package ramback.cli;

import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;
import ramback.control.ControlClient;
import ramback.engine.Refusal;

/** {@code ramback flush}: carries everything dirty to the image and waits. */
@Command(name = "flush", description = "Carry everything dirty to the image now and wait, with progress.")
final class FlushCommand extends DeviceCommand {

    @Parameters(index = "0", arity = "0..1", paramLabel = "NAME", description = NAME_HELP)
    private @Nullable String name;

    FlushCommand(Shell shell) {
        super(shell);
    }

    @Override
    public Integer call() throws Refusal {
        ControlClient client = client(name);
        long startNanos = System.nanoTime();
        try (Progress _ = Progress.start(shell, client::status)) {
            client.flush();
        }
        shell.say(client.name() + " flushed in " + Quantities.ofSeconds((System.nanoTime() - startNanos) / 1e9));
        return ExitCode.OK;
    }
}
