package ramback.cli;

import java.io.PrintStream;
import java.util.Map;
import ramback.engine.Refusal;

/**
 * What a command was started in.
 *
 * @param signals how it hears of the signals that ask for an end
 * @param questions whom it may ask
 */
record Shell(
        PrintStream out, PrintStream err, Map<String, String> environment, StopSignals signals, Questions questions) {

    /** The signals that ask for an end, or what stands for them. */
    interface StopSignals {
        /** Runs this at every such signal from now on, instead of ending the process. */
        void onStop(Runnable action);
    }

    /** Somebody who may be asked. */
    interface Questions {
        /** Whether there is anybody. */
        boolean isAnswered();

        /** Asks; returns the answer's line, empty when there is none. */
        String ask(String question);
    }

    static Shell ofProcess() {
        return new Shell(System.out, System.err, System.getenv(), Signals::onStop, new Terminal.Asking());
    }

    /** Prints one line on standard error, whatever the message holds. */
    void complain(String message) {
        err.println("ramback: " + message.strip().replaceAll("\\s*\\R\\s*", " "));
        err.flush();
    }

    /** Prints what was refused and returns the exit code that goes with it. */
    int complain(Refusal refusal) {
        complain(String.valueOf(refusal.getMessage()));
        return ExitCode.of(refusal.kind());
    }

    /** Prints one line of good news on standard output. */
    void say(String message) {
        out.println("ramback: " + message);
        out.flush();
    }
}
