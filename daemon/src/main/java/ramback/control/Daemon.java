package ramback.control;

import java.io.IOException;
import java.lang.System.Logger.Level;
import java.net.InetSocketAddress;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import ramback.attach.Attachments;
import ramback.attach.Offer;
import ramback.attach.Tools;
import ramback.attach.Via;
import ramback.attach.Ways;
import ramback.device.Mode;
import ramback.engine.DeviceMap;
import ramback.engine.DeviceOptions;
import ramback.engine.Engine;
import ramback.engine.Refusal;
import ramback.engine.VerifyReport;
import ramback.engine.WorkProgress;
import ramback.host.DeviceMemory;
import ramback.host.Host;
import ramback.host.Protection;
import ramback.nbd.Export;
import ramback.nbd.NbdServer;
import ramback.nbd.ServerLimits;
import ramback.nbd.TlsKeys;
import ramback.nbd.TlsMode;
import ramback.power.PowerEvent;
import ramback.traffic.RequestLatencies;
import ramback.traffic.Traffic;

/**
 * One served device: its directory, engine, NBD server and control server, started and stopped together. Safe for use
 * by many threads.
 */
public final class Daemon {

    /**
     * What to serve, and where.
     *
     * @param device what {@code up} was told about the device
     * @param runDirectory where the device's directory is made
     * @param socket the Unix socket for NBD, absolute
     * @param listen the TCP address for NBD as well, or null
     * @param tls TLS for NBD, or null
     * @param isInsecure whether NBD without TLS may be served beyond the loopback
     * @param http the TCP address for the dashboard, or null
     * @param host the machine, which is asked to protect the process
     * @param ways how the device is attached to this machine
     * @param screen a status for people, a line each
     */
    public record Options(
            DeviceOptions device,
            RunDirectory runDirectory,
            Path socket,
            @Nullable InetSocketAddress listen,
            @Nullable TlsOptions tls,
            boolean isInsecure,
            @Nullable HttpAddress http,
            Host host,
            Ways ways,
            Function<StatusReport, List<String>> screen) {}

    private static final System.Logger LOG = System.getLogger(Daemon.class.getName());

    /** For how long a program that takes an attached block device apart is waited for at most. */
    private static final Duration TOOL_LIMIT = Duration.ofMinutes(2);

    /** The longest name of an image, in characters, that clients are told; a file's is never longer. */
    private static final int IMAGE_NAME_MAX = 255;

    private final Options options;
    private final Consumer<Ending> onEnding;
    private final DeviceDirectory directory;
    private final long startNanos = System.nanoTime();
    private final Traffic traffic = new Traffic();
    private final EventLog events = new EventLog();
    private final DeviceWatch watch = new DeviceWatch(new Control(), events, this::tellDashboard, this::tellPower);
    private final Dashboard dashboard = new Dashboard(new Control(), events);

    private volatile @Nullable Serving serving;
    private volatile boolean stopped;
    /** What the stop leaves to be done, or how it came to none. */
    private final CompletableFuture<Optional<String>> end = new CompletableFuture<>();

    /** What exists once the device is served. */
    private record Serving(
            Engine engine,
            NbdServer nbd,
            ControlServer control,
            @Nullable HttpService http,
            String uri,
            @Nullable String tcpUri,
            @Nullable TlsKeys tlsKeys,
            ProcessReport process,
            Attachments attachments) {}

    /** The dashboard on TCP. */
    private record HttpService(ControlServer server, HttpToken token, String uri) {}

    private Daemon(Options options, Consumer<Ending> onEnding, DeviceDirectory directory) {
        this.options = options;
        this.onEnding = onEnding;
        this.directory = directory;
    }

