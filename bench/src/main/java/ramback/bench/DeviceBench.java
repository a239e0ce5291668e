package ramback.bench;

import java.io.PrintStream;
import java.util.List;
import java.util.Locale;
import ramback.control.Bench;
import ramback.engine.Refusal;

/**
 * {@code ramback bench [NAME|URI] [-- --write] [--seconds N]}: requests a second, rate and latency of one export, for a
 * few kinds of requests. Reads only, unless told that the export's contents may be overwritten.
 */
public final class DeviceBench implements Bench {

    private static final int SECONDS_DEFAULT = 3;
    private static final int SECONDS_MAX = 3600;

    private final PrintStream out;

    /** The benchmark as the command line finds it: prints to standard output. */
    public DeviceBench() {
        this(System.out);
    }

    DeviceBench(PrintStream out) {
        this.out = out;
    }

    /**
     * What the user asked for.
     *
     * @param writes whether the export may be overwritten
     * @param seconds how long each kind of request is measured
     */
    record Options(boolean writes, int seconds) {

        static Options parse(List<String> arguments) throws Refusal {
            boolean writes = false;
            int seconds = SECONDS_DEFAULT;
            for (int i = 0; i < arguments.size(); i++) {
                String argument = arguments.get(i);
                if (argument.equals("--write")) {
                    writes = true;
                } else if (argument.equals("--seconds") && i + 1 < arguments.size()) {
                    seconds = seconds(arguments.get(++i));
                } else {
                    throw new Refusal(
                            Refusal.Kind.USAGE,
                            "bad argument '" + argument
                                    + "' of bench; use --write (OVERWRITES the device) or --seconds N");
                }
            }
            return new Options(writes, seconds);
        }

        private static int seconds(String text) throws Refusal {
            try {
                int seconds = Integer.parseInt(text);
                if (seconds >= 1 && seconds <= SECONDS_MAX) {
                    return seconds;
                }
            } catch (NumberFormatException e) {
                // Said below.
            }
            throw new Refusal(
                    Refusal.Kind.USAGE,
                    "bad --seconds '" + text + "'; must be a whole number from 1 to " + SECONDS_MAX);
        }
    }

    @Override
    public int run(String uri, List<String> arguments) throws Refusal, InterruptedException {
        Options options = Options.parse(arguments);
        String version = Fio.check();
        boolean isFirst = true;
        for (Workload workload : Workload.ALL) {
            if (options.writes() || !workload.isWrite()) {
                Measurement found = Fio.measure(uri, workload, options.seconds());
                if (isFirst) {
                    // Not before: a URI that nobody serves gets one line of error and nothing else.
                    printHead(uri, version, options);
                    isFirst = false;
                }
                print(workload, found);
            }
        }
        if (!options.writes()) {
            out.println("Only reads were measured: writes OVERWRITE the device. To measure them too, add: -- --write");
        }
        return 0;
    }

    private void printHead(String uri, String version, Options options) {
        out.println(uri + ", " + version + ", one connection, " + options.seconds() + " s each");
        out.printf(
                Locale.ROOT,
                "%-14s %12s %10s %10s %10s %10s%n",
                "requests",
                "IOPS",
                "MiB/s",
                "p50 µs",
                "p99 µs",
                "p99.9 µs");
    }

    private void print(Workload workload, Measurement found) {
        out.printf(
                Locale.ROOT,
                "%-14s %,12.0f %,10.1f %,10.1f %,10.1f %,10.1f%n",
                workload.name(),
                found.requestsPerSecond(),
                found.bytesPerSecond() / (1 << 20),
                found.p50Nanos() / 1e3,
                found.p99Nanos() / 1e3,
                found.p999Nanos() / 1e3);
    }
}
