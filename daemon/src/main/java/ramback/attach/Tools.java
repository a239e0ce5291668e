package ramback.attach;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.lang.ProcessBuilder.Redirect;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import org.jspecify.annotations.Nullable;
import ramback.engine.Refusal;

/**
 * The system's own programs for what they have done well for decades: losetup, mount, umount, blkid, mkfs. They speak
 * English here, and are found where a user's PATH has no sbin. Safe for use by many threads.
 */
public final class Tools {

    /** As much as is kept of what a program says, in bytes: any line that matters is in it. */
    private static final int OUTPUT_BYTES_MAX = 64 << 10;

    private static final List<String> USUAL =
            List.of("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin");

    /** Longer than any machine runs. */
    private static final Duration NO_LIMIT = Duration.ofDays(36_500);

    /** As timeout(1) ends. */
    private static final int TIMED_OUT = 124;

    private final Map<String, String> environment;
    private final Duration limit;
    private final Redirect input;

    /** @param environment of which PATH says where to look first */
    public Tools(Map<String, String> environment) {
        this(environment, NO_LIMIT);
    }

    /** @param limit for how long a program is waited for; then it is killed, and has failed */
    public Tools(Map<String, String> environment, Duration limit) {
        this(environment, limit, Redirect.from(new File("/dev/null")));
    }

    private Tools(Map<String, String> environment, Duration limit, Redirect input) {
        this.environment = environment;
        this.limit = limit;
        this.input = input;
    }

    /**
     * The same, whose programs hold a lock as long as they run, even when this process is killed. For a process that
     * reads nothing from its standard input, which is that lock from now on.
     */
    public Tools holding(AttachLock lock) throws Refusal {
        lock.passOn();
        return new Tools(environment, limit, Redirect.INHERIT);
    }

    /**
     * What came of a program.
     *
     * @param exitCode its exit code
     * @param out what it said on standard output
     * @param err what it said on standard error
     */
    public record Result(int exitCode, String out, String err) {

        /** Whether it did what it was asked. */
        public boolean isDone() {
            return exitCode == 0;
        }

        /** The one line that says why not: the last that begins at the margin, for hints are indented below it. */
        public String reason() {
            String reason = "";
            for (String line : err.split("\n", -1)) {
                if (!line.isBlank() && !Character.isWhitespace(line.charAt(0))) {
                    reason = line.strip();
                }
            }
            return reason.isEmpty() ? "it ended with exit code " + exitCode + " and said nothing" : reason;
        }
    }

    /** Where a program is, or null when it is nowhere. */
    public @Nullable Path find(String program) {
        for (String directory : searched()) {
            Path file = Path.of(directory, program);
            if (file.isAbsolute() && Files.isExecutable(file) && Files.isRegularFile(file)) {
                return file;
            }
        }
        return null;
    }

    private Set<String> searched() {
        Set<String> directories = new LinkedHashSet<>();
        String path = environment.get("PATH");
        if (path != null) {
            directories.addAll(List.of(path.split(":", -1)));
        }
        directories.addAll(USUAL);
        directories.remove("");
        return directories;
    }

    /**
     * Runs a program to its end, or as long as there is time, without standard input.
     *
     * @param source who has it, for the refusal: a package
     * @throws Refusal when there is no such program
     */
    public Result run(String source, String program, String... arguments) throws Refusal, InterruptedException {
        Path file = find(program);
        if (file == null) {
            throw new Refusal(
                    Refusal.Kind.FAILED,
                    program + " is not there (looked in " + String.join(":", searched()) + "); install " + source);
        }
        List<String> command = new ArrayList<>(List.of(file.toString()));
        command.addAll(List.of(arguments));
        ProcessBuilder builder = new ProcessBuilder(command).redirectInput(input);
        builder.environment().put("LC_ALL", "C");
        builder.environment().put("PATH", String.join(":", searched()));
        try {
            Process process = builder.start();
            Reading out = Reading.begin(process.getInputStream());
            Reading err = Reading.begin(process.getErrorStream());
            if (!process.waitFor(limit)) {
                // One that hangs in the kernel doesn't even die: nothing more of it is waited for.
                process.destroyForcibly();
                return new Result(TIMED_OUT, "", program + " did not end within " + limit.toSeconds() + " s");
            }
            return new Result(process.exitValue(), out.await(), err.await());
        } catch (IOException e) {
            throw new Refusal(Refusal.Kind.FAILED, "cannot run " + file + ": " + e.getMessage(), e);
        }
    }

    /** An output, read beside the other one: a program that is not listened to waits. */
    private static final class Reading implements Runnable {

        private final InputStream stream;
        private final CompletableFuture<String> text = new CompletableFuture<>();

        private Reading(InputStream stream) {
            this.stream = stream;
        }

        static Reading begin(InputStream stream) {
            Reading reading = new Reading(stream);
            Thread.ofPlatform().daemon().name("attach-tool").start(reading);
            return reading;
        }

        String await() throws InterruptedException {
            try {
                return text.get();
            } catch (ExecutionException e) {
                return "";
            }
        }

        @Override
        public void run() {
            try {
                text.complete(read(stream));
            } catch (IOException e) {
                text.completeExceptionally(e);
            }
        }
    }

    private static String read(InputStream stream) throws IOException {
        byte[] kept = stream.readNBytes(OUTPUT_BYTES_MAX);
        stream.transferTo(java.io.OutputStream.nullOutputStream());
        return new String(kept, UTF_8);
    }
}
