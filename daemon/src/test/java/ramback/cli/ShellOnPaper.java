package ramback.cli;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.CountDownLatch;

/** A shell that keeps what is printed, for tests; {@link #signal} stands for SIGTERM. */
final class ShellOnPaper {

    private final ByteArrayOutputStream out = new ByteArrayOutputStream();
    private final ByteArrayOutputStream err = new ByteArrayOutputStream();
    private final CountDownLatch listening = new CountDownLatch(1);
    private final Shell shell;
    private volatile Runnable onStop = () -> {};

    ShellOnPaper(Path runDirectory) {
        this(Map.of("RAMBACK_RUN_DIR", runDirectory.toString()));
    }

    ShellOnPaper(Map<String, String> environment) {
        this.shell = new Shell(
                new PrintStream(out, true, UTF_8), new PrintStream(err, true, UTF_8), environment, action -> {
                    onStop = action;
                    listening.countDown();
                });
    }

    int run(String... arguments) {
        return new Main(shell).run(arguments);
    }

    Shell shell() {
        return shell;
    }

    void awaitListening() throws InterruptedException {
        listening.await();
    }

    void signal() {
        onStop.run();
    }

    String out() {
        return out.toString(UTF_8);
    }

    String err() {
        return err.toString(UTF_8);
    }
}
