package ramback.control;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import ramback.attach.Via;
import ramback.device.Mode;
import ramback.engine.DeviceMap;
import ramback.engine.Refusal;
import ramback.engine.SampleMap;
import ramback.engine.VerifyReport;
import ramback.power.PowerEvent;
import ramback.traffic.RequestKind;
import ramback.traffic.RequestLatencies;
import ramback.traffic.SampleLatencies;

/** Both ends of the control socket, with a device that only notes what it is asked. */
class ControlServerTest {

    @TempDir
    Path directory;

    private RunDirectory runDirectory;
    private ControlServer server;
    private ControlClient client;
    private final NotingDevice device = new NotingDevice();

    @BeforeEach
    void start() throws Exception {
        runDirectory = new RunDirectory(directory.resolve("run"));
        runDirectory.make();
        RunDirectory.makePrivate(runDirectory.of("disk"));
        server = ControlServer.start(runDirectory.controlSocket("disk"), device, new Dashboard(device, new EventLog()));
        client = new ControlClient(runDirectory, "disk");
    }

    @AfterEach
    void stop() {
        device.flushMayEnd.countDown();
        device.mayStop.countDown();
        server.close();
    }

    @Test
    void theSocketIsItsOwnersAlone() throws IOException {
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(runDirectory.controlSocket("disk"))))
                .isEqualTo("rw-------");
    }

    @Test
    void theStatusArrivesAsItWasSent() throws Refusal {
        assertThat(client.status()).isEqualTo(SampleStatus.loading());
        assertThat(client.statusJson()).isEqualTo(StatusJson.write(SampleStatus.loading()));
    }

    @Test
    void metricsAreServedBesideTheStatus() throws IOException {
        try (HttpConnection connection =
                HttpConnection.open(runDirectory.controlSocket("disk"), Duration.ofSeconds(30))) {
            HttpReply reply = connection.exchange("GET", "/metrics", new byte[0]);
            assertThat(reply.status()).isEqualTo(200);
            assertThat(reply.body())
                    .contains("# TYPE ramback_light gauge\n")
                    .contains("ramback_request_duration_seconds_count{device=\"disk\",kind=\"read\"} 900\n");
        }
    }

    @Test
    void everyCommandReachesTheDevice() throws Refusal {
        device.flushMayEnd.countDown();
        device.mayStop.countDown();
        client.switchMode("unsafe");
        client.switchMode("auto");
        client.tellPower(PowerEvent.ON_BATTERY);
        client.flush();
        client.trace(true);
        client.trace(false);
        assertThat(client.dumpTrace(Path.of("/x/ä \"q\""))).isEqualTo(42);
        assertThat(client.snapshot(Path.of("/x/ß"))).isEqualTo(4096);
        assertThat(client.verify(VerifyReport.Repair.IMAGE, 5_000_000_000L)).isEqualTo(NotingDevice.FOUND);
        assertThat(client.attach(Via.NBD, 4, "mnt:[4026531841]")).isEqualTo(Path.of("/dev/nbd0"));
        assertThat(client.detach()).isTrue();
        assertThat(client.down(true)).isNull();
        assertThat(client.handOver("/opt/ramback", 7))
                .isEqualTo(ProcessHandle.current().pid());
        assertThat(device.asked)
                .containsExactly(
                        "mode UNSAFE",
                        "auto",
                        "power on-battery",
                        "flush",
                        "trace true",
                        "trace false",
                        "dump /x/ä \"q\"",
                        "snapshot /x/ß",
                        "verify IMAGE 5000000000",
                        "attach NBD over 4 in mnt:[4026531841]",
                        "detach",
                        "Stop[keepsMemory=true]",
                        "HandOver[launcher=/opt/ramback, layoutVersion=7]");
    }

    @Test
    void whoAskedForTheStopHearsOfItBeforeTheSocketCloses() throws Exception {
        device.left = "its image is elsewhere";
        CompletableFuture<String> answer = CompletableFuture.supplyAsync(() -> {
            try {
                return client.down(false);
            } catch (Refusal e) {
                throw new AssertionError(e);
            }
        });
        device.stopAsked.await();
        Thread closing = Thread.ofVirtual().start(server::close);
        assertThat(answer).isNotDone();
        device.mayStop.countDown();
        assertThat(answer.get()).isEqualTo("its image is elsewhere");
        closing.join();
        assertThatThrownBy(() -> client.down(false)).isInstanceOf(Refusal.class);
    }

    @Test
    void aDaemonThatAnswersNothingIsNotAskedToStop() {
        device.statusMayBeTold = new CountDownLatch(1);
        try {
            assertThatThrownBy(() -> new ControlClient(runDirectory, "disk", Duration.ofMillis(100)).down(false))
                    .hasMessageContaining("does not answer");
            assertThat(device.asked).isEmpty();
        } finally {
            device.statusMayBeTold.countDown();
        }
    }

    @Test
    void theStatusIsAnsweredWhileAFlushWaits() throws Exception {
        Thread flush = Thread.ofVirtual().start(() -> {
            try {
                client.flush();
            } catch (Refusal e) {
                throw new AssertionError(e);
            }
        });
        device.flushBegan.await();
        assertThat(client.status()).isNotNull();
        assertThat(flush.isAlive()).isTrue();
        device.flushMayEnd.countDown();
        flush.join();
    }

    @ParameterizedTest
    @EnumSource(Refusal.Kind.class)
    void aRefusalKeepsItsKindAndItsWords(Refusal.Kind kind) {
        device.refusal = new Refusal(kind, "no: 5 \"of\" 4; do\tthis");
        assertThatThrownBy(client::status)
                .isInstanceOf(Refusal.class)
                .hasMessage("no: 5 \"of\" 4; do\tthis")
                .extracting(e -> ((Refusal) e).kind())
                .isEqualTo(kind);
    }

    @Test
    void aModeThatDoesNotExistIsRefusedByTheDaemonToo() {
        assertThatThrownBy(() -> client.switchMode("fast"))
                .hasMessageStartingWith("bad mode 'fast'; use one of writethrough, ")
                .hasMessageEndingWith(", auto");
        assertThat(device.asked).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "x",
                "{}",
                "[]",
                "{\"on\":1}",
                "{\"dump\":\"relative\"}",
                "{\"dump\":\"\"}",
                "{\"on\":\"true\"}"
            })
    void aMalformedRequestIsRefusedAndDoesNothing(String body) throws IOException {
        HttpReply reply = send("POST", "/trace", body);
        assertThat(reply.status()).isEqualTo(400);
        assertThat(Problem.read(400, reply.body()).kind()).isEqualTo(Refusal.Kind.USAGE);
        assertThat(device.asked).isEmpty();
    }

    @Test
    void aBodyBeyondTheLimitIsRefused() throws IOException {
        String tooLong = "{\"mode\":\"" + "x".repeat(33 << 10) + "\"}";
        try {
            assertThat(send("POST", "/mode", tooLong).status()).isGreaterThanOrEqualTo(400);
        } catch (EOFException e) {
            // The server closed while we were still sending: as good a refusal.
        }
        assertThat(device.asked).isEmpty();
    }

    @ParameterizedTest
    @CsvSource({"GET,/index.html", "GET,/flush", "POST,/status", "POST,/nothing", "DELETE,/mode"})
    void whatIsNotThereIsNotAnswered(String method, String path) throws IOException {
        assertThat(send(method, path, "").status()).isIn(404, 405);
        assertThat(device.asked).isEmpty();
    }

    @Test
    void anInternalErrorIsLoggedWithItsTraceAndAnsweredAsAFailure() throws IOException {
        PrintStream before = System.err;
        ByteArrayOutputStream printed = new ByteArrayOutputStream();
        System.setErr(new PrintStream(printed, true, UTF_8));
        try {
            device.error = new IllegalStateException("planted");
            assertThat(send("GET", "/status", "").status()).isEqualTo(500);
        } finally {
            System.setErr(before);
        }
        assertThat(printed.toString(UTF_8))
                .startsWith(
                        "ramback: warning: control: /status ended by an internal error (java.lang.IllegalStateException: planted)")
                .contains("\tat " + ControlServerTest.class.getName());
    }

    @Test
    void thePageIsServedHereTooAndAsksForNoToken() throws IOException {
        assertThat(send("GET", "/", "").body()).contains("<title>Ramback</title>");
        assertThat(send("GET", "/map?cells=5", "").body()).contains("\"cells\":5");
        device.flushMayEnd.countDown();
        assertThat(send("POST", "/flush", "").status()).isEqualTo(200);
    }

    private HttpReply send(String method, String path, String body) throws IOException {
        try (HttpConnection connection =
                HttpConnection.open(runDirectory.controlSocket("disk"), Duration.ofSeconds(60))) {
            return connection.exchange(method, path, body.getBytes(UTF_8));
        }
    }

    @Test
    void aDaemonThatIsGoneIsSaidToBe() throws IOException {
        server.close();
        assertThatThrownBy(client::status)
                .hasMessageContaining("is gone")
                .hasMessageContaining("ramback up")
                .extracting(e -> ((Refusal) e).kind())
                .isEqualTo(Refusal.Kind.NO_DEVICE);
    }

    @Test
    void aSocketNobodyListensOnMeansADaemonThatIsGone() throws IOException {
        Files.writeString(runDirectory.pidFile("disk"), "4194305\n"); // beyond the greatest pid
        server.close();
        try (var dead = java.nio.channels.ServerSocketChannel.open(java.net.StandardProtocolFamily.UNIX)) {
            dead.bind(java.net.UnixDomainSocketAddress.of(runDirectory.controlSocket("disk")));
        }
        assertThatThrownBy(client::status).hasMessageContaining("the daemon of disk (pid 4194305) is gone");
    }

    @Test
    void aDeviceThatNeverWasIsNotFound() {
        assertThatThrownBy(new ControlClient(runDirectory, "other")::status)
                .hasMessageStartingWith("no device named other")
                .extracting(e -> ((Refusal) e).kind())
                .isEqualTo(Refusal.Kind.NO_DEVICE);
    }

    @Test
    void aSocketPathTooLongToConnectToIsRefusedWithTheLimit() {
        RunDirectory deep = new RunDirectory(directory.resolve("d".repeat(200)));
        assertThatThrownBy(new ControlClient(deep, "disk")::status).hasMessageContaining("limit 107");
    }

    @Test
    void anAnswerOfAnotherProgramIsNotTakenForARefusal() {
        assertThat(Problem.read(502, "<html>"))
                .hasMessageContaining("HTTP status 502")
                .extracting(Refusal::kind)
                .isEqualTo(Refusal.Kind.FAILED);
        assertThat(Problem.read(500, "{\"error\":{\"kind\":\"later\",\"message\":\"m\"}}"))
                .hasMessage("m");
    }

    private static final class NotingDevice implements DeviceControl {
        static final VerifyReport FOUND = new VerifyReport(
                1,
                2,
                3,
                4,
                "a \"b\"",
                5,
                6,
                List.of(new VerifyReport.Range(7, 8), new VerifyReport.Range(1L << 40, 9)),
                10);

        @Override
        public RequestLatencies latencies() {
            return new SampleLatencies().with(RequestKind.READ, 4_000, 900).counts();
        }

        final List<String> asked = new ArrayList<>();
        final CountDownLatch flushBegan = new CountDownLatch(1);
        final CountDownLatch flushMayEnd = new CountDownLatch(1);
        final CountDownLatch stopAsked = new CountDownLatch(1);
        final CountDownLatch mayStop = new CountDownLatch(1);
        volatile String left;
        volatile Refusal refusal;
        volatile RuntimeException error;
        volatile CountDownLatch statusMayBeTold = new CountDownLatch(0);

        private synchronized void note(String what) {
            asked.add(what);
        }

        @Override
        public StatusReport status() throws Refusal {
            try {
                statusMayBeTold.await();
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
            if (refusal != null) {
                throw refusal;
            }
            if (error != null) {
                throw error;
            }
            return SampleStatus.loading();
        }

        @Override
        public DeviceMap map(int cellCountMax) {
            return SampleMap.of(cellCountMax, 3);
        }

        @Override
        public void switchMode(Mode mode) {
            note("mode " + mode);
        }

        @Override
        public void switchModeToAuto() {
            note("auto");
        }

        @Override
        public void flush() throws InterruptedException {
            flushBegan.countDown();
            flushMayEnd.await();
            note("flush");
        }

        @Override
        public void tellPower(PowerEvent event) {
            note("power " + event.word());
        }

        @Override
        public void trace(boolean on) {
            note("trace " + on);
        }

        @Override
        public long snapshot(Path file) {
            note("snapshot " + file);
            return 4096;
        }

        @Override
        public long dumpTrace(Path file) {
            note("dump " + file);
            return 42;
        }

        @Override
        public VerifyReport verify(VerifyReport.Repair repair, long bytesPerSecond) {
            asked.add("verify " + repair + " " + bytesPerSecond);
            return FOUND;
        }

        @Override
        public Path attach(Via via, int connectionCount, String mountNamespace) {
            asked.add("attach " + via + " over " + connectionCount + " in " + mountNamespace);
            return Path.of("/dev/nbd0");
        }

        @Override
        public boolean detach() {
            asked.add("detach");
            return true;
        }

        @Override
        public void end(Ending ending) {
            note(ending.toString());
        }

        @Override
        public String awaitStop() throws InterruptedException {
            stopAsked.countDown();
            mayStop.await();
            return left;
        }
    }
}
