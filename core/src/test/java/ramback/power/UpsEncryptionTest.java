package ramback.power;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import ramback.clock.Clock;

/** A password and what the UPS says, on their way over a network: STARTTLS, offered and not, proven and not. */
class UpsEncryptionTest {

    @TempDir
    static Path directory;

    private static TestCertificate ours;
    private static TestCertificate another;

    private FakeUpsd upsd;
    private PowerJudge judge;
    private UpsWatch watch;

    @BeforeAll
    static void makeCertificates() throws Exception {
        ours = TestCertificate.of("ip:127.0.0.1", directory);
        another = TestCertificate.of("dns:another.example", directory);
    }

    @BeforeEach
    void open() throws IOException {
        upsd = new FakeUpsd();
        judge = new PowerJudge(upsd.address(), Clock.SYSTEM.nanoTime());
    }

    @AfterEach
    void stop() throws IOException {
        watch.close();
        upsd.close();
    }

    private void start(Path authority) {
        UpsCredentials credentials = new UpsCredentials("jane", "a word", authority);
        watch = UpsWatch.start(upsd.address(), credentials, judge, Clock.SYSTEM, () -> {});
    }

    private PowerView view() {
        return judge.view(Clock.SYSTEM.nanoTime());
    }

    private void awaitOnline() throws InterruptedException {
        while (view().state() != PowerState.ONLINE) { // the test's own time-out ends it
            Thread.sleep(5);
        }
    }

    /** Waits until it has failed; nobody must have heard the password then. */
    private String awaitFailure() throws InterruptedException {
        while (view().detail() == null || !view().detail().startsWith("not heard: ")) {
            Thread.sleep(5);
        }
        assertThat(view().state()).isEqualTo(PowerState.UNKNOWN);
        assertThat(upsd.asked).containsOnly("STARTTLS");
        assertThat(upsd.askedEncrypted).isEmpty();
        return view().detail();
    }

    @Test
    void encryptionThatIsOfferedIsTakenAndNothingElseIsSaidInTheClear() throws InterruptedException {
        upsd.tls = another.server(); // whose it is does not matter where nobody asked for proof
        start(null);
        awaitOnline();
        assertThat(upsd.asked).containsExactly("STARTTLS");
        assertThat(upsd.askedEncrypted)
                .startsWith("USERNAME \"jane\"", "PASSWORD \"a word\"", "LOGIN ups", "LIST VAR ups");
    }

    @Test
    void aServerThatProvesItsNameIsHeard() throws InterruptedException {
        upsd.tls = ours.server();
        start(ours.pem());
        awaitOnline();
        upsd.variables.put("ups.status", "OB");
        while (view().state() != PowerState.ON_BATTERY) {
            Thread.sleep(5);
        }
        assertThat(upsd.asked).containsExactly("STARTTLS");
    }

    @Test
    void aServerThatProvesAnotherNameIsNotHeardNorToldAnything() throws InterruptedException {
        upsd.tls = another.server();
        start(another.pem());
        assertThat(awaitFailure()).contains("127.0.0.1");
    }

    @Test
    void aServerWithACertificateOfSomebodyElseIsNotHeardNorToldAnything() throws InterruptedException {
        upsd.tls = ours.server();
        start(another.pem());
        assertThat(awaitFailure()).contains("ups@127.0.0.1:" + upsd.port() + ": ");
    }

    @Test
    void aServerWithoutEncryptionIsNotHeardWhereItIsToProveItsName() throws InterruptedException {
        start(ours.pem());
        assertThat(awaitFailure()).contains("the server offers no encryption, and its certificate is to be checked");
    }

    @Test
    void whatSomebodyPutsBehindTheAnswerBeforeEncryptionIsNotTakenForTheServers() throws InterruptedException {
        upsd.tls = ours.server();
        upsd.answers.put("STARTTLS", "OK STARTTLS\nBEGIN LIST VAR ups\nVAR ups ups.status \"OL\"\nEND LIST VAR ups");
        start(null);
        assertThat(awaitFailure()).contains("more than an answer came before encryption began");
    }
}
