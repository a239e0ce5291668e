package ramback.control;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * Whether a process still runs, from {@code /proc/PID/stat} (proc(5)). Unlike {@link ProcessHandle#isAlive()} a process
 * that has ended counts as gone even before its parent has asked for its exit code.
 *
 * @param pid the process
 * @param startTicks when it was started; tells it from a later one with the same pid
 */
public record ProcessState(long pid, long startTicks) {

    private static final int START_FIELD = 22 - 3; // counted from the state, the third field

    /** Returns the process as it is now, or null when there is none or it has ended. */
    public static @Nullable ProcessState of(long pid) {
        try {
            String stat = Files.readString(Path.of("/proc/" + pid + "/stat"));
            // The second field is the program's name in parentheses, and may hold anything but its last one.
            String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ", -1);
            boolean ended = fields[0].equals("Z") || fields[0].equals("X");
            return ended ? null : new ProcessState(pid, Long.parseLong(fields[START_FIELD]));
        } catch (IOException | RuntimeException e) {
            return null; // ends while it is read, in whatever way that shows
        }
    }

    static boolean isAlive(long pid) {
        return of(pid) != null;
    }

    /** Returns whether this very process still runs. */
    public boolean isAlive() {
        return equals(of(pid));
    }
}
