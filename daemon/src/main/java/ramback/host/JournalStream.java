package ramback.host;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * Whether standard error goes to systemd's journal, and what a line for it begins with. Source: systemd.exec(5) on
 * {@code $JOURNAL_STREAM}, sd-daemon(3) on priorities.
 */
public final class JournalStream {

    private static final boolean STANDARD_ERROR =
            isJournal(System.getenv("JOURNAL_STREAM"), Path.of("/proc/self/fd/2"));

    private JournalStream() {}

    /** Whether this process's standard error is the journal's stream, as the service manager left it. */
    public static boolean isStandardError() {
        return STANDARD_ERROR;
    }

    /**
     * Whether a file is the stream that was announced. A variable alone says nothing: it is passed on to whoever redirects.
     *
     * @param announced {@code DEVICE:INODE} in decimal, or null
     */
    static boolean isJournal(@Nullable String announced, Path file) {
        if (announced == null) {
            return false;
        }
        try {
            return announced.equals(Files.getAttribute(file, "unix:dev") + ":" + Files.getAttribute(file, "unix:ino"));
        } catch (IOException | UnsupportedOperationException e) {
            return false;
        }
    }

    /** The syslog priority of a line. */
    public static String prefix(System.Logger.Level level) {
        return switch (level) {
            case ERROR -> "<3>";
            case WARNING -> "<4>";
            case INFO -> "<6>";
            case ALL, TRACE, DEBUG, OFF -> "<7>";
        };
    }
}
