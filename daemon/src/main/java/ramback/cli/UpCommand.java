package ramback.cli;

import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import ramback.control.Daemon;
import ramback.control.DeviceName;
import ramback.control.Ending;
import ramback.control.HttpAddress;
import ramback.control.ModeWords;
import ramback.control.RunDirectory;
import ramback.control.StatusReport;
import ramback.control.TlsOptions;
import ramback.device.Mode;
import ramback.engine.DeviceOptions;
import ramback.engine.ImageName;
import ramback.engine.JournalOption;
import ramback.engine.PowerOptions;
import ramback.engine.RamMode;
import ramback.engine.Refusal;
import ramback.engine.Successor;
import ramback.nbd.TlsMode;
import ramback.power.UpsAddress;
import ramback.power.UpsCredentials;

/** {@code ramback up}: serves an image from RAM, in the foreground, until it is told to stop. */
@Command(
        name = "up",
        sortOptions = false,
        description = "Serve IMAGE from RAM, in the foreground. SIGINT (Ctrl-C) or SIGTERM: flush, stop cleanly.",
        footer = "SIZE is a number of bytes, or a number with K, M, G or T behind it. DURATION is 500ms, 1s, 2m or 1h.")
final class UpCommand extends DeviceCommand {

    private static final int CHUNK_BYTES_MIN = 4 << 10;
    private static final int CHUNK_BYTES_MAX = 1 << 20;
    private static final int CLIENT_COUNT_MAX = 4_096;
    private static final int DIRTY_CHUNKS_MIN = 4;
    private static final long JOURNAL_BYTES_MIN = 2L << 20;
    private static final long JOURNAL_BYTES_MAX = 1L << 40;
    private static final long SNAPSHOT_BUFFER_BYTES_DEFAULT = 256L << 20;
    private static final long SNAPSHOT_BUFFER_BYTES_MAX = 64L << 30;
    private static final Duration INTERVAL_DEFAULT = Duration.ofSeconds(1);
    private static final Duration INTERVAL_MIN = Duration.ofMillis(20);
    private static final Duration INTERVAL_MAX = Duration.ofHours(1);

    @Parameters(
            index = "0",
            paramLabel = "IMAGE",
            description =
                    "A raw image file, a block device, or nbd://HOST[:PORT]/EXPORT or nbd+unix:///EXPORT?socket=PATH.")
    private String image = "";

    @Option(
            names = "--size",
            paramLabel = "SIZE",
            description = "Create IMAGE (sparse) at this size if it does not exist; otherwise it must match.")
    private @Nullable String size;

    @Option(
            names = "--name",
            paramLabel = "NAME",
            description =
                    "The device's name, [a-z0-9._-]{1,64}. Default: the name of the image's file, or export, without its suffix.")
    private @Nullable String name;

    @Option(
            names = "--mode",
            paramLabel = "MODE",
            description = "When writes and flushes are acknowledged: writethrough, writeback (default), checkpoint"
                    + " (default with --ups) or unsafe.")
    private @Nullable String mode;

    @Option(
            names = "--interval",
            paramLabel = "DURATION",
            description = "How old the durable image may be in checkpoint mode, 20ms to 1h. Default: 1s.")
    private @Nullable String interval;

    @Option(
            names = "--journal",
            paramLabel = "FILE|none",
            description =
                    "Where changes are kept in order until IMAGE has them. Default: IMAGE.journal; for a block device"
                            + " or a URI it must be named.")
    private @Nullable String journal;

    @Option(
            names = "--journal-size",
            paramLabel = "SIZE",
            description =
                    "The journal's size when it is made. Default: a quarter of the device, at least 64M, at most 16G.")
    private @Nullable String journalSize;

    @Option(names = "--chunk", paramLabel = "SIZE", description = "A power of two, 4K (default) to 1M.")
    private @Nullable String chunk;

    @Option(
            names = "--socket",
            paramLabel = "PATH",
            description = "Serve NBD on this Unix socket. Default: RUNDIR/NAME/nbd.sock.")
    private @Nullable String socket;

    @Option(
            names = "--listen",
            paramLabel = "HOST:PORT",
            description =
                    "Serve NBD on TCP as well, beyond the loopback with TLS; port 0 takes a free one (see 'ramback"
                            + " status').")
    private @Nullable String listen;

    @Option(
            names = "--http",
            paramLabel = "HOST:PORT",
            description =
                    "Serve the dashboard on TCP, on the loopback; port 0 takes a free one (see 'ramback status').")
    private @Nullable String http;

