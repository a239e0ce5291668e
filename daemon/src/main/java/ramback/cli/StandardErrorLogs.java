package ramback.cli;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.lang.System.Logger;
import java.nio.channels.ClosedChannelException;
import java.text.MessageFormat;
import java.util.ResourceBundle;
import org.jspecify.annotations.Nullable;
import ramback.host.JournalStream;

/**
 * What the log calls of all packages and libraries come to: warnings and errors, one line each on standard error, as
 * every other message; of our own also what is good to know, such as the end of what was warned of, and, if {@code RAMBACK_LOG} is
 * {@code debug}, the clients' comings and goings. Where standard error is systemd's journal, which has a time, a name and a priority for
 * each line, a line begins with its priority and has none of the words. The JDK's own logging would be configured from files, take
 * time to start and write two lines.
 */
public final class StandardErrorLogs extends System.LoggerFinder {

    private static final Logger OURS = new OneLine(least(System.getenv("RAMBACK_LOG")));
    private static final Logger LIBRARIES = new OneLine(Logger.Level.WARNING);

    /**
     * The HTTP server's warnings are about clients that went in the middle of a request, which is their business; what goes
     * wrong in answering one is logged where it is answered.
     */
    private static final Logger HTTP_SERVER = new OneLine(Logger.Level.ERROR) {
        @Override
        public void log(
                Level level, @Nullable ResourceBundle bundle, @Nullable String message, @Nullable Throwable thrown) {
            // It was stopped between two of its accepts, or before the first: its socket is closed, or whoever waits
            // for one more client is interrupted. In the middle of an accept it says nothing.
            if (!(thrown instanceof ClosedChannelException || thrown instanceof InterruptedException)) {
                super.log(level, bundle, message, thrown);
            }
        }
    };

    private static final String HTTP_SERVER_NAME = "io.helidon.webserver";

    /** What is printed of our own at least; a word that says nothing is none. */
    static Logger.Level least(@Nullable String word) {
        return switch (word) {
            case null -> Logger.Level.INFO;
            case "debug" -> Logger.Level.DEBUG;
            case "warning" -> Logger.Level.WARNING;
            default -> Logger.Level.INFO;
        };
    }

    /** A line as it is printed, without its end. */
    static String line(boolean isJournal, Logger.Level level, String text) {
        if (isJournal) {
            return JournalStream.prefix(level) + text;
        }
        return switch (level) {
            case ERROR -> "ramback: error: " + text;
            case WARNING -> "ramback: warning: " + text;
            case ALL, TRACE, DEBUG, INFO, OFF -> "ramback: " + text;
        };
    }

    /** For the service loader. */
    public StandardErrorLogs() {}

    @Override
    public Logger getLogger(String name, Module module) {
        if (name.startsWith("ramback.")) {
            return OURS;
        }
        return name.startsWith(HTTP_SERVER_NAME) ? HTTP_SERVER : LIBRARIES;
    }

    private static class OneLine implements Logger {

        private final Level least;

        OneLine(Level least) {
            this.least = least;
        }

        @Override
        public String getName() {
            return "ramback";
        }

        @Override
        public boolean isLoggable(Level level) {
            return level.getSeverity() >= least.getSeverity() && level != Level.OFF;
        }

        @Override
        public void log(
                Level level, @Nullable ResourceBundle bundle, @Nullable String message, @Nullable Throwable thrown) {
            if (isLoggable(level)) {
                print(level, message, thrown);
            }
        }

        @Override
        public void log(
                Level level, @Nullable ResourceBundle bundle, @Nullable String format, @Nullable Object... parameters) {
            if (isLoggable(level)) {
                boolean isPlain = format == null || parameters == null || parameters.length == 0;
                print(level, isPlain ? format : MessageFormat.format(format, parameters), null);
            }
        }

        private static void print(Level level, @Nullable String message, @Nullable Throwable thrown) {
            boolean isJournal = JournalStream.isStandardError();
            String text = message + (thrown == null ? "" : " (" + thrown + ')');
            if (thrown instanceof RuntimeException || thrown instanceof Error) {
                // A programmer's error: whoever mends it needs to know where.
                StringWriter trace = new StringWriter();
                thrown.printStackTrace(new PrintWriter(trace));
                String prefix = isJournal ? JournalStream.prefix(level) : "";
                System.err.println(line(isJournal, level, text)
                        + System.lineSeparator()
                        + trace.toString()
                                .strip()
                                .indent(0)
                                .replaceAll("(?m)^(?=.)", prefix)
                                .strip());
            } else {
                System.err.println(line(isJournal, level, text));
            }
        }
    }
}
