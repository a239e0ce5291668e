package ramback.control;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.EOFException;
import java.io.IOException;
import java.net.ConnectException;
import java.net.SocketException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import ramback.attach.Via;
import ramback.engine.Refusal;
import ramback.engine.VerifyReport;
import ramback.power.PowerEvent;

/**
 * Asks a device's daemon over its control socket, one connection a request. Every method throws a {@link Refusal}: the
 * daemon's own, or of kind NO_DEVICE when there is no daemon. Safe for use by many threads.
 */
public final class ControlClient {

    /** How long a daemon may take to answer what it can answer at once. */
    private static final Duration ANSWER_TIMEOUT_DEFAULT = Duration.ofSeconds(10);

    /** Flushing takes as long as it takes; that the daemon lives is seen by asking for its status meanwhile. */
    private static final Duration UNLIMITED = Duration.ofDays(365);

    private final RunDirectory runDirectory;
    private final String name;
    private final Path socket;
    private final Duration answerTimeout;

    /** A client of the device of this name; whether there is one is seen at the first request. */
    public ControlClient(RunDirectory runDirectory, String name) {
        this(runDirectory, name, ANSWER_TIMEOUT_DEFAULT);
    }

    /** As above, for who would rather go on without an answer than wait longer than this. */
    public ControlClient(RunDirectory runDirectory, String name, Duration answerTimeout) {
        this.answerTimeout = answerTimeout;
        this.runDirectory = runDirectory;
        this.name = name;
        this.socket = runDirectory.controlSocket(name);
    }

    /** The device's name. */
    public String name() {
        return name;
    }

    /** The status, as the daemon wrote it: JSON on one line. */
    public String statusJson() throws Refusal {
        return request("GET", "/status", "", answerTimeout);
    }

    /** The status. */
    public StatusReport status() throws Refusal {
        try {
            return StatusJson.read(statusJson());
        } catch (IOException e) {
            throw unreadable(e);
        }
    }

    /** Switches the mode, to one of its words or {@code auto}, and waits until it is in force. */
    public void switchMode(String word) throws Refusal {
        request("POST", "/mode", field("mode", word), UNLIMITED);
    }

    /** Says how the power is; returns at once. */
    public void tellPower(PowerEvent event) throws Refusal {
        request("POST", "/power", field("event", event.word()), answerTimeout);
    }

    /** Carries everything dirty to the image and waits for it. */
    public void flush() throws Refusal {
        request("POST", "/flush", "", UNLIMITED);
    }

    /** Switches the trace. */
    public void trace(boolean on) throws Refusal {
        request(
                "POST",
                "/trace",
                Json.write(json -> {
                    json.writeStartObject();
                    json.writeBooleanField("on", on);
                    json.writeEndObject();
                }),
                answerTimeout);
    }

    /** Has the daemon write its newest trace events to a new file; returns how many. */
    public long dumpTrace(Path file) throws Refusal {
        String body = field("dump", file.toAbsolutePath().normalize().toString());
        return count(request("POST", "/trace", body, UNLIMITED), "events");
    }

    /** Has the daemon write what the device holds now to a new file, and waits for it; returns how many bytes that took. */
    public long snapshot(Path file) throws Refusal {
        String body = field("file", file.toAbsolutePath().normalize().toString());
        return count(request("POST", "/snapshot", body, UNLIMITED), "writtenBytes");
    }

    /** Compares RAM with the image, and waits for it and for the repair. */
    public VerifyReport verify(VerifyReport.Repair repair, long bytesPerSecond) throws Refusal {
        String body = Json.write(json -> {
            json.writeStartObject();
            json.writeStringField("repair", repair.name().toLowerCase(Locale.ROOT));
            json.writeNumberField("bytesPerSecond", bytesPerSecond);
            json.writeEndObject();
        });
        try {
            return VerifyJson.read(request("POST", "/verify", body, UNLIMITED));
        } catch (IOException e) {
            throw unreadable(e);
        }
    }

    /** How a daemon is. */
    public enum State {
        /** It answers. */
        ANSWERS,
        /** It is about to serve, or has served. */
        PASSING,
        /** It is there and says nothing. */
        SILENT,
        /** There is none. */
        GONE
    }

    /**
     * Asks how the daemon is.
     *
     * @throws Refusal when that can't be known
     */
    public State state() throws Refusal {
        try {
            statusJson();
            return State.ANSWERS;
        } catch (Refusal e) {
            if (e.getCause() instanceof HttpConnection.TimeoutException) {
                return State.SILENT;
            }
            if (e.kind() == Refusal.Kind.NO_DEVICE) {
                return State.GONE;
            }
            if (isStarting()) {
                return State.PASSING;
            }
            throw e;
        }
    }

    /**
     * Has the daemon attach the device to this machine, or find it attached in that way.
     *
     * @param connectionCount over how many connections, 1 to 16; of nbd alone
     * @param mountNamespace this process's, as {@code /proc/self/ns/mnt} has it
     * @return the block device, or with FUSE the file
     */
    public Path attach(Via via, int connectionCount, String mountNamespace) throws Refusal {
        String body = Json.write(json -> {
            json.writeStartObject();
            json.writeStringField("via", via.word());
            json.writeNumberField("connections", connectionCount);
            json.writeStringField("mountNamespace", mountNamespace);
            json.writeEndObject();
        });
        try {
            Map<String, @Nullable Object> answer = Json.readObject(request("POST", "/attach", body, UNLIMITED));
            return Path.of(answer.get("path") instanceof String path ? path : "");
        } catch (IOException e) {
            throw unreadable(e);
        }
    }