    @Option(
            names = "--tls",
            paramLabel = "off|allow|require",
            description = "Whether NBD clients may or must encrypt: require (default with --tls-cert) asks it of TCP"
                    + " clients.")
    private @Nullable String tls;

    @Option(
            names = "--tls-cert",
            paramLabel = "FILE",
            description = "The server's certificate in PEM form, and those between it and its authority.")
    private @Nullable String tlsCertificate;

    @Option(
            names = "--tls-key",
            paramLabel = "FILE",
            description = "Its private key in PEM form. SIGHUP reads all these files again.")
    private @Nullable String tlsKey;

    @Option(
            names = "--tls-ca",
            paramLabel = "FILE",
            description = "Demand certificates of clients, of one of the authorities in this PEM file.")
    private @Nullable String tlsAuthority;

    @Option(
            names = "--insecure",
            description = "Let --http, and --listen without TLS, listen beyond the loopback, where others can read"
                    + " along, the token included.")
    private boolean isInsecure;

    @Option(
            names = "--dirty-max",
            paramLabel = "SIZE",
            description = "Hard limit on bytes not yet committed. Default: a quarter of the device; none in unsafe.")
    private @Nullable String dirtyMax;

    @Option(
            names = "--ram",
            paramLabel = "reserve|sparse",
            description = "reserve (default): all memory at start; sparse: as it is touched.")
    private @Nullable String ram;

    @Option(names = "--max-clients", paramLabel = "N", description = "1 to 4096. Default: 256.")
    private @Nullable String maxClients;

    @Option(names = "--ram-dir", paramLabel = "DIR", description = "A directory on tmpfs. Default: /dev/shm/ramback.")
    private @Nullable Path ramDirectory;

    @Option(
            names = "--ups",
            paramLabel = "NAME@HOST[:PORT]",
            description =
                    "A UPS that a NUT server knows. With a healthy battery the default mode is checkpoint; on battery"
                            + " it is writethrough.")
    private @Nullable String ups;

    @Option(
            names = "--ups-auth",
            paramLabel = "FILE",
            description = "Lines 'user NAME', 'password WORD', and 'ca FILE' for a server that must prove who it is.")
    private @Nullable Path upsAuth;

    @Option(
            names = "--snapshot-buffer",
            paramLabel = "SIZE",
            description = "How much may be kept of what writers overtake while a snapshot is taken. Default: 256M.")
    private @Nullable String snapshotBuffer;

    @Option(
            names = "--detect-zeroes",
            description = "Store whole chunks of zeroes that are written as holes, which take no memory.")
    private boolean areZeroesDetected;

    @Option(
            names = "--adopt-image",
            description = "Take an image as it is that somebody else changed since its clean stop.")
    private boolean isImageAdopted;

    @Option(
            names = "--accept-torn",
            description =
                    "Take an image as it is that an unclean 'unsafe' left without its memory: it may be a mixture of"
                            + " old and new.")
    private boolean isTornAccepted;

    @Option(
            names = "--discard-ram",
            description = "Give up the memory of a killed daemon, with the changes that only it holds.")
    private boolean isMemoryDiscarded;

    @Option(names = "--read-only", description = "Refuse every change; open IMAGE for reading only.")
    private boolean isReadOnly;

    /** In the environment of a program that is there only to end what another one was told to end. */
    private static final String ENDING = "RAMBACK_UP_ENDING";

    /** env(1), which sets it. */
    private static final Path ENVIRONMENT_PROGRAM = Path.of("/usr/bin/env");

    private final CompletableFuture<Ending> ending = new CompletableFuture<>();
    private final AtomicInteger signalCount = new AtomicInteger();
    private final List<String> arguments;
    private volatile @Nullable Daemon daemon;

    /** @param arguments with which the program was started */
    UpCommand(Shell shell, List<String> arguments) {
        super(shell);
        this.arguments = arguments;
    }

    @Override
    public Integer call() throws Refusal, InterruptedException {
        try (ServiceNotice service = ServiceNotice.start(shell.environment())) {
            try {
                return serve(service);
            } catch (Refusal e) {
                service.failed(e);
                throw e;
            }
        }
    }

