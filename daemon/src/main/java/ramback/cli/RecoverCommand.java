package ramback.cli;

import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import ramback.engine.OfflineImage;
import ramback.engine.Refusal;

/** {@code ramback recover}: makes an image whole after a crash, without serving it. */
@Command(
        name = "recover",
        sortOptions = false,
        description = "Make IMAGE whole after a crash, with progress; it is then a plain raw image.",
        footer = "Asks before anything is lost; where nobody can be asked, --yes must say so.")
final class RecoverCommand extends ImageCommand {

    @Option(
            names = "--to-epoch",
            paramLabel = "N",
            description =
                    "Go back to this epoch, for when newer ones can't be read; 'ramback check' says which are good.")
    private @Nullable String toEpoch;

    @Option(
            names = "--discard-ram",
            description = "Give up the memory of a killed daemon, with the changes that only it holds.")
    private boolean isMemoryDiscarded;

    @Option(
            names = "--accept-torn",
            description = "Take the image as it is, although it may be a mixture of old and new.")
    private boolean isTornAccepted;

    @Option(names = "--yes", description = "Don't ask.")
    private boolean isYes;

    RecoverCommand(Shell shell) {
        super(shell);
    }

    @Override
    public Integer call() throws Refusal {
        OptionalLong epoch = toEpoch == null ? OptionalLong.empty() : OptionalLong.of(epoch(toEpoch));
        try (OfflineImage image = OfflineImage.open(request(false, isTornAccepted, isMemoryDiscarded));
                WorkLine line = new WorkLine(shell)) {
            OfflineImage.Plan plan = image.plan(epoch);
            if (plan.loss() != null && !isYes) {
                confirm(image, plan, plan.loss());
            }
            shell.say(image.recover(plan, line));
        }
        return ExitCode.OK;
    }

    private void confirm(OfflineImage image, OfflineImage.Plan plan, String loss) throws Refusal {
        String what = "to recover " + image.place() + " (" + plan.work() + ") gives this up: " + loss;
        if (!shell.questions().isAnswered()) {
            throw new Refusal(Refusal.Kind.PROTECTED, what + "; add --yes if that is meant");
        }
        String answer = shell.questions().ask("ramback: " + what + "\nGo on? [y/N] ");
        if (!answer.equalsIgnoreCase("y") && !answer.equalsIgnoreCase("yes")) {
            throw new Refusal(Refusal.Kind.PROTECTED, "nothing was changed");
        }
    }

    private long epoch(String text) throws Refusal {
        try {
            long number = Long.parseLong(text);
            if (number >= 0) {
                return number;
            }
        } catch (NumberFormatException e) {
            // said below
        }
        throw usage("bad --to-epoch '" + text + "': must be the number of an epoch, as 'ramback check' says it");
    }
}
