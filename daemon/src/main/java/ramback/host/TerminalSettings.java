package ramback.host;

import org.jspecify.annotations.Nullable;
import ramback.posix.Posix;
import ramback.posix.PosixException;

/**
 * How the terminal was before it was changed. Given back without a wait and without another process: stty(1), which JLine
 * uses, waits until the terminal has taken what was written to it, and dies of a Ctrl-C.
 */
public final class TerminalSettings {

    private static final int STANDARD_IN = 0;

    private final byte[] settings;

    private TerminalSettings(byte[] settings) {
        this.settings = settings;
    }

    /** Those of standard input as they are now; null where that is no terminal. */
    public static @Nullable TerminalSettings ofStandardInput() {
        try {
            return new TerminalSettings(Posix.terminalSettings(STANDARD_IN));
        } catch (PosixException e) {
            return null;
        }
    }

    /** Gives them back; a terminal that has gone is passed over. */
    public void restore() {
        try {
            Posix.setTerminalSettings(STANDARD_IN, settings);
        } catch (PosixException e) {
            // The terminal has gone.
        }
    }
}
