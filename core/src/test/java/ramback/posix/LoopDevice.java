package ramback.posix;

import static org.junit.jupiter.api.Assumptions.abort;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * A loop device over a file, for tests. It is told to go away as soon as it exists and lives by the descriptor held
 * here, so that the kernel removes it however the test ends, even by SIGKILL. Skips the test where there are none.
 */
public final class LoopDevice implements AutoCloseable {
    private final Path path;
    private final int holdFd;

    private LoopDevice(Path path, int holdFd) {
        this.path = path;
        this.holdFd = holdFd;
    }

    /** Attaches a device to the whole of a file. */
    public static LoopDevice attach(Path file, String... losetupOptions) throws IOException {
        assumeTrue(Posix.effectiveUserId() == 0, "loop devices need root");
        assumeTrue(Files.exists(Path.of("/dev/loop-control")), "no loop devices here");
        List<String> command = new ArrayList<>(List.of("losetup", "--find", "--show"));
        command.addAll(List.of(losetupOptions));
        command.add(file.toString());
        String name;
        try {
            name = run(command);
        } catch (IOException e) {
            return abort("no loop device to be had: " + e.getMessage());
        }
        Path path = Path.of(name);
        int fd = Posix.open(path, Posix.O_RDONLY, 0);
        run(List.of("losetup", "--detach", name));
        return new LoopDevice(path, fd);
    }

    /** {@code /dev/loopN}. */
    public Path path() {
        return path;
    }

    @Override
    public void close() throws IOException {
        Posix.close(holdFd);
    }

    private static String run(List<String> command) throws IOException {
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        try {
            String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
            if (!process.waitFor(30, TimeUnit.SECONDS) || process.exitValue() != 0) {
                throw new IOException(String.join(" ", command) + ": " + output);
            }
            return output;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted", e);
        } finally {
            process.destroyForcibly();
        }
    }
}
