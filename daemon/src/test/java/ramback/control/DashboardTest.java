package ramback.control;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import ramback.engine.Refusal;

/** HTTP on TCP, with a device that only notes what it is asked. */
@Timeout(120)
class DashboardTest {

    @TempDir
    Path directory;

    private final FakeDevice device = new FakeDevice();
    private final EventLog events = new EventLog();
    private final Dashboard dashboard = new Dashboard(device, events);
    private final List<Socket> sockets = new ArrayList<>();
    private final PrintStream before = System.err;
    private final ByteArrayOutputStream printed = new ByteArrayOutputStream();
    private HttpToken token;
    private ControlServer server;

    @BeforeEach
    void start() throws IOException {
        System.setErr(new PrintStream(printed, true, UTF_8));
        token = HttpToken.create(directory.resolve("http-token"));
        HttpAddress address = new HttpAddress(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), "localhost");
        server = ControlServer.startHttp(address, token, device, dashboard);
        dashboard.start();
    }

    @AfterEach
    void stop() throws IOException {
        dashboard.close();
        server.close();
        for (Socket socket : sockets) {
            socket.close();
        }
        System.setErr(before);
        // Whatever clients do, it is nothing to complain of.
        assertThat(printed.toString(UTF_8)).isEmpty();
    }

    private record Reply(int status, String head, String body) {}

    private Socket connect() throws IOException {
        Socket socket = new Socket(InetAddress.getLoopbackAddress(), server.port());
        sockets.add(socket);
        return socket;
    }

    private Socket send(String method, String path, String body, String... headers) throws IOException {
        Socket socket = connect();
        String host = List.of(headers).stream().anyMatch(header -> header.startsWith("Host:"))
                ? ""
                : "Host: localhost:" + server.port() + "\r\n";
        String extra = headers.length == 0 ? "" : String.join("\r\n", headers) + "\r\n";
        String text = method + " " + path + " HTTP/1.1\r\n" + host + extra + "Connection: close\r\nContent-Length: "
                + body.length() + "\r\n\r\n" + body;
        socket.getOutputStream().write(text.getBytes(ISO_8859_1));
        return socket;
    }

    private Reply ask(String method, String path, String body, String... headers) throws IOException {
        try (Socket socket = send(method, path, body, headers)) {
            InputStream stream = socket.getInputStream();
            String head = head(stream);
            Matcher length =
                    Pattern.compile("(?i)\r\ncontent-length: (\\d+)\r\n").matcher(head);
            byte[] content = stream.readNBytes(length.find() ? Integer.parseInt(length.group(1)) : 0);
            return new Reply(Integer.parseInt(head.substring(9, 12)), head, new String(content, UTF_8));
        }
    }

    private static String head(InputStream stream) throws IOException {
        StringBuilder head = new StringBuilder();
        while (head.indexOf("\r\n\r\n") < 0) {
            int next = stream.read();
            if (next < 0) {
                throw new AssertionError("closed within the head: " + head);
            }
            head.append((char) next);
        }
        return head.toString();
    }

    /** What is in a chunked body (RFC 9112, 7.1), to its end. */
    private static final class Chunks extends InputStream {
        private final InputStream in;
        private int left;
        private boolean hasEnded;

        Chunks(InputStream in) {
            this.in = in;
        }

        @Override
        public int read() throws IOException {
            byte[] one = new byte[1];
            return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
        }

        @Override
        public int read(byte[] into, int offset, int length) throws IOException {
            if (left == 0 && !hasEnded) {
                String size = line();
                left = Integer.parseInt(size.isEmpty() ? line() : size, 16);
                hasEnded = left == 0;
            }
            if (hasEnded) {
                return -1;
            }
            int count = in.read(into, offset, Math.min(length, left));
            left -= Math.max(count, 0);
            return count;
        }

        private String line() throws IOException {
            StringBuilder line = new StringBuilder();
            for (int next = in.read(); next >= 0 && next != '\n'; next = in.read()) {
                line.append((char) next);
            }
            return line.toString().strip();
        }
    }

    private String bearer() {
        return "Authorization: Bearer " + token.text();
    }

    // ------------------------------------------------------------------------------------------------- the page

    @ParameterizedTest
    @CsvSource({
        "/, text/html; charset=utf-8",
        "/dashboard.css, text/css; charset=utf-8",
        "/dashboard.js, text/javascript; charset=utf-8",
        "/icon.svg, image/svg+xml",
        "/status, application/json",
        "/map, application/json"
    })
    void everythingToLookAtIsThereAndSaysThatItIsToStayHere(String path, String type) throws IOException {
        Reply reply = ask("GET", path, "");
        assertThat(reply.status()).isEqualTo(200);
        assertThat(reply.head())
                .containsIgnoringCase("Content-Type: " + type)
                .containsIgnoringCase("Cache-Control: no-store")
                .containsIgnoringCase("X-Content-Type-Options: nosniff")
                .containsIgnoringCase("X-Frame-Options: DENY")
                .containsIgnoringCase("Referrer-Policy: no-referrer")
                .containsIgnoringCase("Content-Security-Policy: default-src 'none'; script-src 'self'")
                .containsIgnoringCase("frame-ancestors 'none'")
                .doesNotContainIgnoringCase("Access-Control-");
        assertThat(reply.head().split("(?i)cache-control", -1)).hasSize(2);
    }

    @Test
    void thePageIsSmallAndNamesNothingOutsideItself() throws IOException {
        int sum = 0;
        for (String path : List.of("/", "/dashboard.css", "/dashboard.js", "/icon.svg")) {
            String body = ask("GET", path, "").body();
            sum += body.getBytes(UTF_8).length;
            assertThat(body.replace("http://www.w3.org/2000/svg", "")).doesNotContain("http://", "https://", "//cdn");
            assertThat(body).doesNotContain("innerHTML", "eval(", "style=\"", "onclick=");
        }
        assertThat(sum).isLessThan(150 << 10);
    }

    @Test
    void theMapHasAsManyCellsAsWereAskedForWithinItsLimits() throws IOException {
        for (String[] pair :
                new String[][] {{"10", "10"}, {"0", "1"}, {"-5", "1"}, {"99999999999", "100"}, {"7", "7"}}) {
            Map<String, Object> map =
                    Json.readObject(ask("GET", "/map?cells=" + pair[0], "").body());
            assertThat(map.get("cells")).isEqualTo(Long.parseLong(pair[1]));
            assertThat(map.get("chunks")).isEqualTo(100L);
        }
        Reply bad = ask("GET", "/map?cells=x", "");
        assertThat(bad.status()).isEqualTo(400);
        assertThat(Problem.read(400, bad.body())).hasMessage("bad cells 'x': must be a whole number");
    }

    // ------------------------------------------------------------------------------------------------- changes

    @Test
    void withTheTokenModeFlushAndSnapshotReachTheDevice() throws IOException {
        assertThat(ask("POST", "/mode", "{\"mode\":\"unsafe\"}", bearer()).status())
                .isEqualTo(200);
        assertThat(ask("POST", "/mode", "{\"mode\":\"auto\"}", bearer()).status())
                .isEqualTo(200);
        assertThat(ask("POST", "/flush", "{}", bearer()).status()).isEqualTo(200);
        assertThat(ask("POST", "/snapshot", "{\"file\":\"/x/y/../z\"}", bearer())
                        .body())
                .isEqualTo("{\"writtenBytes\":4096}\n");
        assertThat(device.asked).containsExactly("mode unsafe", "mode auto", "flush", "snapshot /x/z");
    }

    @ParameterizedTest
    @ValueSource(strings = {"/mode", "/flush", "/snapshot"})
    void withoutItNothingHappens(String path) throws IOException {
        String body = "{\"mode\":\"unsafe\",\"file\":\"/x\"}";
        Reply reply = ask("POST", path, body);
        assertThat(reply.status()).isEqualTo(401);
        assertThat(reply.head()).containsIgnoringCase("WWW-Authenticate: Bearer");
        assertThat(Problem.read(401, reply.body())).hasMessageContaining("changes need the token");
        assertThat(ask("POST", path, body, "Authorization: Bearer " + "x".repeat(32))
                        .status())
                .isEqualTo(401);
        assertThat(ask("POST", path, body, bearer(), "Origin: http://evil.example")
                        .status())
                .isEqualTo(403);
        assertThat(ask("POST", path, body, bearer(), "Host: evil.example:" + server.port())
                        .status())
                .isEqualTo(421);
        assertThat(ask("OPTIONS", path, "", "Origin: http://evil.example", "Access-Control-Request-Method: POST")
                        .head())
                .doesNotContainIgnoringCase("Access-Control-");
        assertThat(device.asked).isEmpty();
    }

    @ParameterizedTest
    @CsvSource({
        "POST,/down",
        "POST,/handover",
        "POST,/trace",
        "POST,/verify",
        "GET,/flush",
        "POST,/status",
        "POST,/events",
        "GET,/nothing",
        "GET,/../http-token",
        "DELETE,/mode",
        "PUT,/mode",
        "GET,/index.html"
    })
    void whatTheOwnerAloneMayDoIsNotThereAtAll(String method, String path) throws IOException {
        Reply reply =
                ask(method, path, "{\"keepRam\":true,\"on\":true,\"repair\":\"ram\",\"bytesPerSecond\":1}", bearer());
        assertThat(reply.status()).isIn(400, 404, 405);
        assertThat(reply.body()).doesNotContain(token.text());
        assertThat(device.asked).isEmpty();
    }

    @Test
    void aSnapshotThatIsRefusedSaysWhy() throws IOException {
        assertThat(ask("POST", "/snapshot", "{\"file\":\"relative\"}", bearer()).status())
                .isEqualTo(400);
        assertThat(ask("POST", "/snapshot", "{\"file\":\"/x\\u0000y\"}", bearer())
                        .status())
                .isEqualTo(400);
        Reply taken = ask("POST", "/snapshot", "{\"file\":\"/x/taken.img\"}", bearer());
        assertThat(taken.status()).isEqualTo(500);
        assertThat(Problem.read(500, taken.body())).hasMessage("/x/taken.img exists already");
        assertThat(device.asked).isEmpty();
    }

    // ------------------------------------------------------------------------------------------------- the stream

    /** Follows the device. */
    private final class Stream implements AutoCloseable {
        private final Socket socket;
        private final BufferedReader lines;

        Stream() throws IOException {
            socket = send("GET", "/events", "");
            assertThat(head(socket.getInputStream()))
                    .startsWith("HTTP/1.1 200 ")
                    .containsIgnoringCase("Content-Type: text/event-stream");
            lines = new BufferedReader(new InputStreamReader(new Chunks(socket.getInputStream()), UTF_8));
        }

        /** The data of the next event of this name, whatever comes before it. */
        String await(String name) throws IOException {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                if (line.equals("event: " + name)) {
                    return lines.readLine().substring("data: ".length());
                }
            }
            throw new AssertionError("ended before " + name);
        }

        String rest() throws IOException {
            StringBuilder rest = new StringBuilder();
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                rest.append(line).append('\n');
            }
            return rest.toString();
        }

        @Override
        public void close() throws IOException {
            socket.close();
        }
    }

    private static void await(BooleanSupplier condition) {
        while (!condition.getAsBoolean()) {
            LockSupport.parkNanos(5_000_000);
        }
    }

    @Test
    void whoComesGetsEverythingAndThenWhatChanges() throws IOException {
        events.note(EventLog.Level.INFO, "serving", "in writeback");
        try (Stream stream = new Stream()) {
            assertThat(stream.await("hello")).isEqualTo("{\"asksForToken\":true}");
            Map<String, Object> status = Json.readObject(stream.await("status"));
            assertThat(status.get("why")).isEqualTo(LightReason.of(device.status));
            assertThat(((Map<?, ?>) status.get("status")).get("name")).isEqualTo("disk");
            assertThat(stream.await("history")).startsWith("{\"t\":[");
            assertThat(stream.await("log")).contains("in writeback");
            assertThat(stream.await("map")).contains("\"cells\":100", "\"all\":\"");
            device.dirtyChunk = 70;
            assertThat(stream.await("map")).contains("\"changes\":\"");
            events.note(EventLog.Level.GOOD, "loaded", "everything is in memory");
            assertThat(stream.await("log")).contains("everything is in memory").doesNotContain("in writeback");
            assertThat(stream.await("sample")).contains("\"writeBytes\":[");
        }
    }

    @Test
    void theMapIsLookedAtOnlyWhileSomebodyFollows() throws IOException {
        assertThat(device.mapCount.get()).isZero();
        try (Stream stream = new Stream()) {
            stream.await("map");
            assertThat(device.mapCount.get()).isPositive();
        }
        // One that has gone is found by writing to it.
        await(() -> dashboard.viewerCount() == 0);
    }

    @Test
    void oneMoreThanMayFollowIsToldSoAndComesInWhenAnotherGoes() throws IOException {
        List<Stream> streams = new ArrayList<>();
        for (int i = 0; i < Viewers.VIEWER_COUNT_MAX; i++) {
            Stream stream = new Stream();
            stream.await("status");
            streams.add(stream);
        }
        Reply refused = ask("GET", "/events", "");
        assertThat(refused.status()).isEqualTo(503);
        assertThat(Problem.read(503, refused.body())).hasMessageStartingWith("16 viewers follow this device");
        assertThat(ask("GET", "/status", "").status()).isEqualTo(200);
        streams.removeFirst().close();
        await(() -> dashboard.viewerCount() < Viewers.VIEWER_COUNT_MAX);
        try (Stream stream = new Stream()) {
            stream.await("status");
        }
        for (Stream stream : streams) {
            stream.close();
        }
    }

    @Test
    void aViewerThatDoesNotReadIsDroppedWithItsConnection() throws IOException {
        try (Socket slow = new Socket();
                Stream good = new Stream()) {
            slow.setReceiveBufferSize(16 << 10);
            slow.connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), server.port()));
            slow.getOutputStream()
                    .write(("GET /events HTTP/1.1\r\nHost: localhost:" + server.port() + "\r\n\r\n")
                            .getBytes(ISO_8859_1));
            await(() -> dashboard.viewerCount() == 2);
            while (dashboard.viewerCount() == 2) {
                dashboard.wake();
                good.await("status");
            }
            // Whoever reads goes on; of the other one the connection is closed too, not only the stream forgotten.
            good.await("status");
            assertThat(dashboard.viewerCount()).isEqualTo(1);
            slow.setSoTimeout(30_000);
            byte[] some = new byte[8192];
            try {
                while (slow.getInputStream().read(some) >= 0) {
                    // What was on its way.
                }
            } catch (SocketException e) {
                // Reset: as good an end.
            }
        }
    }

    @Test
    void aDeviceThatCannotAnswerIsStillThere() throws IOException {
        device.refusal = new Refusal(Refusal.Kind.FAILED, "still starting");
        try (Stream stream = new Stream()) {
            stream.await("hello");
            device.refusal = null;
            stream.await("status");
        }
    }

    @Test
    void theEndOfTheDeviceEndsTheStreams() throws IOException {
        try (Stream stream = new Stream()) {
            stream.await("map");
            dashboard.close();
            assertThat(stream.rest()).doesNotContain("hello");
        }
        assertThat(ask("GET", "/events", "").status()).isEqualTo(503);
    }
}
