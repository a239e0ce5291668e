package ramback.cli;

import picocli.CommandLine.Command;
import ramback.engine.Refusal;

/** {@code ramback top}: all devices, followed. */
@Command(
        name = "top",
        description =
                "Follow all running devices on a full screen, where keys choose, flush and switch modes ('?' shows"
                        + " them); where output is no terminal, as a table every second.")
final class TopCommand extends DeviceCommand {

    TopCommand(Shell shell) {
        super(shell);
    }

    @Override
    public Integer call() throws Refusal, InterruptedException {
        return View.of(shell, runDirectory(), null).run();
    }
}