    /**
     * Starts a device and serves it; clients may connect when this returns. Nothing is left behind when it throws.
     *
     * @param progress hears of what takes long before it is served; on the calling thread
     * @param onEnding called, on any thread, when somebody asks over the control socket for the end; must return at once
     * @throws Refusal when it can't or must not be started
     */
    public static Daemon start(Options options, Consumer<Ending> onEnding, WorkProgress progress) throws Refusal {
        RunDirectory runDirectory = options.runDirectory();
        String name = options.device().name();
        RunDirectory.checkSocketPath(
                runDirectory.controlSocket(name),
                "choose a shorter --run-dir (now " + runDirectory.path() + ") or --name");
        RunDirectory.checkSocketPath(options.socket(), "choose a shorter path with --socket");
        Daemon daemon = new Daemon(options, onEnding, DeviceDirectory.claim(runDirectory, name));
        try {
            daemon.serve(progress);
            return daemon;
        } finally {
            if (daemon.serving == null) {
                daemon.directory.close();
            }
        }
    }

    private TlsMode tlsMode() {
        TlsOptions tls = options.tls();
        return tls == null ? TlsMode.OFF : tls.mode();
    }

    private @Nullable TlsKeys tlsKeys() throws Refusal {
        TlsOptions tls = options.tls();
        if (tls == null) {
            return null;
        }
        try {
            return new TlsKeys(tls.certificate(), tls.key(), tls.authority());
        } catch (IOException e) {
            throw new Refusal(Refusal.Kind.USAGE, "bad --tls-cert, --tls-key or --tls-ca: " + reasonOf(e), e);
        }
    }

    private static String reasonOf(IOException e) {
        return switch (e) {
            case NoSuchFileException missing -> missing.getFile() + " does not exist";
            case AccessDeniedException denied -> denied.getFile() + " may not be read by this user";
            default -> RunDirectory.reason(e);
        };
    }

    /**
     * Reads certificate, key and authority again, for the clients that come from now on.
     *
     * @throws Refusal when they are not good; those that were read before stay in use
     */
    public void reloadTls() throws Refusal {
        Serving running = serving;
        TlsKeys keys = running == null ? null : running.tlsKeys();
        if (keys == null) {
            return;
        }
        try {
            keys.reload();
        } catch (IOException e) {
            throw new Refusal(Refusal.Kind.FAILED, reasonOf(e), e);
        }
    }

    /** What clients are told of the export: what it is, and of which image, by its name and not by where it lies. */
    private String description() {
        String image = options.device().image().fileName();
        return image.isEmpty() || image.length() > IMAGE_NAME_MAX
                ? "a Ramback device"
                : "a Ramback device over " + image;
    }

    /** The control server takes as long to start as the engine does: one starts while the other does. */
    private void serve(WorkProgress progress) throws Refusal {
        String name = options.device().name();
        Path controlSocket = options.runDirectory().controlSocket(name);
        FutureTask<ControlServer> controlStart =
                new FutureTask<>(() -> ControlServer.start(controlSocket, new Control(), dashboard));
        Thread.ofPlatform().daemon().name("control-start").start(controlStart);
        Engine engine = null;
        NbdServer nbd = null;
        HttpService http = null;
        try {
            TlsKeys tlsKeys = tlsKeys();
            Protection protection = options.host().protect();
            engine = Engine.start(options.device(), directory.orders(), progress);
            Export export = new Export(name, description(), engine.device(), engine.exportGeneration());
            nbd = new NbdServer(List.of(export, export.view()), ServerLimits.DEFAULT, tlsMode(), tlsKeys, traffic);
            nbd.listenUnix(options.socket());
            String tcpUri = null;
            if (options.listen() != null) {
                tcpUri = NbdUri.ofTcp(
                        name,
                        nbd.listenTcp(options.listen(), options.isInsecure()),
                        TlsOptions.isRequired(options.tls()));
            }
            traffic.recordRequests(engine.isRecorded());
            if (options.http() != null) {
                http = serveHttp(options.http());
            }
            ControlServer control = awaitStart(controlStart);
            // Whoever is told anything by this daemon is told what it goes on with.
            Attachments attachments = attachments(engine);
            attachments.recover();
            serving = new Serving(
                    engine,
                    nbd,
                    control,
                    http,
                    NbdUri.ofUnixSocket(name, options.socket()),
                    tcpUri,
                    tlsKeys,
                    report(protection, engine.memory()),
                    attachments);
            dashboard.start();
        } catch (IOException e) {
            throw new Refusal(Refusal.Kind.FAILED, "cannot serve " + name + ": " + RunDirectory.reason(e), e);
        } finally {
            if (serving == null) {
                noStop(name + " was not started; see its messages");
                if (http != null) {
                    http.server().close();
                }
                giveUp(controlStart, nbd, engine);
            }
        }
        watch.start();
    }

