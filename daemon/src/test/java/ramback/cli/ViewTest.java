package ramback.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jline.terminal.KeyParser;
import org.jline.utils.AttributedString;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import ramback.control.RunDirectory;
import ramback.engine.Refusal;

/** A view's thread, with a screen on paper and daemons that answer, or don't, as each test wants. */
class ViewTest {

    @TempDir
    Path directory;

    private RunDirectory run;
    private final Deque<FakeDaemon> daemons = new ArrayDeque<>();
    private final PaperScreen screen = new PaperScreen();
    private ShellOnPaper shell;

    @BeforeEach
    void makeRunDirectory() throws IOException {
        run = new RunDirectory(Files.createDirectories(directory.resolve("run")));
        shell = new ShellOnPaper(run.path());
    }

    @AfterEach
    void stopDaemons() throws IOException {
        screen.tell(new ViewEvent.Stop());
        for (FakeDaemon daemon : daemons) {
            daemon.close();
        }
    }

    /** What was drawn last, and who waits for something on it. */
    private static final class PaperScreen implements Screen {

        private @Nullable Consumer<ViewEvent> events;
        private String picture = "";
        private int pictureCount;
        private int openCount;
        private int closeCount;
        private boolean isSeen = true;

        @Override
        public synchronized void open(Consumer<ViewEvent> toTell) {
            events = toTell;
            openCount++;
            notifyAll();
        }

        @Override
        public synchronized void spoilt() {
            picture = "";
        }

        @Override
        public synchronized boolean show(Board board, Keyboard keyboard, long nowNanos) {
            picture = Frame.of(board, keyboard, nowNanos, 100, 40, new StatusScreen.Style(false, false)).stream()
                    .map(AttributedString::toString)
                    .collect(Collectors.joining("\n"));
            pictureCount++;
            notifyAll();
            return isSeen;
        }

        @Override
        public synchronized void close() {
            closeCount++;
        }

        /** Waits for a picture of which this is true. */
        synchronized String await(Predicate<String> what) throws InterruptedException {
            while (!what.test(picture)) {
                wait();
            }
            return picture;
        }

        String await(String text) throws InterruptedException {
            return await(picture -> picture.contains(text));
        }

        /** Waits until so many more have been drawn. */
        synchronized void awaitPictures(int count) throws InterruptedException {
            int until = pictureCount + count;
            while (pictureCount < until) {
                wait();
            }
        }

        synchronized void turnAway() {
            isSeen = false;
        }

        void press(String... keys) {
            for (String key : keys) {
                tell(new ViewEvent.Pressed(KeyParser.parse(key)));
            }
        }

        void tell(ViewEvent event) {
            Consumer<ViewEvent> toTell;
            synchronized (this) {
                toTell = events;
            }
            if (toTell != null) {
                toTell.accept(event);
            }
        }
    }

    private FakeDaemon start(FakeDaemon daemon) {
        daemons.push(daemon);
        return daemon;
    }

    private CompletableFuture<Integer> follow(@Nullable String only) {
        CompletableFuture<Integer> exitCode = new CompletableFuture<>();
        Thread.ofPlatform().daemon().start(() -> {
            try {
                exitCode.complete(new View(shell.shell(), run, only, screen).run());
            } catch (Refusal | InterruptedException | RuntimeException e) {
                exitCode.completeExceptionally(e);
            }
        });
        return exitCode;
    }

    @Test
    void devicesComeAndGoWhileTheyAreWatched() throws Exception {
        CompletableFuture<Integer> exitCode = follow(null);
        screen.await("no device is running");
        start(FakeDaemon.well(run, "second"));
        screen.await("* green writeback    ready");
        FakeDaemon first = start(FakeDaemon.well(run, "first"));
        screen.await("  first ");
        first.close();
        assertThat(screen.await("first has stopped")).doesNotContain("  first ");
        screen.press("q");
        assertThat(exitCode.join()).isZero();
        assertThat(screen.openCount).isEqualTo(1);
        assertThat(screen.closeCount).isEqualTo(1);
    }

    @Test
    void daemonsThatHangFreezeNeitherTheViewNorTheOthers() throws Exception {
        // More than there are processors, by far: each keeps its question for ten seconds.
        for (int i = 0; i < 20; i++) {
            start(FakeDaemon.silent(run, "hung" + i));
        }
        start(FakeDaemon.well(run, "answers"));
        CompletableFuture<Integer> exitCode = follow(null);
        screen.await("* green writeback    ready");
        screen.awaitPictures(3);
        assertThat(screen.await("hung0 ").lines())
                .anySatisfy(line -> assertThat(line).matches("> answers +\\* green +writeback +ready .*"))
                .anySatisfy(line -> assertThat(line).matches("  hung0 +\\? none +- +asked .*"));
        screen.press("\033[F", "?");
        screen.await("any key goes back");
        screen.press("q", "q");
        assertThat(exitCode.join()).isZero();
    }

