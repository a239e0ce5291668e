package ramback.control;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.helidon.webserver.WebServer;
import io.helidon.webserver.WebServerConfig;
import io.helidon.webserver.http.HttpRouting;
import io.helidon.webserver.http.ServerRequest;
import io.helidon.webserver.http.ServerResponse;
import java.io.IOException;
import java.io.InputStream;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.net.ServerSocket;
import java.net.UnixDomainSocketAddress;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import ramback.attach.Attachments;
import ramback.attach.Via;
import ramback.engine.Refusal;
import ramback.engine.VerifyReport;
import ramback.power.PowerEvent;

/**
 * HTTP on the control socket, a virtual thread a connection. The socket lies in a directory that only its owner enters,
 * which is who may do everything here. And HTTP on TCP, with less of it: what is marked with a star, and only with the token where it
 * changes something ({@link RequestGuard}).
 *
 * <pre>
 * GET  / and what belongs to it *    the page (Dashboard)
 * GET  /status *                     the status (StatusJson)
 * GET  /map?cells=N *                all chunks in at most N cells (MapCode)
 * GET  /events *                     what happens, as it happens (Dashboard)
 * GET  /metrics *                    for Prometheus (MetricsPage)
 * POST /mode * {"mode": WORD}        writethrough, writeback, checkpoint, unsafe, auto
 * POST /power  {"event": WORD}       on-line, on-battery, low: what a power management script says
 * POST /flush *                      answers when everything that was dirty is durable in the image
 * POST /trace  {"on": BOOLEAN}
 * POST /trace  {"dump": FILE}        FILE absolute and new; answers {"events": N}, bytes if it is FILE.jfr
 * POST /snapshot * {"file": FILE}    FILE absolute and new; answers {"writtenBytes": N} when it is durable
 * POST /verify {"repair": SIDE, "bytesPerSecond": N}  SIDE none, ram or image; answers what was found when that is done
 * POST /attach {"via": WAY, "connections": N, "mountNamespace": TEXT}   ublk, nbd, fuse; answers {"path": FILE}: the block device, or the file
 * POST /detach                       takes it away from the kernel, after it was unmounted and released; answers
 *                                    {"wasAttached": BOOLEAN}
 * POST /down   {"keepRam": BOOLEAN}  a clean stop; answers {"pid": N, "left": TEXT} when the device has stopped, TEXT being
 *                                    what that leaves for the operator to do, or null
 * POST /handover {"launcher": PROGRAM, "layout": N}   the process goes on as that program; answers {"pid": N} at once
 * </pre>
 *
 * What is refused is answered as {@link Problem} says.
 */
final class ControlServer implements AutoCloseable {

    /** The longest request body, in bytes: a path of 4,096 bytes in JSON, all of it escaped. */
    private static final int BODY_BYTES_MAX = 32 << 10;

    private static final int CONNECTION_COUNT_MAX = 64;
    /** Of TCP: one that does not read is soon known for it, and the kernel keeps no megabytes for it. */
    private static final int SEND_BUFFER_BYTES = 64 << 10;

    private static final Duration IDLE_TIMEOUT = Duration.ofMinutes(1);
    private static final Duration SHUTDOWN_GRACE = Duration.ofMillis(200);
    /** How long the end waits for who asked for it to be answered. */
    private static final int LAST_ANSWER_SECONDS_MAX = 10;

    private static final String OK = "{}\n";

    private static final Logger LOG = System.getLogger(ControlServer.class.getName());

    private final DeviceControl device;
    private final WebServer server;
    /** One is taken by each request for a stop until it has been answered. */
    private final Semaphore answered = new Semaphore(CONNECTION_COUNT_MAX);

    private ControlServer(
            WebServerConfig.Builder listener, DeviceControl device, Dashboard dashboard, RequestGuard guard) {
        this.device = device;
        this.server = listener.shutdownHook(false)
                .shutdownGracePeriod(SHUTDOWN_GRACE)
                .maxPayloadSize(BODY_BYTES_MAX)
                .maxTcpConnections(CONNECTION_COUNT_MAX)
                .idleConnectionTimeout(IDLE_TIMEOUT)
                .routing((HttpRouting.Builder routing) -> {
                    routing.addFilter(guard::filter);
                    dashboard.route(routing, guard.asksForToken());
                    routeForAll(routing, dashboard);
                    if (!guard.asksForToken()) {
                        routeForOwner(routing);
                    }
                })
                .build();
    }

    private void routeForAll(HttpRouting.Builder routing, Dashboard dashboard) {
        routing.get("/status", answer(this::status))
                .get("/metrics", new MetricsPage(device))
                .get("/map", answer(dashboard::map))
                .post("/mode", answer(this::mode))
                .post("/flush", answer(this::flush))
                .post("/snapshot", answer(this::snapshot));
    }

    private void routeForOwner(HttpRouting.Builder routing) {
        routing.post("/power", answer(this::power))
                .post("/trace", answer(this::trace))
                .post("/verify", answer(this::verify))
                .post("/attach", answer(this::attach))
                .post("/detach", answer(this::detach))
                .post("/down", this::down)
                .post("/handover", answer(this::handOver));
    }

