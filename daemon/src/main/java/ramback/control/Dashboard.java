package ramback.control;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.helidon.webserver.http.HttpRouting;
import io.helidon.webserver.http.ServerRequest;
import io.helidon.webserver.http.ServerResponse;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;
import ramback.engine.DeviceMap;
import ramback.engine.Refusal;

/**
 * The page that shows a device, and what it lives on: one sampler for all who look. Keeps as history what {@link DeviceWatch}
 * sees once a second; looks itself, twice a second and at the map as well, while somebody follows. Safe for use by many threads.
 *
 * <pre>
 * GET /           the page, and what it is made of: dashboard.css, dashboard.js, icon.svg
 * GET /map        ?cells=N, 1 to 16384: all chunks in at most N cells (MapCode)
 * GET /events     server-sent events, for as long as the connection lasts, each with JSON as its data:
 *                   hello    {"asksForToken":BOOLEAN}
 *                   status   {"why":TEXT,"status":STATUS}
 *                   history  the last ten minutes (History), once
 *                   sample   what the last second adds to it
 *                   map      all chunks (MapCode), then what changed of them
 *                   log      [ENTRY…] (EventLog)
 * </pre>
 */
final class Dashboard implements AutoCloseable {

    /** How many cells the map has that viewers follow: what fits a telephone's screen and still looks like a map on a large one. */
    static final int CELL_COUNT = 4096;

    private static final int CELL_COUNT_MAX = DeviceMap.CELL_COUNT_MAX;

    private static final long SAMPLE_NANOS = 1_000_000_000L;
    private static final long WATCHED_NANOS = 500_000_000L;
    /** A sample may be so much early, or one in two would come half a second late. */
    private static final long EARLY_NANOS = 100_000_000L;

    private static final byte[] NOTHING = {};
    /** A line that means nothing: whoever has gone is found by writing to it. */
    private static final byte[] HEARTBEAT = ": still here\n\n".getBytes(UTF_8);

    private static final Map<String, String> TYPES = Map.of(
            "index.html", "text/html; charset=utf-8",
            "dashboard.css", "text/css; charset=utf-8",
            "dashboard.js", "text/javascript; charset=utf-8",
            "icon.svg", "image/svg+xml");

    private static final Logger LOG = System.getLogger(Dashboard.class.getName());

    private final DeviceControl device;
    private final EventLog log;
    private final Viewers viewers = new Viewers();
    private final Map<String, byte[]> files = new ConcurrentHashMap<>();
    private final Thread sampler = Thread.ofVirtual().name("control-dashboard").unstarted(this::run);

    private final ReentrantLock waiting = new ReentrantLock();
    private final Condition woken = waiting.newCondition();
    private boolean isWoken;
    private boolean hasEnded;

    private final History history = new History();
    private @Nullable StatusReport sampled; // guarded by this
    private long sampledNanos; // guarded by this

    // The sampler's own.
    private byte @Nullable [] lastMap;
    private long lastEntry;

    /** The dashboard of a device, and of what happened to it; {@link #start} brings it to life. */
    Dashboard(DeviceControl device, EventLog log) {
        this.device = device;
        this.log = log;
    }

    /** How many follow the device. */
    int viewerCount() {
        return viewers.count();
    }

    /** Begins to sample, once the device is served. */
    void start() {
        sampler.start();
    }

    /** Ends the sampler and all streams. */
    @Override
    public void close() {
        waiting.lock();
        try {
            hasEnded = true;
            woken.signal();
        } finally {
            waiting.unlock();
        }
        viewers.end();
    }

    /** Adds the page and its sources to a listener's routes. */
    void route(HttpRouting.Builder routing, boolean asksForToken) {
        routing.get("/", (request, response) -> file(response, "index.html"));
        for (String name : List.of("dashboard.css", "dashboard.js", "icon.svg")) {
            routing.get("/" + name, (request, response) -> file(response, name));
        }
        routing.get("/events", (request, response) -> follow(response, asksForToken));
    }

    // ------------------------------------------------------------------------------------------------------- page

    private void file(ServerResponse response, String name) throws IOException {
        byte[] bytes = files.get(name);
        if (bytes == null) {
            bytes = read(name);
            files.put(name, bytes);
        }
        response.header("Content-Type", Objects.requireNonNull(TYPES.get(name)));
        response.send(bytes);
    }

    private static byte[] read(String name) throws IOException {
        try (InputStream stream = Dashboard.class.getResourceAsStream("dashboard/" + name)) {
            if (stream == null) {
                throw new FileNotFoundException("dashboard/" + name + " is not in the program");
            }
            return stream.readAllBytes();
        }
    }

    /** The map that a request asks for. */
    String map(ServerRequest request) throws Refusal {
        String asked = request.query().first("cells").orElse(Integer.toString(CELL_COUNT));
        long cellCount;
        try {
            cellCount = Long.parseLong(asked);
        } catch (NumberFormatException e) {
            throw new Refusal(Refusal.Kind.USAGE, "bad cells '" + asked + "': must be a whole number");
        }
        DeviceMap map = device.map(Math.clamp(cellCount, 1, CELL_COUNT_MAX));
        return Json.write(json -> MapCode.writeAll(json, map, MapCode.encode(map)));
    }

