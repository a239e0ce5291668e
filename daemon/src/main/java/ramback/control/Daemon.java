package ramback.control;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import ramback.device.Mode;
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
     * @param host the machine, which is asked to protect the process
     */
    public record Options(
            DeviceOptions device,
            RunDirectory runDirectory,
            Path socket,
            @Nullable InetSocketAddress listen,
            Host host) {}

    private final Options options;
    private final Consumer<Ending> onEnding;
    private final DeviceDirectory directory;
    private final long startNanos = System.nanoTime();

    private volatile @Nullable Serving serving;
    private volatile boolean stopped;
    /** What the stop leaves to be done, or how it came to none. */
    private final CompletableFuture<Optional<String>> end = new CompletableFuture<>();

    /** What exists once the device is served. */
    private record Serving(
            Engine engine,
            NbdServer nbd,
            ControlServer control,
            String uri,
            @Nullable String tcpUri,
            ProcessReport process) {}

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

    /** The control server takes as long to start as the engine does: one starts while the other does. */
    private void serve(WorkProgress progress) throws Refusal {
        String name = options.device().name();
        Path controlSocket = options.runDirectory().controlSocket(name);
        FutureTask<ControlServer> controlStart =
                new FutureTask<>(() -> ControlServer.start(controlSocket, new Control()));
        Thread.ofPlatform().daemon().name("control-start").start(controlStart);
        Engine engine = null;
        NbdServer nbd = null;
        try {
            Protection protection = options.host().protect();
            engine = Engine.start(options.device(), progress);
            nbd = new NbdServer(
                    List.of(new Export(name, "", engine.device(), engine.exportGeneration())), ServerLimits.DEFAULT);
            nbd.listenUnix(options.socket());
            String tcpUri = null;
            if (options.listen() != null) {
                tcpUri = NbdUri.ofTcp(name, nbd.listenTcp(options.listen()));
            }
            serving = new Serving(
                    engine,
                    nbd,
                    awaitStart(controlStart),
                    NbdUri.ofUnixSocket(name, options.socket()),
                    tcpUri,
                    report(protection, engine.memory()));
        } catch (IOException e) {
            throw new Refusal(Refusal.Kind.FAILED, "cannot serve " + name + ": " + RunDirectory.reason(e), e);
        } finally {
            if (serving == null) {
                noStop(name + " was not started; see its messages");
                giveUp(controlStart, nbd, engine);
            }
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

    /** What the operator should know of the machine, a line each. */
    public List<String> warnings() {
        return serving().process().warnings();
    }

    /** The device's status now; what it was last when the device has stopped is not kept. */
    public StatusReport status() throws Refusal {
        return new Control().status();
    }

    /**
     * Stops cleanly: takes no more clients and requests, carries everything to the image, removes the sockets and the
     * directory. Returns when that is done, however long it takes. Call once.
     *
     * @param keepsMemory whether the memory is left for the next start, which then loads nothing
     * @throws Refusal when all of that is done, and something remains for the operator to do
     */
    public void stop(boolean keepsMemory) throws Refusal {
        Serving running = serving();
        running.nbd().close();
        try {
            running.engine().stop(keepsMemory);
            end.complete(Optional.empty());
        } catch (Refusal e) {
            end.complete(Optional.of(String.valueOf(e.getMessage())));
            throw e;
        } finally {
            stopped = true;
            noStop("the stop of " + options.device().name() + " failed; see its messages");
            running.control().close();
            directory.close();
        }
    }

    /**
     * Ends the service for a program that takes this process over and goes on from the device's memory: clients are cut off without
     * an answer, nothing is carried to the image. What of files and locks is still held goes with the process.
     */
    public void handOver() {
        Serving running = serving();
        noStop(options.device().name() + " was not stopped: another program takes it over");
        running.control().close();
        running.engine().handOver(() -> running.nbd().drop("another program takes the device over"));
        stopped = true;
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
                    running.nbd().counts(),
                    running.uri(),
                    running.tcpUri(),
                    ProcessHandle.current().pid(),
                    (System.nanoTime() - startNanos) / 1e9,
                    running.process());
        }

        @Override
        public void switchMode(Mode mode) throws Refusal, InterruptedException {
            running().engine().switchMode(mode);
        }

        @Override
        public void switchModeToAuto() throws Refusal, InterruptedException {
            running().engine().switchModeToAuto();
        }

        @Override
        public void flush() throws Refusal, InterruptedException {
            running().engine().flush();
        }

        @Override
        public void trace(boolean on) throws Refusal {
            running().engine().trace(on);
        }

        @Override
        public long dumpTrace(Path file) throws Refusal {
            return running().engine().dumpTrace(file);
        }

        @Override
        public long snapshot(Path file) throws Refusal, InterruptedException {
            return running().engine().snapshot(file);
        }

        @Override
        public VerifyReport verify(VerifyReport.Repair repair, long bytesPerSecond)
                throws Refusal, InterruptedException {
            return running().engine().verify(repair, bytesPerSecond);
        }

        @Override
        public void end(Ending ending) throws Refusal {
            Serving running = serving;
            if (running != null && !stopped) {
                running.engine().checkStop();
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