    private Integer serve(ServiceNotice service) throws Refusal {
        Daemon.Options options = options();
        shell.signals().onStop(this::onSignal);
        Daemon started;
        try (WorkLine line = new WorkLine(shell)) {
            started = Daemon.start(options, ending::complete, service.hearing(line));
        }
        daemon = started;
        started.warnings().forEach(shell::warn);
        if (options.tls() != null) {
            shell.signals().onHangUp(() -> reloadTls(started));
        }
        warnOfListening(options);
        noteDashboard(started, options);
        StatusReport status = started.status();
        shell.say(status.name() + " ready, " + Quantities.ofSize(status.sizeBytes()) + ", " + status.mode() + ", "
                + started.uri());
        service.serves(started);
        if (shell.environment().containsKey(ENDING)) {
            ending.complete(new Ending.Stop(false));
        }
        Ending asked = ending.join();
        service.ends(started, asked);
        end(started, asked, service);
        return ExitCode.OK;
    }

    private void reloadTls(Daemon running) {
        try {
            running.reloadTls();
            shell.note("TLS: certificate and key were read again, and are in use from now on");
        } catch (Refusal e) {
            shell.warn("TLS: certificate and key were not read again, and the old ones stay in use: " + e.getMessage());
        }
    }

    private void warnOfListening(Daemon.Options options) {
        InetSocketAddress address = options.listen();
        if (address != null
                && !TlsOptions.isRequired(options.tls())
                && !address.getAddress().isLoopbackAddress()) {
            shell.warn("--insecure: NBD on " + listen
                    + " needs no TLS: whoever can read along sees the disk, and whoever" + " can connect changes it");
        }
    }

    /** The token goes to the eyes of whoever sits there, and to no log. */
    private void noteDashboard(Daemon started, Daemon.Options options) {
        String uri = started.httpUri();
        if (uri == null || options.http() == null) {
            return;
        }
        if (!options.http().isLoopback()) {
            shell.warn("--insecure: the dashboard on " + http + " is not encrypted: whoever can read along"
                    + " sees the status, and the token, with which the mode is changed and snapshots are written");
        }
        shell.note(
                Terminal.isError()
                        ? "dashboard " + started.httpUriWithToken()
                        : "dashboard " + uri + " (to change anything: "
                                + options.runDirectory()
                                        .httpToken(options.device().name()) + ")");
    }

    // -------------------------------------------------------------------------------------------------- the options

    /** Checks the syntax of everything, and makes nothing. */
    Daemon.Options options() throws Refusal {
        RunDirectory runDirectory = runDirectory();
        ImageName imageName = ImageFiles.image(image);
        String deviceName = name == null ? DeviceName.ofImage(imageName) : DeviceName.check(name);
        int chunkBytes = chunkBytes();
        DeviceOptions device = new DeviceOptions(
                imageName,
                size("--size", size),
                deviceName,
                mode(),
                intervalNanos(),
                journalOption(),
                ramMode(),
                chunkBytes,
                dirtyMaxBytes(chunkBytes),
                snapshotBufferBytes(chunkBytes),
                maxClients == null ? 256 : Quantities.count("--max-clients", maxClients, 1, CLIENT_COUNT_MAX),
                isReadOnly,
                areZeroesDetected,
                isTornAccepted,
                isImageAdopted,
                isMemoryDiscarded,
                powerOptions(),
                ramDirectory == null ? ImageFiles.RAM_DIRECTORY_DEFAULT : ramDirectory.toAbsolutePath(),
                ImageFiles.stateDirectory(shell.environment()));
        return new Daemon.Options(
                device,
                runDirectory,
                socketPath(runDirectory, deviceName),
                listenAddress(tlsOptions()),
                tlsOptions(),
                isInsecure,
                httpAddress(),
                shell.host(),
                shell.ways(),
                status -> StatusScreen.lines(status, new StatusScreen.Style(false, false)));
    }

    private JournalOption journalOption() throws Refusal {
        OptionalLong sizeBytes = journalSizeBytes();
        if (journal == null) {
            return new JournalOption(true, null, sizeBytes);
        }
        if (journal.equals("none")) {
            if (sizeBytes.isPresent()) {
                throw usage("--journal-size " + journalSize
                        + " is for a journal, and --journal none keeps none; leave one" + " of them out");
            }
            return JournalOption.NONE;
        }
        return new JournalOption(true, ImageFiles.path("--journal", journal), sizeBytes);
    }

    private OptionalLong journalSizeBytes() throws Refusal {
        OptionalLong bytes = size("--journal-size", journalSize);
        if (bytes.isPresent() && (bytes.getAsLong() < JOURNAL_BYTES_MIN || bytes.getAsLong() > JOURNAL_BYTES_MAX)) {
            throw usage("bad --journal-size '" + journalSize + "': must be " + Quantities.ofSize(JOURNAL_BYTES_MIN)
                    + " to " + Quantities.ofSize(JOURNAL_BYTES_MAX));
        }
        return bytes;
    }

