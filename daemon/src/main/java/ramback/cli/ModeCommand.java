package ramback.cli;

import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;
import ramback.control.ControlClient;
import ramback.control.ModeWords;
import ramback.engine.Refusal;

/** {@code ramback mode}: switches a running device. */
@Command(
        name = "mode",
        customSynopsis = "ramback mode [NAME] writethrough|writeback|checkpoint|unsafe|auto",
        description = "Switch the mode of a running device; auto goes back to what up was given.")
final class ModeCommand extends DeviceCommand {

    @Parameters(arity = "1..2", paramLabel = "[NAME] MODE", description = "NAME may be left out where only one runs.")
    private List<String> words = List.of();

    ModeCommand(Shell shell) {
        super(shell);
    }

    @Override
    public Integer call() throws Refusal {
        if (words.size() > 2) {
            throw usage("bad mode request '" + String.join(" ", words) + "'; write 'ramback mode [NAME] MODE'");
        }
        String word = words.getLast();
        if (!word.equals(ModeWords.AUTO)) {
            ModeWords.parse(word, true);
        }
        ControlClient client = client(words.size() == 2 ? words.getFirst() : null);
        client.switchMode(word);
        shell.say(client.name() + " is in " + client.status().mode());
        return ExitCode.OK;
    }
}
