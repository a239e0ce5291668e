package ramback.cli;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.regex.Pattern;
import ramback.attach.SystemWays;

/** A shell that keeps what is printed, for tests; {@link #signal} stands for SIGTERM. */
final class ShellOnPaper {

    private final Paper out = new Paper();
    private final ByteArrayOutputStream err = new ByteArrayOutputStream();
    private final CountDownLatch listening = new CountDownLatch(1);
    private final Shell shell;
    private volatile Runnable onStop = () -> {};
    private volatile Runnable onHangUp = () -> {};
    private volatile String answer = "";
    private volatile String successor = "";

    ShellOnPaper(Path runDirectory) {
        this(Map.of("RAMBACK_RUN_DIR", runDirectory.toString()));
    }

    ShellOnPaper(Map<String, String> environment) {
        this.shell = new Shell(
                new PrintStream(out, true, UTF_8),
                new PrintStream(err, true, UTF_8),
                environment,
                new SignalsOnPaper(),
                new Answer(),
                (launcher, arguments, _) -> successor = launcher + " " + String.join(" ", arguments),
                new ProtectedHost(),
                new SystemWays());
    }

    private final class SignalsOnPaper implements Shell.StopSignals {
        @Override
        public void onStop(Runnable action) {
            onStop = action;
            listening.countDown();
        }

        @Override
        public void onHangUp(Runnable action) {
            onHangUp = action;
        }
    }

    /** Stands for SIGHUP where that asks for no end. */
    void hangUp() {
        onHangUp.run();
    }

    int run(String... arguments) {
        try {
            return new Main(shell).run(arguments);
        } finally {
            out.end();
        }
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

    /** Waits until this text has been printed to standard output so many times, or the command has ended. */
    void awaitOut(String text, int count) throws InterruptedException {
        out.await(text, count);
    }

    String out() {
        return out.toString(UTF_8);
    }

    String err() {
        return err.toString(UTF_8);
    }

    /** Says this to every question; as long as it is not told what to say, nobody can be asked. */
    void answers(String line) {
        answer = line;
    }

    private final class Answer implements Shell.Questions {

        @Override
        public boolean isAnswered() {
            return !answer.isEmpty();
        }

        @Override
        public String ask(String question) {
            shell.err().print(question);
            return answer;
        }
    }

    private static final class Paper extends ByteArrayOutputStream {

        private boolean isEnded;

        @Override
        public synchronized void write(byte[] bytes, int offset, int length) {
            super.write(bytes, offset, length);
            notifyAll();
        }

        synchronized void end() {
            isEnded = true;
            notifyAll();
        }

        synchronized void await(String text, int count) throws InterruptedException {
            while (!isEnded && toString(UTF_8).split(Pattern.quote(text), -1).length <= count) {
                wait();
            }
        }
    }
}