    private long intervalNanos() throws Refusal {
        return interval == null
                ? INTERVAL_DEFAULT.toNanos()
                : Quantities.duration("--interval", interval, INTERVAL_MIN, INTERVAL_MAX)
                        .toNanos();
    }

    private static OptionalLong size(String what, @Nullable String text) throws Refusal {
        return text == null ? OptionalLong.empty() : OptionalLong.of(Quantities.sizeBytes(what, text));
    }

    private Mode mode() throws Refusal {
        Mode asked = mode == null ? defaultMode() : ModeWords.parse(mode, false);
        if (asked == Mode.CHECKPOINT && "none".equals(journal)) {
            throw usage("mode checkpoint needs a journal; leave --journal none out, or use writeback, writethrough or"
                    + " unsafe");
        }
        return asked;
    }

    /** A battery makes checkpoint's promise a small one to break; without a journal there is none to make. */
    private Mode defaultMode() {
        return ups != null && !"none".equals(journal) && !isReadOnly ? Mode.CHECKPOINT : Mode.WRITEBACK;
    }

    private PowerOptions powerOptions() throws Refusal {
        if (ups == null) {
            if (upsAuth != null) {
                throw usage("--ups-auth " + upsAuth + " is for a UPS, and none is named; add --ups NAME@HOST[:PORT]");
            }
            return PowerOptions.NONE;
        }
        try {
            return new PowerOptions(
                    UpsAddress.parse(ups),
                    upsAuth == null ? UpsCredentials.NONE : UpsFiles.read(upsAuth.toAbsolutePath()));
        } catch (IllegalArgumentException e) {
            throw usage("bad --ups '" + ups + "': " + e.getMessage() + ", such as ups@localhost");
        }
    }

    private RamMode ramMode() throws Refusal {
        return switch (ram) {
            case null -> RamMode.RESERVE;
            case "reserve" -> RamMode.RESERVE;
            case "sparse" -> RamMode.SPARSE;
            default -> throw usage("bad --ram '" + ram + "'; use reserve or sparse");
        };
    }

    private int chunkBytes() throws Refusal {
        if (chunk == null) {
            return CHUNK_BYTES_MIN;
        }
        long bytes = Quantities.sizeBytes("--chunk", chunk);
        if (Long.bitCount(bytes) != 1 || bytes < CHUNK_BYTES_MIN || bytes > CHUNK_BYTES_MAX) {
            throw usage("bad --chunk '" + chunk + "': must be a power of two from 4K to 1M");
        }
        return (int) bytes;
    }

    private OptionalLong dirtyMaxBytes(int chunkBytes) throws Refusal {
        OptionalLong bytes = size("--dirty-max", dirtyMax);
        long min = (long) DIRTY_CHUNKS_MIN * chunkBytes;
        if (bytes.isPresent() && bytes.getAsLong() < min) {
            throw usage("bad --dirty-max '" + dirtyMax + "': must be at least " + DIRTY_CHUNKS_MIN + " chunks, "
                    + Quantities.ofSize(min));
        }
        return bytes;
    }

    private long snapshotBufferBytes(int chunkBytes) throws Refusal {
        OptionalLong bytes = size("--snapshot-buffer", snapshotBuffer);
        long min = (long) DIRTY_CHUNKS_MIN * chunkBytes;
        if (bytes.isPresent() && (bytes.getAsLong() < min || bytes.getAsLong() > SNAPSHOT_BUFFER_BYTES_MAX)) {
            throw usage("bad --snapshot-buffer '" + snapshotBuffer + "': must be at least " + DIRTY_CHUNKS_MIN
                    + " chunks, " + Quantities.ofSize(min) + ", and at most "
                    + Quantities.ofSize(SNAPSHOT_BUFFER_BYTES_MAX));
        }
        return bytes.orElse(SNAPSHOT_BUFFER_BYTES_DEFAULT);
    }

    private Path socketPath(RunDirectory runDirectory, String deviceName) throws Refusal {
        if (socket == null) {
            return runDirectory.nbdSocket(deviceName);
        }
        if (socket.isEmpty() || socket.indexOf('\0') >= 0) {
            throw usage("bad --socket '" + socket.replace('\0', '?') + "': not a path");
        }
        return Path.of(socket).toAbsolutePath();
    }

