package ramback.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;

/**
 * The terminal, where there is one. Asked through {@code /proc/self/fd}, because {@link System#console()} loads a line
 * editor and costs a command a third of its time.
 */
final class Terminal {

    private static final int STANDARD_IN = 0;
    private static final int STANDARD_OUT = 1;
    private static final int STANDARD_ERROR = 2;

    private Terminal() {}

    static boolean isInput() {
        return isTerminal(STANDARD_IN);
    }

    static boolean isOutput() {
        return isTerminal(STANDARD_OUT);
    }

    static boolean isError() {
        return isTerminal(STANDARD_ERROR);
    }

    private static boolean isTerminal(int descriptor) {
        try {
            String target = Files.readSymbolicLink(Path.of("/proc/self/fd/" + descriptor))
                    .toString();
            return target.startsWith("/dev/pts/") || target.startsWith("/dev/tty") || target.equals("/dev/console");
        } catch (IOException e) {
            return false;
        }
    }

    /** Returns whether colours are wanted (no-color.org: any non-empty NO_COLOR says no). */
    static boolean wantsColour(Map<String, String> environment) {
        String refused = environment.get("NO_COLOR");
        return (refused == null || refused.isEmpty()) && !"dumb".equals(environment.get("TERM"));
    }

    /**
     * Returns whether a whole screen can be drawn and keys be read: a terminal on both sides, of a kind that can move its
     * cursor.
     */
    static boolean isScreen(Map<String, String> environment) {
        String type = environment.getOrDefault("TERM", "");
        return !type.isEmpty() && !type.equals("dumb") && isInput() && isOutput();
    }

    /** Whoever sits at the terminal. */
    static final class Asking implements Shell.Questions {

        @Override
        public boolean isAnswered() {
            return isInput() && isError();
        }

        @Override
        public String ask(String question) {
            System.err.print(question);
            System.err.flush();
            StringBuilder line = new StringBuilder();
            try {
                for (int c = System.in.read(); c >= 0 && c != '\n'; c = System.in.read()) {
                    line.append((char) c);
                }
            } catch (IOException e) {
                return ""; // nobody there after all
            }
            return line.toString().strip();
        }
    }
}