    private Attachments attachments(Engine engine) {
        String name = options.device().name();
        Offer offer = new Offer(
                engine.device(),
                traffic,
                options.runDirectory().of(name),
                options.socket(),
                engine.life(),
                engine.generationBefore(),
                ControlFiles.of(new Control(), options.screen()));
        return new Attachments(offer, options.ways(), new Tools(System.getenv(), TOOL_LIMIT));
    }

    private void tellDashboard(StatusReport now) {
        dashboard.seen(now);
    }

    private void tellPower(PowerReport before, PowerReport now) {
        serving().engine().recordPower(before.state(), now.state(), now.words(), now.toSaveBytes());
    }

    private HttpService serveHttp(HttpAddress address) throws Refusal, IOException {
        RunDirectory runDirectory = options.runDirectory();
        HttpToken token =
                HttpToken.create(runDirectory.httpToken(options.device().name()));
        try {
            ControlServer server = ControlServer.startHttp(address, token, new Control(), dashboard);
            return new HttpService(server, token, address.uri(server.port()));
        } catch (IOException e) {
            throw new Refusal(
                    Refusal.Kind.FAILED,
                    "cannot listen on " + address.host() + ":"
                            + address.address().getPort() + " (--http): " + e.getMessage()
                            + "; choose another address, or port 0 for any",
                    e);
        }
    }

    private ProcessReport report(Protection protection, DeviceMemory memory) {
        List<String> warnings = new ArrayList<>(protection.warnings());
        warnings.addAll(options.host().threats(memory));
        return new ProcessReport(
                protection.ioFlusher(), memory.lockWord(), protection.oomScoreAdjust(), List.copyOf(warnings));
    }

