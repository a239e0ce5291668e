package ramback.cli;

import java.nio.file.Path;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import ramback.engine.ImageRequest;
import ramback.engine.JournalOption;
import ramback.engine.Refusal;

/** What the commands on an image that nobody serves have in common. */
abstract class ImageCommand extends DeviceCommand {

    @Parameters(
            index = "0",
            paramLabel = "IMAGE",
            description = "A raw image file, a block device, or a URI as for 'up'.")
    private String image = "";

    @Option(
            names = "--journal",
            paramLabel = "FILE",
            description = "Its journal. Default: IMAGE.journal, or what IMAGE's state file says.")
    private @Nullable String journal;

    ImageCommand(Shell shell) {
        super(shell);
    }

    final ImageRequest request(boolean isReadOnly, boolean isTornAccepted, boolean isMemoryDiscarded) throws Refusal {
        Path file = journal == null ? null : ImageFiles.path("--journal", journal);
        return new ImageRequest(
                ImageFiles.image(image),
                new JournalOption(true, file, OptionalLong.empty()),
                false,
                isReadOnly,
                false,
                false,
                isTornAccepted,
                false,
                isMemoryDiscarded,
                ImageFiles.RAM_DIRECTORY_DEFAULT,
                ImageFiles.stateDirectory(shell.environment()));
    }
}
