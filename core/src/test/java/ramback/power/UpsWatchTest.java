package ramback.power;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.ConnectException;
import java.net.InetAddress;
import java.time.Duration;
import java.util.Collections;
import java.util.List;
import java.util.function.Predicate;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import ramback.clock.Clock;
import ramback.clock.HurriedClock;

class UpsWatchTest {

    private static final UpsCredentials JANE = new UpsCredentials("jane \"j\"", "a\\b", null);

    private FakeUpsd upsd = open(0);
    private final PowerJudge judge = new PowerJudge(upsd.address(), Clock.SYSTEM.nanoTime());
    private final Object newsLock = new Object();
    private Clock clock = Clock.SYSTEM;
    private UpsWatch watch;

    private static FakeUpsd open(int port) {
        try {
            return new FakeUpsd(port);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private void start(UpsCredentials credentials) {
        watch = UpsWatch.start(upsd.address(), credentials, judge, clock, this::news);
    }

    private void news() {
        synchronized (newsLock) {
            newsLock.notifyAll();
        }
    }

    private PowerView await(Predicate<PowerView> condition) throws InterruptedException {
        synchronized (newsLock) {
            PowerView view = judge.view(clock.nanoTime());
            while (!condition.test(view)) { // the test's own time-out ends it
                newsLock.wait(100);
                view = judge.view(clock.nanoTime());
            }
            return view;
        }
    }

    @AfterEach
    void stop() throws IOException {
        watch.close();
        upsd.close();
    }

    @Test
    void whatTheServerSaysIsHeardAgainAndAgain() throws InterruptedException {
        start(UpsCredentials.NONE);
        assertThat(await(view -> view.state() == PowerState.ONLINE)
                        .runtimeSeconds()
                        .getAsDouble())
                .isEqualTo(600);
        upsd.variables.put("ups.status", "OB DISCHRG");
        await(view -> view.state() == PowerState.ON_BATTERY);
        upsd.variables.put("ups.status", "OB LB");
        await(view -> view.state() == PowerState.LOW_BATTERY);
        assertThat(upsd.asked).startsWith("STARTTLS", "LIST VAR ups").doesNotContain("LOGIN ups");
    }

    @Test
    void aConnectionThatIsCutOffIsMadeAnewAtOnce() throws Exception {
        start(UpsCredentials.NONE);
        await(view -> view.state() == PowerState.ONLINE);
        upsd.variables.put("ups.status", "OB");
        upsd.cutOff();
        await(view -> view.state() == PowerState.ON_BATTERY);
    }

    @Test
    void aServerThatComesBackIsHeardAgain() throws Exception {
        start(UpsCredentials.NONE);
        await(view -> view.state() == PowerState.ONLINE);
        int port = upsd.port();
        upsd.close();
        assertThat(await(view -> view.detail() != null).detail())
                .startsWith("not heard this time: ups@127.0.0.1:" + port);
        upsd = open(port);
        upsd.variables.put("ups.status", "OB");
        await(view -> view.state() == PowerState.ON_BATTERY);
    }

    @Test
    void itLogsInWithQuotesAndBackslashes() throws InterruptedException {
        start(JANE);
        await(view -> view.state() == PowerState.ONLINE);
        assertThat(upsd.asked)
                .startsWith(
                        "STARTTLS", "USERNAME \"jane \\\"j\\\"\"", "PASSWORD \"a\\\\b\"", "LOGIN ups", "LIST VAR ups");
    }

    @Test
    void aRefusedLoginIsSaidAndTheUpsIsReadAllTheSame() throws InterruptedException {
        upsd.answers.put("LOGIN", "ERR ACCESS-DENIED");
        start(JANE);
        PowerView view = await(seen -> seen.state() == PowerState.ONLINE);
        assertThat(view.detail()).contains("the server refuses user jane \"j\"").contains("upsd.users");
        assertThat(view.detail()).doesNotContain("a\\b");
    }

    @Test
    void aRefusedLoginIsTriedAgainOnTheSameConnectionAfterAMinute() throws InterruptedException {
        Clock fast = new HurriedClock(60);
        long began = fast.nanoTime();
        upsd.answers.put("LOGIN", "ERR ACCESS-DENIED");
        watch = UpsWatch.start(upsd.address(), JANE, new PowerJudge(upsd.address(), 0), fast, this::news);
        awaitLogins(2);
        upsd.answers.clear();
        awaitLogins(3);
        long loggedIn = fast.nanoTime();
        assertThat(loggedIn - began).isGreaterThanOrEqualTo(120_000_000_000L);
        while (fast.nanoTime() < loggedIn + 90_000_000_000L) {
            Thread.sleep(5);
        }
        assertThat(upsd.asked).containsOnlyOnce("STARTTLS", "USERNAME \"jane \\\"j\\\"\"");
        assertThat(Collections.frequency(upsd.asked, "LOGIN ups")).isEqualTo(3);
    }

    private void awaitLogins(int count) throws InterruptedException {
        while (Collections.frequency(upsd.asked, "LOGIN ups") < count) {
            Thread.sleep(5);
        }
    }

    @Test
    void aServerThatHasNotHeardTheUpsForTooLongKnowsNothingAtOnce() throws InterruptedException {
        start(UpsCredentials.NONE);
        await(view -> view.state() == PowerState.ONLINE);
        upsd.answers.put("LIST VAR", "ERR DATA-STALE");
        long began = Clock.SYSTEM.nanoTime();
        PowerView view = await(seen -> seen.state() == PowerState.UNKNOWN);
        assertThat(view.detail()).contains("the server has not heard of the UPS for too long");
        assertThat(Clock.SYSTEM.nanoTime() - began).isLessThan(PowerJudge.SILENCE_NANOS_MAX);
        upsd.answers.clear();
        await(seen -> seen.state() == PowerState.ONLINE);
        assertThat(Collections.frequency(upsd.asked, "STARTTLS")).isEqualTo(1);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "WAIT"})
    void aDriverThatComesOrGoesInAnOutageDoesNotEndIt(String status) throws InterruptedException {
        upsd.variables.put("ups.status", "OB");
        start(UpsCredentials.NONE);
        await(view -> view.state() == PowerState.ON_BATTERY);
        upsd.variables.put("ups.status", status);
        PowerView view = await(seen -> seen.detail() != null);
        assertThat(view.detail()).contains("not heard this time: ").contains("the server has no status of the UPS");
        assertThat(view.isOnBattery()).isTrue();
    }

    @Test
    void whatAServerSaysCanNeitherMoveACursorNorFillALog() throws InterruptedException {
        upsd.answers.put("LIST VAR", "ERR \033[2J\007" + "x".repeat(3000));
        start(UpsCredentials.NONE);
        PowerView view = await(seen -> seen.detail() != null && seen.detail().startsWith("not heard: "));
        assertThat(view.detail()).contains("the server says ?[2J?xxx").hasSizeLessThan(300);
        upsd.answers.put("LIST VAR", "\u202egnp.exe\033]0;a title\007 " + "y ".repeat(1500));
        view = await(seen -> seen.detail() != null && seen.detail().contains("no answer"));
        assertThat(view.detail())
                .contains("no answer of a NUT server: ?gnp.exe?]0;a title? y y")
                .hasSizeLessThan(300);
    }

    @Test
    void ofTheAddressesThatANameHasOneAtWhichNobodyListensIsPassedOver() throws IOException {
        InetAddress nobodys = InetAddress.getByAddress(new byte[] {127, 0, 0, 2});
        InetAddress[] both = {nobodys, InetAddress.getLoopbackAddress()};
        try (NutConnection connection = NutConnection.open(both, upsd.port(), Duration.ofSeconds(60))) {
            assertThat(connection.variables("ups")).containsEntry("ups.status", "OL");
        }
        assertThatThrownBy(() ->
                        NutConnection.open(new InetAddress[] {nobodys, nobodys}, upsd.port(), Duration.ofSeconds(60)))
                .isInstanceOf(ConnectException.class);
        watch = UpsWatch.start(upsd.address(), UpsCredentials.NONE, judge, Clock.SYSTEM, this::news);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "ERR DATA-STALE",
                "ERR DRIVER-NOT-CONNECTED",
                "ERR UNKNOWN-UPS",
                "ERR",
                "ERR SOMETHING-NEW",
                "BEGIN LIST VAR other",
                "VAR ups x \"1\"",
                "220 mail.example ESMTP",
                "BEGIN LIST VAR ups\nVAR ups ups.status \"OL",
                "BEGIN LIST VAR ups\nVAR ups ups.status",
                ""
            })
    void whatIsNoReadingLeavesTheStateUnknownAndSaysWhy(String answer) throws InterruptedException {
        clock = new HurriedClock(5); // not to live through each pause before the next attempt
        upsd.answers.put("LIST VAR", answer);
        start(UpsCredentials.NONE);
        PowerView view = await(seen -> seen.detail() != null && seen.detail().startsWith("not heard: "));
        assertThat(view.state()).isEqualTo(PowerState.UNKNOWN);
        upsd.answers.clear();
        await(seen -> seen.state() == PowerState.ONLINE);
    }