    private void follow(ServerResponse response, boolean asksForToken) {
        Viewers.Viewer viewer = viewers.enter();
        if (viewer == null) {
            response.status(503);
            response.header("Content-Type", "application/json");
            response.send(Problem.write(new Refusal(
                            Refusal.Kind.FAILED,
                            Viewers.VIEWER_COUNT_MAX
                                    + " viewers follow this device, the most there may be; close one of them"))
                    .getBytes(UTF_8));
            return;
        }
        response.header("Content-Type", "text/event-stream");
        // For whoever stands between us and the browser.
        response.header("X-Accel-Buffering", "no");
        wake();
        viewers.serve(viewer, response.outputStream(), event("hello", Json.write(json -> {
            json.writeStartObject();
            json.writeBooleanField("asksForToken", asksForToken);
            json.writeEndObject();
        })));
    }

    // ---------------------------------------------------------------------------------------------------- sampler

    /** Has the sampler look at once. */
    void wake() {
        waiting.lock();
        try {
            isWoken = true;
            woken.signal();
        } finally {
            waiting.unlock();
        }
    }

    private void run() {
        do {
            try {
                tick();
            } catch (RuntimeException e) {
                // The picture suffers, the device does not.
                LOG.log(Level.WARNING, "the dashboard's sampler met an internal error", e);
            }
        } while (awaitNext());
    }

    /** Waits for the next look; returns whether there is one. */
    private boolean awaitNext() {
        waiting.lock();
        try {
            long leftNanos = viewers.isEmpty() ? Long.MAX_VALUE : WATCHED_NANOS;
            while (!isWoken && !hasEnded && leftNanos > 0) {
                leftNanos = woken.awaitNanos(leftNanos);
            }
            isWoken = false;
            return !hasEnded;
        } catch (InterruptedException e) {
            return false;
        } finally {
            waiting.unlock();
        }
    }

    private void tick() {
        StatusReport now;
        try {
            now = device.status();
        } catch (Refusal e) {
            // Not yet, or not any more.
            viewers.sendNothing(HEARTBEAT);
            return;
        }
        boolean isSample = sample(now);
        if (viewers.isEmpty()) {
            lastMap = null;
            return;
        }
        StringBuilder news = new StringBuilder(status(now));
        if (isSample) {
            news.append(text("sample", Json.write(history::writeNewest)));
        }
        // One look for all: what is noted later comes to new viewers, too, with the next news.
        List<EventLog.Entry> all = log.after(0);
        List<EventLog.Entry> entries =
                all.stream().filter(entry -> entry.number() > lastEntry).toList();
        if (!entries.isEmpty()) {
            lastEntry = entries.getLast().number();
            news.append(log(entries));
        }
        DeviceMap map = map();
        byte[] mapNow = map == null ? NOTHING : MapCode.encode(map);
        if (map != null) {
            news.append(mapNews(map, mapNow));
            lastMap = mapNow;
        }
        viewers.send(() -> everything(now, all, map, mapNow), news.toString().getBytes(UTF_8));
    }

    /** What somebody else sees once a second: enough for the history, while nobody follows. For any thread. */
    void seen(StatusReport now) {
        if (viewers.isEmpty()) {
            sample(now);
        }
    }

    private synchronized boolean sample(StatusReport now) {
        long nanos = System.nanoTime();
        StatusReport before = sampled;
        if (before != null && nanos - sampledNanos < SAMPLE_NANOS - EARLY_NANOS) {
            return false;
        }
        sampled = now;
        sampledNanos = nanos;
        if (before == null) {
            return false;
        }
        history.add(before, now, System.currentTimeMillis());
        return true;
    }

    private @Nullable DeviceMap map() {
        try {
            return device.map(CELL_COUNT);
        } catch (Refusal e) {
            return null; // it is stopping
        }
    }

    private String mapNews(DeviceMap map, byte[] now) {
        byte[] before = lastMap;
        byte[] changes = before == null ? null : MapCode.changes(before, now);
        if (changes == null) {
            return text("map", Json.write(json -> MapCode.writeAll(json, map, now)));
        }
        return changes.length == 0 ? "" : text("map", Json.write(json -> MapCode.writeChanges(json, changes)));
    }

    private byte[] everything(StatusReport now, List<EventLog.Entry> entries, @Nullable DeviceMap map, byte[] mapNow) {
        String text = status(now) + text("history", Json.write(history::writeAll)) + log(entries);
        if (map != null) {
            text += text("map", Json.write(json -> MapCode.writeAll(json, map, mapNow)));
        }
        return text.getBytes(UTF_8);
    }

    private static String status(StatusReport now) {
        return text("status", Json.write(json -> {
            json.writeStartObject();
            json.writeStringField("why", LightReason.of(now));
            json.writeFieldName("status");
            json.writeRawValue(StatusJson.write(now).strip());
            json.writeEndObject();
        }));
    }

    private static String log(List<EventLog.Entry> entries) {
        return text("log", Json.write(json -> {
            json.writeStartArray();
            for (EventLog.Entry entry : entries) {
                entry.write(json);
            }
            json.writeEndArray();
        }));
    }

    private static byte[] event(String name, String json) {
        return text(name, json).getBytes(UTF_8);
    }

    /** One event; JSON is one line, whatever is in it. */
    private static String text(String name, String json) {
        return "event: " + name + "\ndata: " + json.strip() + "\n\n";
    }
}
