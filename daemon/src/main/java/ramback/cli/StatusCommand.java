package ramback.cli;

import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import ramback.control.ControlClient;
import ramback.engine.Refusal;

/** {@code ramback status}: one device on one screen, as JSON, or followed. */
@Command(name = "status", description = "Show a device on one screen.")
final class StatusCommand extends DeviceCommand {

    @Parameters(index = "0", arity = "0..1", paramLabel = "NAME", description = NAME_HELP)
    private @Nullable String name;

    @Option(names = "--json", description = "One line of JSON for programs; with --watch one line a second.")
    private boolean isJson;

    @Option(
            names = "--watch",
            description =
                    "Follow it: on a full screen with keys ('?' shows them), or where output is no terminal as a block of lines a"
                            + " second. q or Ctrl-C ends it.")
    private boolean isWatch;

    StatusCommand(Shell shell) {
        super(shell);
    }

    @Override
    public Integer call() throws Refusal, InterruptedException {
        ControlClient client = client(name);
        if (isWatch && !isJson && Terminal.isScreen(shell.environment())) {
            return View.of(shell, runDirectory(), client.name()).run();
        }
        if (isWatch) {
            return new Watch(shell, client, isJson).run();
        }
        if (isJson) {
            shell.out().print(client.statusJson());
        } else {
            StatusScreen.Style style = StatusScreen.Style.of(shell, Terminal.isOutput());
            StatusScreen.lines(client.status(), style).forEach(shell.out()::println);
        }
        shell.out().flush();
        return ExitCode.OK;
    }
}
