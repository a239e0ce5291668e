package ramback.cli;

import sun.misc.Signal;

/**
 * SIGINT and SIGTERM. A shutdown hook would see only the first signal and could not put off the end of the process; the
 * second one must be answered while we go on flushing, and {@code sun.misc.Signal} (module jdk.unsupported) is the
 * JDK's only way to hear it.
 */
final class Signals {

    private Signals() {}

    /** Runs this on every SIGINT and SIGTERM from now on, instead of ending the process; each on a thread of its own. */
    @SuppressWarnings("sunapi")
    static void onStop(Runnable action) {
        Signal.handle(new Signal("INT"), _ -> action.run());
        Signal.handle(new Signal("TERM"), _ -> action.run());
    }
}
