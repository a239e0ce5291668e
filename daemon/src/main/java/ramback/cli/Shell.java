package ramback.cli;

import java.io.PrintStream;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import ramback.engine.Refusal;
import ramback.engine.Successor;
import ramback.host.Host;

/**
 * What a command was started in.
 *
 * @param signals how it hears of the signals that ask for an end
 * @param questions whom it may ask
 * @param successors how the process goes on as another program
 * @param host the machine it runs on
 */
record Shell(
        PrintStream out,
        PrintStream err,
        Map<String, String> environment,
        StopSignals signals,
        Questions questions,
        Successors successors,
        Host host) {

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

    /** Another program in this one's place. */
    interface Successors {
        /** Becomes it; returns only where it is not the process's own. */
        void become(Path launcher, List<String> arguments) throws Refusal;
    }

    static Shell ofProcess() {
        return new Shell(
                System.out,
                System.err,
                System.getenv(),
                Signals::onStop,
                new Terminal.Asking(),
                Successor::become,
                Host.system());
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