    @Test
    void aLineWithoutEndIsGivenUp() throws InterruptedException {
        upsd.answers.put("LIST VAR", "x".repeat(5000));
        start(UpsCredentials.NONE);
        PowerView view = await(seen -> seen.detail() != null && seen.detail().startsWith("not heard: "));
        assertThat(view.detail()).contains("a line of more than 4096 bytes");
    }

    @Test
    void whenEverythingIsSavedAnAnnouncedShutdownNeedNotWaitForUs() throws InterruptedException {
        start(JANE);
        await(view -> view.state() == PowerState.ONLINE);
        watch.noteSaved(true); // of before it was announced
        upsd.variables.put("ups.status", "FSD OB LB");
        await(view -> view.state() == PowerState.LOW_BATTERY);
        awaitReadings(1); // whoever sees the view may be faster than the watch, which has not gone on yet
        watch.noteSaved(true); // may have been found before
        awaitReadings(2);
        assertThat(Collections.frequency(upsd.asked, "STARTTLS")).isEqualTo(1);
        watch.noteSaved(true);
        // A connection without a login follows: the last request of each is what tells.
        while (!endsWithoutLogin()) {
            Thread.sleep(5);
        }
        // What is written meanwhile is saved as it is written: no reason to be waited for again.
        watch.noteSaved(false);
        awaitReadings(2);
        assertThat(endsWithoutLogin()).isTrue();
        // It was called off.
        upsd.variables.put("ups.status", "OL");
        while (endsWithoutLogin()) {
            Thread.sleep(5);
        }
    }

    private void awaitReadings(int count) throws InterruptedException {
        int before = Collections.frequency(upsd.asked, "LIST VAR ups");
        while (Collections.frequency(upsd.asked, "LIST VAR ups") < before + count) {
            Thread.sleep(5);
        }
    }

    private boolean endsWithoutLogin() {
        List<String> asked = List.copyOf(upsd.asked); // a part of a list that grows is none any more
        int last = asked.lastIndexOf("STARTTLS");
        List<String> newest = asked.subList(Math.max(0, last), asked.size());
        return asked.indexOf("STARTTLS") < last && newest.contains("LIST VAR ups") && !newest.contains("LOGIN ups");
    }

    @Test
    void itEndsWhileTheServerHangs() throws InterruptedException {
        upsd.isHung = true;
        start(UpsCredentials.NONE);
        while (upsd.asked.isEmpty()) {
            Thread.onSpinWait();
        }
        watch.close(); // and the thread is gone, or stop() would find the test's time over
        watch.join();
    }
}
