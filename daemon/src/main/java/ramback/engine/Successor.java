package ramback.engine;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import ramback.memory.SegmentLayout;
import ramback.posix.Descriptors;
import ramback.posix.Posix;

/** Another program in this one's place, which takes its device over. */
public final class Successor {

    /** The layout of memory that this program can take over, and leaves. */
    public static final int LAYOUT_VERSION = SegmentLayout.VERSION;

    private Successor() {}

    /**
     * Becomes another program, under the same process number, with this one's environment and standard streams; does not return. Every
     * other file of the process is closed by that, and every lock given up.
     *
     * @param kept the descriptors that go along all the same
     * @throws Refusal when that program can't be started; this one can go on or end
     */
    public static void become(Path launcher, List<String> arguments, List<Integer> kept) throws Refusal {
        List<String> command = new ArrayList<>(List.of(launcher.toString()));
        command.addAll(arguments);
        try {
            Posix.closeOnExec();
            for (int fd : kept) {
                Descriptors.closeOnExec(fd, false);
            }
            Posix.execute(launcher, command);
        } catch (IOException e) {
            throw new Refusal(
                    Refusal.Kind.FAILED,
                    "cannot start " + launcher + ": " + e.getMessage()
                            + "; the device's memory is kept, so start it again with 'ramback up'",
                    e);
        }
    }

    /** The arguments with which another process takes over what this one was started with. */
    public static List<String> argumentsOf(List<String> arguments) {
        // What was given up or accepted once is not to be so again.
        return arguments.stream()
                .filter(argument -> !argument.startsWith("--discard-ram") && !argument.startsWith("--accept-torn"))
                .toList();
    }
}
