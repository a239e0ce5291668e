package ramback.cli;

import picocli.CommandLine.Command;
import ramback.engine.OfflineImage;
import ramback.engine.Refusal;

/** {@code ramback check}: says what state an image and its journal are in. */
@Command(
        name = "check",
        sortOptions = false,
        description = "Say what state IMAGE and its journal are in; change nothing.",
        footer = "Exit code 0: clean, or 'ramback up' makes it so. 4: it would refuse, to protect data.")
final class CheckCommand extends ImageCommand {

    CheckCommand(Shell shell) {
        super(shell);
    }

    @Override
    public Integer call() throws Refusal {
        try (OfflineImage image = OfflineImage.open(request(true, false, false))) {
            image.check().forEach(shell::say);
        }
        return ExitCode.OK;
    }
}
