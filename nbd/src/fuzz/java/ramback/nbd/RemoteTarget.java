package ramback.nbd;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** A daemon that serves one device and has no other client: its device is read through the good client. */
final class RemoteTarget implements FuzzTarget {

    private static final int KEPT_BYTES = 8192;
    private static final int READ_BYTES_MAX = 1 << 20;
    private static final long WAIT_SECONDS = 60;

    private static final Pattern REQUEST_THREAD = Pattern.compile("nbd-[0-9]");

    private final Path socket;
    private final Path tasks;
    private final SocketChannel asking;
    private final ByteBuffer answer = ByteBuffer.allocate(1 << 16);
    private final NbdClient goodClient;
    private final FuzzExport export;
    private boolean beside;

    /**
     * Connects.
     *
     * @param control the daemon's control socket
     * @param pid the daemon
     * @param description as nbdinfo shows it
     * @param generation as the status tells it
     * @param chunkBytes what the device was started with
     */
    RemoteTarget(Path socket, Path control, long pid, String name, String description, long generation, int chunkBytes)
            throws IOException {
        this.socket = socket;
        this.tasks = Path.of("/proc", Long.toString(pid), "task");
        this.asking = SocketChannel.open(UnixDomainSocketAddress.of(control));
        int sizeBytes;
        try (NbdClient asking = NbdClient.connect(socket)) {
            asking.greet(3);
            ByteBuffer info =
                    asking.option(6, NbdClient.infoData(name)).getFirst().buffer();
            sizeBytes = Math.toIntExact(info.getLong(2));
        }
        goodClient = NbdClient.transmitting(socket, name);
        int keptBegin = sizeBytes / 2;
        export = new FuzzExport(
                name,
                description,
                generation,
                chunkBytes,
                false,
                true,
                false,
                new DiskModel(read(sizeBytes)),
                FuzzExport.Faults.WAITS,
                keptBegin,
                keptBegin + KEPT_BYTES,
                () -> beside,
                false);
    }

    private byte[] read(int sizeBytes) throws IOException {
        byte[] contents = new byte[sizeBytes];
        for (int at = 0; at < sizeBytes; at += READ_BYTES_MAX) {
            byte[] part = goodClient.read(at, at, Math.min(READ_BYTES_MAX, sizeBytes - at));
            System.arraycopy(part, 0, contents, at, part.length);
        }
        return contents;
    }

    @Override
    public Path socket() {
        return socket;
    }

    @Override
    public List<FuzzExport> exports() {
        return List.of(export, export.view());
    }

    @Override
    public TlsMode tls() {
        return TlsMode.OFF;
    }

    @Override
    public NbdClient goodClient() {
        return goodClient;
    }

    @Override
    public boolean canRefuse() {
        return false;
    }

    @Override
    public void prepare(Reading.Availability availability, boolean newBeside) {
        beside = newBeside;
    }

    @Override
    public void awaitAlone() throws IOException {
        long deadlineNanos = System.nanoTime() + WAIT_SECONDS * 1_000_000_000;
        while (!status().contains("\"clients\":1,") || connectionCount() > 1) {
            if (System.nanoTime() > deadlineNanos) {
                throw new FuzzFailure("a client is left that has gone " + WAIT_SECONDS + " s ago");
            }
            LockSupport.parkNanos(100_000);
        }
    }

    /** Connections that have a thread, those too that have not taken an export yet: the status counts clients only. */
    private long connectionCount() throws IOException {
        try (Stream<Path> all = Files.list(tasks)) {
            return all.filter(RemoteTarget::servesConnection).count();
        }
    }

    private static boolean servesConnection(Path task) {
        try {
            return REQUEST_THREAD
                    .matcher(Files.readString(task.resolve("comm")))
                    .lookingAt();
        } catch (IOException e) {
            return false; // it has just ended
        }
    }

    /** Asks on the connection that was opened for it; the answer is one line of JSON. */
    private String status() throws IOException {
        asking.write(ByteBuffer.wrap("GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n".getBytes(UTF_8)));
        answer.clear();
        String said = "";
        while (!said.contains("}\n")) {
            if (asking.read(answer) < 0) {
                throw new FuzzFailure("the daemon does not say its status any more");
            }
            said = UTF_8.decode(answer.duplicate().flip()).toString();
        }
        return said;
    }

    @Override
    public MemorySegment contents(FuzzExport ignored) throws IOException {
        return MemorySegment.ofArray(read(export.sizeBytes()));
    }

    /** Writes what the device holds to a file: what its image must hold after a clean stop. */
    void save(Path file) throws IOException {
        Files.write(file, export.disk().part(0, export.sizeBytes()));
    }

    @Override
    public void close() throws IOException {
        asking.close();
        goodClient.close();
    }
}
