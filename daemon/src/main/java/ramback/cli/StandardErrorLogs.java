package ramback.cli;

import java.lang.System.Logger;
import java.text.MessageFormat;
import java.util.ResourceBundle;
import org.jspecify.annotations.Nullable;

/**
 * What the log calls of all packages and libraries come to: warnings and errors, one line each on standard error, as
 * every other message; of our own also what is good to know, such as the end of what was warned of. The JDK's own logging
 * would be configured from files, take time to start and write two lines.
 */
public final class StandardErrorLogs extends System.LoggerFinder {

    private static final Logger OURS = new OneLine(Logger.Level.INFO);
    private static final Logger LIBRARIES = new OneLine(Logger.Level.WARNING);

    /**
     * The HTTP server's warnings are about clients that went in the middle of a request, which is their business; what goes
     * wrong in answering one is logged where it is answered.
     */
    private static final Logger HTTP_SERVER = new OneLine(Logger.Level.ERROR);

    private static final String HTTP_SERVER_NAME = "io.helidon.webserver";

    /** For the service loader. */
    public StandardErrorLogs() {}

    @Override
    public Logger getLogger(String name, Module module) {
        if (name.startsWith("ramback.")) {
            return OURS;
        }
        return name.startsWith(HTTP_SERVER_NAME) ? HTTP_SERVER : LIBRARIES;
    }

    private static final class OneLine implements Logger {

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
            String kind = switch (level) {
                case ERROR -> "error: ";
                case WARNING -> "warning: ";
                default -> "";
            };
            StringBuilder line = new StringBuilder("ramback: ").append(kind).append(message);
            if (thrown != null) {
                line.append(" (").append(thrown).append(')');
            }
            System.err.println(line);
            if (thrown instanceof RuntimeException || thrown instanceof Error) {
                thrown.printStackTrace(); // a programmer's error: whoever mends it needs to know where
            }
        }
    }
}
