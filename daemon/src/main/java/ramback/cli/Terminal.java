package ramback.cli;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
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

    /** Returns the width of the terminal in cells, or a large number where there is none or it doesn't say. */
    static int columnCount() {
        try {
            Process stty = new ProcessBuilder("stty", "size")
                    .redirectInput(ProcessBuilder.Redirect.INHERIT)
                    .start();
            String answer = new String(stty.getInputStream().readAllBytes(), StandardCharsets.US_ASCII).strip();
            int count = Integer.parseInt(answer.substring(answer.indexOf(' ') + 1));
            return count > 0 ? count : Integer.MAX_VALUE;
        } catch (IOException | NumberFormatException e) {
            return Integer.MAX_VALUE;
        }
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

    /**
     * Keys as they are pressed: no line to be finished, no echo. Does nothing where standard input is no terminal.
     * {@link #close} gives the terminal back as it was.
     */
    static final class Keys implements AutoCloseable {

        private final boolean isActive = isInput();

        Keys() {
            if (isActive) {
                stty("-icanon", "-echo", "min", "1");
            }
        }

        /** Returns the next key if one was pressed, or -1. */
        int poll() throws IOException {
            InputStream in = System.in;
            return isActive && in.available() > 0 ? in.read() : -1;
        }

        @Override
        public void close() {
            if (isActive) {
                stty("icanon", "echo");
            }
        }

        private static void stty(String... settings) {
            try {
                String[] command = new String[settings.length + 1];
                command[0] = "stty";
                System.arraycopy(settings, 0, command, 1, settings.length);
                new ProcessBuilder(command).inheritIO().start().waitFor();
            } catch (IOException e) {
                // No stty: a key then needs Return behind it, and everything else works.
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
    }
}
