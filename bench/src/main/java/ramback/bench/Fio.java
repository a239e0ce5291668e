package ramback.bench;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import ramback.engine.Refusal;

/** The program fio with its NBD engine, which makes the requests and takes the times. */
final class Fio {

    private static final String INSTALL = "install one with it: apt-get install fio";

    private Fio() {}

    /**
     * Makes sure that fio is there and speaks NBD.
     *
     * @return its version, as it says it
     * @throws Refusal when it is not, or does not
     */
    static String check() throws Refusal, InterruptedException {
        try {
            if (run(List.of("fio", "--enghelp"))
                    .lines()
                    .noneMatch(line -> line.strip().equals("nbd"))) {
                throw new Refusal(Refusal.Kind.FAILED, "the fio on PATH was built without its nbd engine; " + INSTALL);
            }
            return run(List.of("fio", "--version")).strip();
        } catch (IOException e) {
            throw new Refusal(
                    Refusal.Kind.FAILED,
                    "cannot run fio, which makes the requests (" + e.getMessage() + "); " + INSTALL,
                    e);
        }
    }

    /**
     * Runs one workload against an export.
     *
     * @param seconds how long
     * @throws Refusal when fio fails, with what it said
     */
    static Measurement measure(String uri, Workload workload, int seconds) throws Refusal, InterruptedException {
        String said = "";
        try {
            said = run(List.of(
                    "fio",
                    "--name=bench",
                    "--ioengine=nbd",
                    "--uri=" + uri,
                    "--thread",
                    "--rw=" + (workload.isWrite() ? "randwrite" : "randread"),
                    "--bs=" + workload.blockBytes(),
                    "--iodepth=" + workload.depth(),
                    "--time_based",
                    "--runtime=" + seconds,
                    "--norandommap",
                    "--randrepeat=0",
                    "--percentile_list=50:99:99.9",
                    "--output-format=json"));
            return new FioReport(said).measurement(workload.isWrite());
        } catch (IOException e) {
            String complaint = said.lines()
                    .filter(line -> line.startsWith("fio: ") && !line.equals("fio: connected to NBD server"))
                    .findFirst()
                    .orElse("fio: " + e.getMessage());
            throw new Refusal(Refusal.Kind.FAILED, workload.name() + " on " + uri + ": " + complaint, e);
        }
    }

    /** Runs a command and returns all that it printed; it ends when this thread is interrupted. */
    private static String run(List<String> command) throws IOException, InterruptedException {
        Path output = Files.createTempFile("ramback-bench", null);
        try {
            Process process = new ProcessBuilder(command)
                    .redirectErrorStream(true)
                    .redirectInput(
                            ProcessBuilder.Redirect.from(Path.of("/dev/null").toFile()))
                    .redirectOutput(output.toFile())
                    .start();
            try {
                process.waitFor();
            } finally {
                process.destroy();
            }
            return Files.readString(output, UTF_8);
        } finally {
            Files.deleteIfExists(output);
        }
    }
}