    /** Has the daemon take it away again; returns whether it was attached. */
    public boolean detach() throws Refusal {
        try {
            Map<String, @Nullable Object> answer = Json.readObject(request("POST", "/detach", "", UNLIMITED));
            return Boolean.TRUE.equals(answer.get("wasAttached"));
        } catch (IOException e) {
            throw unreadable(e);
        }
    }

    /**
     * Asks for a clean stop, and waits until the device has stopped; its process ends soon after.
     *
     * @param keepsMemory whether the memory is left for the next start
     * @return what the stop leaves for the operator to do, or null when nothing
     * @throws Refusal when it was refused, or the process ended before the device had stopped
     */
    public @Nullable String down(boolean keepsMemory) throws Refusal {
        String body = Json.write(json -> {
            json.writeStartObject();
            json.writeBooleanField("keepRam", keepsMemory);
            json.writeEndObject();
        });
        checkAnswers();
        try {
            Map<String, @Nullable Object> answer = Json.readObject(request("POST", "/down", body, UNLIMITED));
            return answer.get("left") instanceof String left ? left : null;
        } catch (IOException e) {
            throw unreadable(e);
        }
    }

    /** Refuses a daemon that answers nothing at all, before something is asked of it that may take any time. */
    private void checkAnswers() throws Refusal {
        try {
            status();
        } catch (Refusal e) {
            if (e.getCause() instanceof HttpConnection.TimeoutException) {
                throw e;
            }
            // While it starts it has no status.
        }
    }

    /**
     * Asks for the process to go on as another program, which takes the device over; returns its pid at once.
     *
     * @param launcher absolute
     * @param layoutVersion of the memory that it can take over
     */
    public long handOver(String launcher, int layoutVersion) throws Refusal {
        String body = Json.write(json -> {
            json.writeStartObject();
            json.writeStringField("launcher", launcher);
            json.writeNumberField("layout", layoutVersion);
            json.writeEndObject();
        });
        return count(request("POST", "/handover", body, answerTimeout), "pid");
    }

    private long count(String body, String fieldName) throws Refusal {
        try {
            Map<String, @Nullable Object> answer = Json.readObject(body);
            return answer.get(fieldName) instanceof Number number ? number.longValue() : 0;
        } catch (IOException e) {
            throw unreadable(e);
        }
    }

    private static String field(String fieldName, String value) {
        return Json.write(json -> {
            json.writeStartObject();
            json.writeStringField(fieldName, value);
            json.writeEndObject();
        });
    }

    private Refusal unreadable(IOException e) {
        return new Refusal(
                Refusal.Kind.FAILED,
                "the daemon of " + name + " answered what this command does not understand (" + e.getMessage()
                        + "); is it of the same version?",
                e);
    }

    private String request(String method, String path, String body, Duration timeout) throws Refusal {
        RunDirectory.checkSocketPath(socket, "choose a shorter run directory (now " + runDirectory.path() + ")");
        if (Files.notExists(runDirectory.of(name), LinkOption.NOFOLLOW_LINKS)) { // not so if we may not even look
            throw new Refusal(
                    Refusal.Kind.NO_DEVICE,
                    "no device named " + name + " (looked in " + runDirectory.path()
                            + "); 'ramback ls' shows what runs");
        }
        HttpReply reply;
        try (HttpConnection connection = HttpConnection.open(socket, timeout)) {
            reply = connection.exchange(method, path, body.getBytes(UTF_8));
        } catch (HttpConnection.TimeoutException e) {
            throw new Refusal(
                    Refusal.Kind.FAILED,
                    "the daemon of " + name + pidText() + " does not answer (waited " + timeout.toSeconds()
                            + " s); see whether it is stopped or the machine overloaded",
                    e);
        } catch (EOFException e) {
            throw new Refusal(
                    Refusal.Kind.FAILED,
                    "the daemon of " + name + pidText() + " went away before it answered; see 'ramback ls'",
                    e);
        } catch (IOException e) {
            throw unreachable(e);
        }
        if (reply.status() == 200) {
            return reply.body();
        }
        throw Problem.read(reply.status(), reply.body());
    }

    /** Connecting failed: which of several reasons it was is told only by what else there is. */
    private Refusal unreachable(IOException e) {
        String text = String.valueOf(e.getMessage());
        if (e instanceof SocketException && text.contains("Permission denied")) {
            return new Refusal(
                    Refusal.Kind.FAILED,
                    "no permission to control " + name + " (" + socket + "); run this as its owner",
                    e);
        }
        boolean isGone = e instanceof ConnectException || !Files.exists(socket, LinkOption.NOFOLLOW_LINKS);
        if (isGone && isStarting()) {
            return new Refusal(Refusal.Kind.FAILED, name + " is starting or stopping; try again in a moment", e);
        }
        if (isGone) {
            return new Refusal(
                    Refusal.Kind.NO_DEVICE,
                    "the daemon of " + name + pidText() + " is gone and nobody answers on " + socket
                            + "; start it again with 'ramback up'",
                    e);
        }
        return new Refusal(Refusal.Kind.FAILED, "cannot talk to the daemon of " + name + ": " + text, e);
    }

    /** Returns whether the device has a living daemon without a control socket: it is about to have one, or had one. */
    public boolean isStarting() {
        long pid = runDirectory.pid(name);
        return pid > 0 && !Files.exists(socket, LinkOption.NOFOLLOW_LINKS) && ProcessState.isAlive(pid);
    }

    private String pidText() {
        long pid = runDirectory.pid(name);
        return pid < 0 ? "" : " (pid " + pid + ")";
    }
}