    /**
     * Starts to listen on a Unix socket in a private directory; the file must not exist, and is its owner's alone.
     *
     * @throws IOException when the socket can't be made
     */
    static ControlServer start(Path socket, DeviceControl device, Dashboard dashboard) throws IOException {
        ControlServer control = new ControlServer(
                WebServer.builder().bindAddress(UnixDomainSocketAddress.of(socket)),
                device,
                dashboard,
                RequestGuard.ofUnixSocket());
        try {
            control.server.start();
            Files.setPosixFilePermissions(socket, PosixFilePermissions.fromString("rw-------"));
            return control;
        } catch (RuntimeException e) {
            throw new IOException(e.getMessage(), e);
        }
    }

    /**
     * Starts to listen on TCP.
     *
     * @throws IOException when the address can't be listened on; with why
     */
    static ControlServer startHttp(HttpAddress address, HttpToken token, DeviceControl device, Dashboard dashboard)
            throws IOException {
        // The HTTP server would say in its own words, and in several lines, that it can't have the address.
        try (ServerSocket probe = new ServerSocket()) {
            probe.setReuseAddress(true);
            probe.bind(address.address());
        }
        ControlServer control = new ControlServer(
                WebServer.builder()
                        .bindAddress(address.address())
                        // An answer leaves in two pieces, head and body: the second would wait 40 ms for a client's
                        // late ACK.
                        .connectionOptions(options ->
                                options.socketSendBufferSize(SEND_BUFFER_BYTES).tcpNoDelay(true)),
                device,
                dashboard,
                RequestGuard.ofTcp(address, token));
        try {
            control.server.start();
            if (!control.server.isRunning()) {
                throw new IOException("the HTTP server did not start; see its messages");
            }
            return control;
        } catch (RuntimeException e) {
            Throwable cause = e;
            while (cause.getCause() != null) {
                cause = cause.getCause();
            }
            throw new IOException(Objects.requireNonNullElse(cause.getMessage(), cause.toString()), e);
        }
    }

    /** The port that was taken on TCP. */
    int port() {
        return server.port();
    }