    @Test
    void aDeviceThatFallsSilentIsShownWithItsAgeAndIsNotAskedAgainMeanwhile() throws Exception {
        CountDownLatch mayAnswer = new CountDownLatch(1);
        List<String> askedSince = new ArrayList<>();
        boolean[] isFirst = {true};
        start(new FakeDaemon(run, "disk", (path, _) -> {
            synchronized (askedSince) {
                if (isFirst[0]) {
                    isFirst[0] = false;
                    return Answer.json("disk", "");
                }
                askedSince.add(path);
            }
            mayAnswer.await();
            return Answer.json("disk", "");
        }));
        CompletableFuture<Integer> exitCode = follow(null);
        screen.await("* green");
        Pattern age = Pattern.compile("(\\d+) s old");
        String first = screen.await(picture -> age.matcher(picture).find());
        assertThat(first).contains("? none", "does not answer; this is what it said last");
        String seconds = age.matcher(first).results().findFirst().orElseThrow().group(1);
        screen.await(picture -> age.matcher(picture).find() && !picture.contains(" " + seconds + " s old"));
        synchronized (askedSince) {
            assertThat(askedSince).hasSize(1);
        }
        mayAnswer.countDown();
        screen.await("* green");
        screen.press("q");
        assertThat(exitCode.join()).isZero();
    }

    @Test
    void aFlushIsAskedInTheBackgroundOfTheChosenDevice() throws Exception {
        CountDownLatch mayEnd = new CountDownLatch(1);
        start(FakeDaemon.well(run, "a"));
        FakeDaemon chosen = start(new FakeDaemon(run, "b", (path, _) -> {
            if (path.equals("/flush")) {
                mayEnd.await();
            }
            return path.equals("/status") ? Answer.json("b", "") : "{}";
        }));
        CompletableFuture<Integer> exitCode = follow(null);
        screen.await("  b ");
        screen.press("\033[B", "f");
        assertThat(chosen.awaitRequest()).isEqualTo("/flush ");
        screen.await("flush of b is under way");
        screen.awaitPictures(2);
        screen.press("f");
        screen.await("flush of b is under way; wait for it");
        mayEnd.countDown();
        screen.await("flush of b: done in ");
        screen.press("q");
        assertThat(exitCode.join()).isZero();
    }

    @Test
    void aModeIsSwitchedAndARefusalShown() throws Exception {
        FakeDaemon daemon = start(new FakeDaemon(
                run,
                "disk",
                (path, body) -> path.equals("/status")
                        ? Answer.json("disk", "")
                        : body.contains("checkpoint")
                                ? "{\"error\":{\"kind\":\"failed\",\"message\":\"checkpoint needs a journal\\u001b[2J\"}}"
                                : "{}"));
        CompletableFuture<Integer> exitCode = follow("disk");
        screen.await("disk  * green  ready");
        screen.press("m");
        screen.await("mode of disk?");
        screen.press("3");
        assertThat(daemon.awaitRequest()).isEqualTo("/mode {\"mode\":\"checkpoint\"}");
        screen.await("mode checkpoint of disk failed: checkpoint needs a journal?[2J");
        screen.press("m", "4");
        screen.await("y switches");
        screen.press("y");
        assertThat(daemon.awaitRequest()).isEqualTo("/mode {\"mode\":\"unsafe\"}");
        screen.await("mode unsafe of disk: done in ");
        screen.press("m", "5");
        assertThat(daemon.awaitRequest()).isEqualTo("/mode {\"mode\":\"auto\"}");
        screen.press("q");
        assertThat(exitCode.join()).isZero();
    }

    @Test
    void anAnswerThatIsNoneIsNoReasonToEnd() throws Exception {
        start(new FakeDaemon(run, "bad", (_, _) -> "not JSON"));
        start(new FakeDaemon(run, "worse", (_, _) -> Answer.json("worse", "\"clients\":99999999999")));
        start(FakeDaemon.well(run, "well"));
        CompletableFuture<Integer> exitCode = follow(null);
        screen.await(picture -> picture.contains("* green writeback    ready") && picture.contains("unknown"));
        screen.awaitPictures(2);
        assertThat(exitCode).isNotDone();
        screen.press("q");
        assertThat(exitCode.join()).isZero();
    }

