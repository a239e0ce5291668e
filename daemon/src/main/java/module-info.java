/**
 * The daemon and its commands.
 */
// The readers of the qualified exports are compiled after this module, so javac cannot see them yet.
@SuppressWarnings("module")
module ramback.daemon {
    requires static org.jspecify;
    requires ramback.core;
    requires ramback.nbd;
    requires com.fasterxml.jackson.core;
    requires info.picocli;
    requires io.helidon.webserver;
    requires java.management;
    requires jdk.jfr; // ramback trace: see ramback.engine.FlightRecording
    requires org.jline.terminal; // the full-screen view: no other command loads it
    requires jdk.unsupported; // sun.misc.Signal: see ramback.cli.Signals

    // The benchmarks offer themselves to the command line, and look at the engine.
    exports ramback.control to
            ramback.bench;
    exports ramback.engine to
            ramback.bench;

    // picocli fills the fields of the commands.
    opens ramback.cli to
            info.picocli;

    uses ramback.control.Bench;

    provides java.lang.System.LoggerFinder with
            ramback.cli.StandardErrorLogs;
}