    /** Takes no more requests; first, whoever asked for the stop hears of it. */
    @Override
    public void close() {
        boolean allAnswered = false;
        try {
            allAnswered = answered.tryAcquire(CONNECTION_COUNT_MAX, LAST_ANSWER_SECONDS_MAX, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        if (!allAnswered) {
            LOG.log(Level.WARNING, "not everybody who asked for the stop could be told of it");
        }
        server.stop();
    }

    /** A request's work: from its body to the answer's. */
    private interface Work {
        String of(ServerRequest request) throws Refusal, IOException, InterruptedException;
    }

    private static io.helidon.webserver.http.Handler answer(Work work) {
        return (request, response) -> {
            String answer;
            try {
                answer = work.of(request);
            } catch (Refusal refusal) {
                send(response, Problem.httpStatus(refusal.kind()), Problem.write(refusal));
                return;
            } catch (RuntimeException | Error e) {
                LOG.log(Level.WARNING, "control: " + request.path().path() + " ended by an internal error", e);
                throw e;
            }
            send(response, 200, answer);
        };
    }

    private static void send(ServerResponse response, int status, String body) {
        response.status(status);
        response.header("Content-Type", "application/json");
        response.send(body.getBytes(UTF_8));
    }

    private String status(ServerRequest request) throws Refusal {
        return StatusJson.write(device.status());
    }

    private String mode(ServerRequest request) throws Refusal, IOException, InterruptedException {
        if (!(body(request).get("mode") instanceof String word)) {
            throw malformed("\"mode\" is missing");
        }
        if (word.equals(ModeWords.AUTO)) {
            device.switchModeToAuto();
        } else {
            device.switchMode(ModeWords.parse(word, true));
        }
        return OK;
    }

    private String power(ServerRequest request) throws Refusal, IOException {
        Object word = body(request).get("event");
        for (PowerEvent event : PowerEvent.values()) {
            if (event.word().equals(word)) {
                device.tellPower(event);
                return OK;
            }
        }
        throw malformed("\"event\" is none of on-line, on-battery, low");
    }

    private String flush(ServerRequest request) throws Refusal, InterruptedException {
        device.flush();
        return OK;
    }

    private String trace(ServerRequest request) throws Refusal, IOException {
        Map<String, @Nullable Object> body = body(request);
        if (body.get("on") instanceof Boolean on) {
            device.trace(on);
            return OK;
        }
        if (body.get("dump") instanceof String file && file.startsWith("/")) {
            long eventCount = device.dumpTrace(Path.of(file));
            return Json.write(json -> {
                json.writeStartObject();
                json.writeNumberField("events", eventCount);
                json.writeEndObject();
            });
        }
        throw malformed("neither \"on\" nor \"dump\" with an absolute path");
    }

    private String snapshot(ServerRequest request) throws Refusal, IOException, InterruptedException {
        if (!(body(request).get("file") instanceof String text) || !text.startsWith("/")) {
            throw malformed("\"file\" is not an absolute path");
        }
        Path file;
        try {
            file = Path.of(text).normalize();
        } catch (InvalidPathException e) {
            throw malformed("\"file\" is not a path");
        }
        long writtenBytes = device.snapshot(file);
        return Json.write(json -> {
            json.writeStartObject();
            json.writeNumberField("writtenBytes", writtenBytes);
            json.writeEndObject();
        });
    }

    private String verify(ServerRequest request) throws Refusal, IOException, InterruptedException {
        Map<String, @Nullable Object> body = body(request);
        VerifyReport.Repair repair = repair(body.get("repair") instanceof String side ? side : "");
        if (!(body.get("bytesPerSecond") instanceof Number rate) || rate.longValue() <= 0) {
            throw malformed("\"bytesPerSecond\" is not more than 0");
        }
        return VerifyJson.write(device.verify(repair, rate.longValue()));
    }

    private static VerifyReport.Repair repair(String side) throws Refusal {
        return switch (side) {
            case "none" -> VerifyReport.Repair.NONE;
            case "ram" -> VerifyReport.Repair.RAM;
            case "image" -> VerifyReport.Repair.IMAGE;
            default -> throw malformed("\"repair\" is none of none, ram, image");
        };
    }

    private String attach(ServerRequest request) throws Refusal, IOException {
        Map<String, @Nullable Object> body = body(request);
        if (!(body.get("via") instanceof String word)
                || !(body.get("mountNamespace") instanceof String mountNamespace)) {
            throw malformed("\"via\" or \"mountNamespace\" is missing");
        }
        Via via = Via.ofWord(word).orElseThrow(() -> malformed("\"via\" is none of ublk, nbd, fuse"));
        Path path = device.attach(via, connections(body.getOrDefault("connections", 1)), mountNamespace);
        return Json.write(json -> {
            json.writeStartObject();
            json.writeStringField("path", path.toString());
            json.writeEndObject();
        });
    }

    private static int connections(@Nullable Object given) throws Refusal {
        if (given instanceof Number count
                && count.intValue() >= 1
                && count.intValue() <= Attachments.CONNECTION_COUNT_MAX) {
            return count.intValue();
        }
        throw malformed("\"connections\" is none of 1 to " + Attachments.CONNECTION_COUNT_MAX);
    }

    private String detach(ServerRequest request) throws Refusal {
        boolean wasAttached = device.detach();
        return Json.write(json -> {
            json.writeStartObject();
            json.writeBooleanField("wasAttached", wasAttached);
            json.writeEndObject();
        });
    }

    private void down(ServerRequest request, ServerResponse response) throws Exception {
        if (!answered.tryAcquire()) {
            answer(ignored -> {
                        throw new Refusal(Refusal.Kind.NO_DEVICE, "the device has stopped");
                    })
                    .handle(request, response);
            return;
        }
        try {
            answer(this::stop).handle(request, response);
        } finally {
            answered.release();
        }
    }

    private String stop(ServerRequest request) throws Refusal, IOException, InterruptedException {
        device.end(new Ending.Stop(Boolean.TRUE.equals(body(request).get("keepRam"))));
        String left = device.awaitStop();
        return Json.write(json -> {
            json.writeStartObject();
            json.writeNumberField("pid", ProcessHandle.current().pid());
            json.writeStringField("left", left);
            json.writeEndObject();
        });
    }

    private String handOver(ServerRequest request) throws Refusal, IOException {
        Map<String, @Nullable Object> body = body(request);
        if (!(body.get("launcher") instanceof String launcher) || !launcher.startsWith("/")) {
            throw malformed("\"launcher\" is not an absolute path");
        }
        if (!(body.get("layout") instanceof Number layout)) {
            throw malformed("\"layout\" is missing");
        }
        device.end(new Ending.HandOver(launcher, layout.intValue()));
        return pid();
    }

    private static String pid() {
        return Json.write(json -> {
            json.writeStartObject();
            json.writeNumberField("pid", ProcessHandle.current().pid());
            json.writeEndObject();
        });
    }

    private static Map<String, @Nullable Object> body(ServerRequest request) throws Refusal, IOException {
        try (InputStream stream = request.content().inputStream()) {
            byte[] bytes = read(stream);
            if (bytes.length > BODY_BYTES_MAX) {
                throw malformed("longer than " + BODY_BYTES_MAX + " bytes");
            }
            if (bytes.length == 0) {
                return Map.of();
            }
            try {
                return Json.readObject(new String(bytes, UTF_8));
            } catch (IOException e) {
                throw malformed("not a JSON object");
            }
        }
    }

    private static byte[] read(InputStream stream) throws Refusal, IOException {
        try {
            return stream.readNBytes(BODY_BYTES_MAX + 1);
        } catch (RuntimeException e) {
            // The HTTP server's word for one that is too long, and for a client that has gone.
            throw malformed("its body is longer than " + BODY_BYTES_MAX + " bytes, or did not come to its end");
        }
    }

    private static Refusal malformed(String what) {
        return new Refusal(
                Refusal.Kind.USAGE,
                "bad control request: " + what + "; is the daemon of the same version as this command?");
    }
}