    private static ControlServer awaitStart(FutureTask<ControlServer> start) throws IOException {
        boolean interrupted = false;
        try {
            while (true) {
                try {
                    return start.get();
                } catch (InterruptedException e) {
                    interrupted = true;
                } catch (ExecutionException e) {
                    Throwable cause = Objects.requireNonNullElse(e.getCause(), e);
                    throw new IOException("control socket: " + cause.getMessage(), cause);
                }
            }
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    private static void giveUp(
            FutureTask<ControlServer> controlStart, @Nullable NbdServer nbd, @Nullable Engine engine) {
        if (nbd != null) {
            nbd.close();
        }
        if (engine != null) {
            engine.abandon();
        }
        try {
            awaitStart(controlStart).close();
        } catch (IOException e) {
            // It never came up, so there is nothing to close; why we give up is known already.
        }
    }

    /** The device's URI on its Unix socket. */
    public String uri() {
        return serving().uri();
    }

    /** Where the dashboard is on TCP, or null if it is not served there. */
    public @Nullable String httpUri() {
        HttpService http = serving().http();
        return http == null ? null : http.uri();
    }

    /** The same with the token in it, for the operator's eyes only; null likewise. */
    public @Nullable String httpUriWithToken() {
        HttpService http = serving().http();
        return http == null ? null : http.uri() + "#token=" + http.token().text();
    }

    /** What the operator should know of the machine, a line each. */
    public List<String> warnings() {
        return serving().process().warnings();
    }

    /** The device's status now; what it was last when the device has stopped is not kept. */
    public StatusReport status() throws Refusal {
        return new Control().status();
    }

    /** Whether what serves the device still runs, or has been stopped on purpose. */
    public boolean isAlive() {
        Serving running = serving();
        return stopped || running.engine().isAlive();
    }

    /**
     * Stops cleanly: takes no more clients and requests, carries everything to the image, removes the sockets and the
     * directory. Returns when that is done, however long it takes. Call once.
     *
     * @param isSucceeded whether another daemon goes on at once, for whom an attached block device is left
     * @param keepsMemory whether the memory is left for the next start, which then loads nothing
     * @throws Refusal when all of that is done, and something remains for the operator to do
     */
    public void stop(boolean isSucceeded, boolean keepsMemory) throws Refusal {
        Serving running = serving();
        detach(running, isSucceeded);
        running.nbd().close();
        long beginNanos = System.nanoTime();
        try {
            running.engine().beginStop();
            watch.ends(DeviceLog.Reason.STOP);
            running.engine().stop(keepsMemory);
            end.complete(Optional.empty());
            watch.done("stopped", "it has stopped, and its image has everything", "seconds", secondsSince(beginNanos));
        } catch (Refusal e) {
            end.complete(Optional.of(String.valueOf(e.getMessage())));
            throw e;
        } finally {
            stopped = true;
            watch.close();
            noStop("the stop of " + options.device().name() + " failed; see its messages");
            closeHttp(running);
            running.control().close();
            directory.close();
        }
    }

    /** Whatever the kernel and its programs do here: what is in memory is carried to the image all the same. */
    private static void detach(Serving running, boolean isSucceeded) {
        try {
            if (isSucceeded) {
                running.attachments().leave();
            } else {
                running.attachments().close();
            }
        } catch (RuntimeException | Error e) {
            LOG.log(Level.ERROR, "an attached block device was not taken apart for the stop", e);
        }
    }

    /**
     * Ends the service for a program that takes this process over and goes on from the device's memory: clients are cut off without
     * an answer, nothing is carried to the image. What of files and locks is still held goes with the process.
     */
    public void handOver() {
        Serving running = serving();
        running.attachments().leave();
        noStop(options.device().name() + " was not stopped: another program takes it over");
        watch.ends(DeviceLog.Reason.HANDOVER);
        closeHttp(running);
        running.control().close();
        watch.done("handover", DeviceLog.Reason.HANDOVER.text());
        watch.close();
        running.engine().handOver(() -> running.nbd().drop("another program takes the device over"));
        stopped = true;
    }

    /** The descriptors that a program in this one's place goes on with, once the device was handed over. */
    public List<Integer> keptDescriptors() {
        return serving().attachments().keptDescriptors();
    }

    /** Whether an attached block device was left for another daemon, which has to be there for whoever uses it. */
    public boolean isLeftAttached() {
        return serving().attachments().isLeftForAnother();
    }

    private static String secondsSince(long beginNanos) {
        return String.format(Locale.ROOT, "%.3f", (System.nanoTime() - beginNanos) / 1e9);
    }

    private void closeHttp(Serving running) {
        dashboard.close();
        if (running.http() != null) {
            running.http().server().close();
        }
    }

    /** A FUSE directory is mounted where this process is: somebody who sees other mounts would never find it. */
    private static void checkNamespace(String mountNamespace) throws Refusal {
        String own;
        try {
            own = Files.readSymbolicLink(Path.of("/proc/self/ns/mnt")).toString();
        } catch (IOException e) {
            return; // no /proc, no namespaces
        }
        if (!own.equals(mountNamespace)) {
            throw new Refusal(
                    Refusal.Kind.FAILED,
                    "no fuse: the daemon sees other mounts than you (a service's sandbox, or a container), so that its FUSE"
                            + " directory would not be seen here; use --via ublk or --via nbd");
        }
    }

    /** Tells who waits for the stop that there was none, unless there was. */
    private void noStop(String why) {
        end.completeExceptionally(new Refusal(Refusal.Kind.FAILED, why));
    }

    private Serving serving() {
        Serving running = serving;
        if (running == null) {
            throw new IllegalStateException("not started");
        }
        return running;
    }

    /** What the control socket may ask; before and after the device is served it refuses. */
    private final class Control implements DeviceControl {

        private Serving running() throws Refusal {
            Serving running = serving;
            String name = options.device().name();
            if (running == null) {
                throw new Refusal(Refusal.Kind.FAILED, name + " is still starting; try again in a moment");
            }
            if (stopped) {
                throw new Refusal(Refusal.Kind.NO_DEVICE, name + " has stopped");
            }
            return running;
        }

        @Override
        public StatusReport status() throws Refusal {
            Serving running = running();
            return StatusReport.of(
                    running.engine().status(),
                    traffic.counts(),
                    running.uri(),
                    running.tcpUri(),
                    tlsMode().word(),
                    running.http() == null ? null : running.http().uri(),
                    ProcessHandle.current().pid(),
                    (System.nanoTime() - startNanos) / 1e9,
                    watch.latencies(traffic.latencies()),
                    running.process(),
                    running.attachments().report());
        }

        @Override
        public RequestLatencies latencies() throws Refusal {
            running();
            return traffic.latencies();
        }

        @Override
        public DeviceMap map(int cellCountMax) throws Refusal {
            return running().engine().map(cellCountMax);
        }

        @Override
        public void switchMode(Mode mode) throws Refusal, InterruptedException {
            running().engine().switchMode(mode);
            watch.look(DeviceLog.Reason.COMMAND);
        }

        @Override
        public void switchModeToAuto() throws Refusal, InterruptedException {
            running().engine().switchModeToAuto();
            watch.look(DeviceLog.Reason.COMMAND);
        }

        @Override
        public void tellPower(PowerEvent event) throws Refusal {
            running().engine().tellPower(event);
            watch.look(null);
        }

        @Override
        public void flush() throws Refusal, InterruptedException {
            long beginNanos = System.nanoTime();
            running().engine().flush();
            watch.done("flush", "all that was dirty is in the image", "seconds", secondsSince(beginNanos));
        }

        @Override
        public void trace(boolean on) throws Refusal {
            Serving running = running();
            running.engine().trace(on);
            traffic.recordRequests(running.engine().isRecorded());
            watch.done("trace", "the trace is " + (on ? "on" : "off"), "trace", on ? "on" : "off");
        }

        @Override
        public long dumpTrace(Path file) throws Refusal {
            return running().engine().dumpTrace(file);
        }

        @Override
        public long snapshot(Path file) throws Refusal, InterruptedException {
            long beginNanos = System.nanoTime();
            watch.done("snapshot-begin", "a snapshot is being taken", "file", file);
            try {
                long writtenBytes = running().engine().snapshot(file);
                watch.done(
                        "snapshot-end",
                        "the snapshot is whole",
                        "file",
                        file,
                        "bytes",
                        writtenBytes,
                        "seconds",
                        secondsSince(beginNanos));
                return writtenBytes;
            } catch (Refusal e) {
                watch.failed("snapshot-end", String.valueOf(e.getMessage()), "file", file);
                throw e;
            }
        }

        @Override
        public VerifyReport verify(VerifyReport.Repair repair, long bytesPerSecond)
                throws Refusal, InterruptedException {
            watch.done("verify-begin", "RAM is being compared with the image");
            try {
                VerifyReport report = running().engine().verify(repair, bytesPerSecond);
                watch.verified(report);
                return report;
            } catch (Refusal e) {
                watch.failed("verify-end", String.valueOf(e.getMessage()));
                throw e;
            }
        }

        @Override
        public Path attach(Via via, int connectionCount, String mountNamespace) throws Refusal {
            Serving running = running();
            if (via == Via.FUSE) {
                checkNamespace(mountNamespace);
            }
            Path path = running.attachments().attach(via, connectionCount).path();
            watch.done("attach", "it is attached to this machine", "via", via.word(), "path", path);
            return path;
        }

        @Override
        public boolean detach() throws Refusal {
            boolean wasAttached = running().attachments().detach();
            if (wasAttached) {
                watch.done("detach", "it is not attached to this machine any more");
            }
            return wasAttached;
        }

        @Override
        public void end(Ending ending) throws Refusal {
            Serving running = serving;
            if (running != null && !stopped) {
                running.engine().checkStop();
                if (ending instanceof Ending.Stop) {
                    running.attachments().checkStop();
                }
            }
            onEnding.accept(ending);
        }

        @Override
        public @Nullable String awaitStop() throws Refusal, InterruptedException {
            try {
                return end.get().orElse(null);
            } catch (ExecutionException e) {
                throw new Refusal(
                        Refusal.Kind.FAILED,
                        String.valueOf(Objects.requireNonNull(e.getCause()).getMessage()));
            }
        }
    }
}