    private @Nullable InetSocketAddress listenAddress(@Nullable TlsOptions tlsOptions) throws Refusal {
        return listen == null ? null : ListenAddress.parse(listen, TlsOptions.isRequired(tlsOptions) || isInsecure);
    }

    private @Nullable TlsOptions tlsOptions() throws Refusal {
        TlsMode tlsMode = tlsMode();
        if (tlsMode == TlsMode.OFF) {
            if (tlsCertificate != null || tlsKey != null || tlsAuthority != null) {
                throw usage(
                        "--tls-cert, --tls-key and --tls-ca are for TLS, which --tls off switches off, or which lacks"
                                + " --tls-cert FILE; add that or leave them out");
            }
            return null;
        }
        if (tlsCertificate == null || tlsKey == null) {
            throw usage("TLS needs the server's certificate and its key; "
                    + (tlsCertificate == null ? "--tls-cert" : "--tls-key") + " FILE is missing");
        }
        return new TlsOptions(
                tlsMode,
                ImageFiles.path("--tls-cert", tlsCertificate),
                ImageFiles.path("--tls-key", tlsKey),
                tlsAuthority == null ? null : ImageFiles.path("--tls-ca", tlsAuthority));
    }

    private TlsMode tlsMode() throws Refusal {
        if (tls == null) {
            return tlsCertificate == null ? TlsMode.OFF : TlsMode.REQUIRE;
        }
        return TlsMode.ofWord(tls).orElseThrow(() -> usage("bad --tls '" + tls + "': must be off, allow or require"));
    }

    private @Nullable HttpAddress httpAddress() throws Refusal {
        if (http == null && listen == null && isInsecure) {
            throw usage("--insecure is for --http HOST:PORT or --listen HOST:PORT, and neither is there; leave it out");
        }
        return http == null ? null : ListenAddress.parseHttp(http, isInsecure);
    }

    // ------------------------------------------------------------------------------------------------- the stop

    private void onSignal() {
        ending.complete(new Ending.Stop(false));
        if (signalCount.incrementAndGet() == 1) {
            return;
        }
        Daemon running = daemon;
        if (running == null) {
            shell.note("still starting; stops as soon as it has started");
            return;
        }
        try {
            StatusReport status = running.status();
            shell.note(status.name() + " still has " + Quantities.ofBytes(status.dirtyBytes()) + " ("
                    + Quantities.ofCount(status.dirtyChunks()) + " chunks) to write to " + status.backingUri()
                    + "; goes on flushing (a kill -9 would leave them out of it)"
                    + (status.backingLastError() == null ? "" : "; the last error was: " + status.backingLastError()));
        } catch (Refusal e) {
            shell.note("everything is in the image; about to end");
        }
    }

    private void end(Daemon running, Ending asked, ServiceNotice service) throws Refusal {
        switch (asked) {
            case Ending.Stop(boolean keepsMemory) -> stop(running, false, keepsMemory);
            case Ending.HandOver(String launcher, int layoutVersion) -> {
                if (layoutVersion == Successor.LAYOUT_VERSION) {
                    running.handOver();
                    service.handsOver();
                } else {
                    stopForSuccessor(running);
                    service.handsOver();
                    if (signalCount.get() > 0) {
                        if (running.isLeftAttached()) {
                            becomeEnding(launcher, running);
                        }
                        return; // who asks for the end meanwhile has it: all is in the image
                    }
                }
                shell.successors()
                        .become(Path.of(launcher), Successor.argumentsOf(arguments), running.keptDescriptors());
            }
        }
    }

    /**
     * What was left for a successor only a successor can take apart: nobody else serves what filesystems still have to
     * write. It is told by its environment, since one of another version might not know an argument.
     */
    private void becomeEnding(String launcher, Daemon running) throws Refusal {
        List<String> command = new ArrayList<>(List.of(ENDING + "=1", launcher));
        command.addAll(Successor.argumentsOf(arguments));
        shell.successors().become(ENVIRONMENT_PROGRAM, command, running.keptDescriptors());
    }

    /** What is left for the operator to do is no reason to leave a block device that is in use without a server. */
    private void stopForSuccessor(Daemon running) throws Refusal {
        try {
            stop(running, true, false);
        } catch (Refusal e) {
            if (!running.isLeftAttached()) {
                throw e;
            }
            shell.warn(String.valueOf(e.getMessage()));
        }
    }

    private void stop(Daemon running, boolean isSucceeded, boolean keepsMemory) throws Refusal {
        try (Progress _ = Progress.start(shell, running::status)) {
            running.stop(isSucceeded, keepsMemory);
        }
    }
}
