package ramback.attach;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import ramback.engine.Refusal;

/** Makes a loop device over a device's file. Source: losetup(8). */
public final class Loop {

    private Loop() {}

    /**
     * Makes one, past the page cache: what is in it would be in memory twice, and a flush would have to carry it over.
     *
     * @param directory the device's directory
     * @param file the file that is the device
     * @param isReadOnly whether the device takes no writes
     * @return the loop device
     * @throws Refusal when it can't be made
     */
    public static Path over(Path directory, Path file, boolean isReadOnly, Tools tools)
            throws Refusal, InterruptedException {
        List<String> arguments =
                new ArrayList<>(List.of("--find", "--show", "--direct-io=on", "--partscan", "--sector-size=512"));
        if (isReadOnly) {
            arguments.add("--read-only");
        }
        arguments.add(file.toString());
        Tools.Result result = tools.run("mount", "losetup", arguments.toArray(String[]::new));
        String path = result.out().strip();
        if (!result.isDone() || !path.startsWith("/dev/")) {
            throw new Refusal(Refusal.Kind.FAILED, "cannot make a loop device over " + file + ": " + result.reason());
        }
        Path loop = Path.of(path);
        try {
            Parts.noteLoop(directory, loop.getFileName().toString());
        } catch (IOException e) {
            throw new Refusal(
                    Refusal.Kind.FAILED, "cannot note " + loop + " in " + directory + ": " + e.getMessage(), e);
        }
        return loop;
    }

    /** Whether a loop device goes past the page cache. */
    public static boolean isDirect(Path loop) {
        return "1"
                .equals(new BlockDevices(Path.of("/"))
                        .attribute(loop.getFileName().toString(), "loop/dio"));
    }
}