    @Test
    void aDeviceThatStopsEndsTheViewOfItWithALine() throws Exception {
        FakeDaemon daemon = start(new FakeDaemon(run, "disk", (_, _) -> Answer.json("disk", "\"state\":\"stopping\"")));
        CompletableFuture<Integer> exitCode = follow("disk");
        screen.await("stopping");
        daemon.close();
        assertThat(exitCode.join()).isZero();
        assertThat(screen.closeCount).isEqualTo(1);
        assertThat(shell.out()).isEqualTo("ramback: disk has stopped\n");
    }

    @Test
    void aDeviceThatIsGoneEndsTheViewOfItWithARefusal() throws Exception {
        FakeDaemon daemon = start(FakeDaemon.well(run, "disk"));
        CompletableFuture<Integer> exitCode = follow("disk");
        screen.await("* green");
        daemon.close();
        assertThat(refusal(exitCode).kind()).isEqualTo(Refusal.Kind.NO_DEVICE);
        assertThat(screen.closeCount).isEqualTo(1);
    }

    @Test
    void aLookThatFallsIntoAnUpgradeIsNotTheEnd() throws Exception {
        AtomicInteger looks = new AtomicInteger();
        String gone = "{\"error\":{\"kind\":\"no-device\",\"message\":\"disk has stopped\"}}";
        CountDownLatch isSeen = new CountDownLatch(1);
        start(new FakeDaemon(run, "disk", (_, _) -> {
            int look = looks.incrementAndGet();
            if (look > 2) {
                await(isSeen); // or it would be shown for a moment only
            }
            return look == 2 ? gone : Answer.json("disk", "");
        }));
        CompletableFuture<Integer> exitCode = follow("disk");
        screen.await("* green");
        screen.await("gone");
        isSeen.countDown();
        screen.await("* green");
        screen.press("q");
        assertThat(exitCode.join()).isZero();
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    private static Refusal refusal(CompletableFuture<Integer> exitCode) {
        try {
            throw new AssertionError("ended with " + exitCode.join());
        } catch (CompletionException e) {
            return (Refusal) e.getCause();
        }
    }

    @Test
    void withoutADeviceOfThatNameTheScreenIsNeverTouched() {
        assertThat(refusal(follow("disk"))).hasMessageContaining("no device named disk");
        assertThat(screen.openCount).isZero();
    }

    @Test
    void aSignalEndsItAndSoDoesAScreenThatIsGone() throws Exception {
        start(FakeDaemon.well(run, "disk"));
        CompletableFuture<Integer> exitCode = follow(null);
        screen.await("* green");
        screen.tell(new ViewEvent.Stop());
        assertThat(exitCode.join()).isZero();

        CompletableFuture<Integer> second = follow(null);
        screen.awaitPictures(1);
        screen.turnAway();
        assertThat(second.join()).isZero();
        assertThat(screen.closeCount).isEqualTo(2);
    }

    @Test
    void aSpoiltScreenIsDrawnAgainAtOnce() throws Exception {
        start(FakeDaemon.well(run, "disk"));
        CompletableFuture<Integer> exitCode = follow(null);
        screen.await("* green");
        screen.tell(new ViewEvent.Redraw());
        screen.awaitPictures(1);
        screen.await("* green");
        screen.press("q");
        assertThat(exitCode.join()).isZero();
    }

    @Test
    void withoutATerminalTopIsATableEachSecond() throws Exception {
        start(FakeDaemon.well(run, "disk"));
        start(FakeDaemon.silent(run, "hung"));
        CompletableFuture<Integer> exitCode = new CompletableFuture<>();
        Thread.ofPlatform().daemon().start(() -> exitCode.complete(shell.run("top")));
        shell.awaitOut(" ready ", 1);
        shell.awaitOut("\n\n", 3);
        shell.signal();
        assertThat(exitCode.join()).isZero();
        String table = Arrays.stream(shell.out().split("\n\n", -1))
                .filter(each -> each.contains(" ready "))
                .findFirst()
                .orElseThrow();
        assertThat(table.lines())
                .satisfiesExactly(
                        titles -> assertThat(titles)
                                .matches("NAME +LIGHT +MODE +STATE +LOAD +DIRTY +LOSS +RD/s +WR/s +P99 +RD B/s +WR B/s"
                                        + " +POWER +ATTACHED"),
                        disk -> assertThat(disk).matches("disk +● green +writeback +ready +100% +0 +none .*"),
                        hung -> assertThat(hung).matches("hung +\\? none +- +(asked|unknown) +- .*"));
    }

    @Test
    void withoutDevicesTopSaysSo() throws Exception {
        CompletableFuture<Integer> exitCode = new CompletableFuture<>();
        Thread.ofPlatform().daemon().start(() -> exitCode.complete(shell.run("top")));
        shell.awaitOut("no device is running (looked in " + run.path() + ")", 2);
        shell.signal();
        assertThat(exitCode.join()).isZero();
        assertThat(shell.err()).isEmpty();
    }
}
