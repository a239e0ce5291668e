package ramback.cli;

import java.io.PrintStream;
import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import ramback.attach.SystemWays;
import ramback.attach.Ways;
import ramback.engine.Refusal;
import ramback.engine.Successor;
import ramback.host.Host;
import ramback.host.JournalStream;
import ramback.power.ForeignText;

/**
 * What a command was started in.
 *
 * @param signals how it hears of the signals that ask for an end
 * @param questions whom it may ask
 * @param successors how the process goes on as another program
 * @param host the machine it runs on
 * @param ways how a device is attached to that
 */
record Shell(
        PrintStream out,
        PrintStream err,
        Map<String, String> environment,
        StopSignals signals,
        Questions questions,
        Successors successors,
        Host host,
        Ways ways) {

    /** The signals that ask for an end, or what stands for them. */
    interface StopSignals {
        /** Runs this at every such signal from now on, instead of ending the process. */
        void onStop(Runnable action);

        /** Runs this at every SIGHUP from now on, which then asks for no end. */
        void onHangUp(Runnable action);
    }

    /** The process's own. */
    private static final class OfProcess implements StopSignals {
        @Override
        public void onStop(Runnable action) {
            Signals.onStop(action);
        }

        @Override
        public void onHangUp(Runnable action) {
            Signals.onHangUp(action);
        }
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
        void become(Path launcher, List<String> arguments, List<Integer> keptDescriptors) throws Refusal;
    }

    static Shell ofProcess() {
        return new Shell(
                System.out,
                System.err,
                System.getenv(),
                new OfProcess(),
                new Terminal.Asking(),
                Shell::become,
                Host.system(),
                new SystemWays());
    }

    private static void become(Path launcher, List<String> arguments, List<Integer> keptDescriptors) throws Refusal {
        StandardErrorQueue.settle();
        Successor.become(launcher, arguments, keptDescriptors);
    }

    /** Prints one line on standard error, whatever the message holds. */
    void complain(String message) {
        print(Level.ERROR, "", message);
    }

    /** Prints a line on standard error that something is not as it should be. */
    void warn(String message) {
        print(Level.WARNING, "warning: ", message);
    }

    /** Prints a line on standard error that is good to know. */
    void note(String message) {
        print(Level.INFO, "", message);
    }

    private void print(Level level, String word, String message) {
        String line = ForeignText.printable(message.strip().replaceAll("\\s*\\R\\s*", " "));
        boolean isJournal = JournalStream.isStandardError();
        err.println((isJournal ? JournalStream.prefix(level) : "ramback: " + word) + line);
        err.flush();
    }

    /** Prints what was refused and returns the exit code that goes with it. */
    int complain(Refusal refusal) {
        complain(String.valueOf(refusal.getMessage()));
        return ExitCode.of(refusal.kind());
    }

    /** Prints one line of good news on standard output, behind what was said on standard error. */
    void say(String message) {
        StandardErrorQueue.settle();
        out.println("ramback: " + message);
        out.flush();
    }
}
