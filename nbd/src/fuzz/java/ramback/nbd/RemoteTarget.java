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

/** A daemon that serves one device and has no other client: its device is read through the good client. */
final class RemoteTarget implements FuzzTarget {

    private static final int KEPT_BYTES = 8192;
    private static final int READ_BYTES_MAX = 1 << 20;
    private static final long WAIT_SECONDS = 60;

    private final Path socket;
    private final Path control;
    private final NbdClient goodClient;
    private final FuzzExport export;
    private boolean beside;

    /**
     * Connects.
     *
     * @param control the daemon's control socket
     * @param description as nbdinfo shows it
     * @param chunkBytes what the device was started with
     */
    RemoteTarget(Path socket, Path control, String name, String description, int chunkBytes) throws IOException {
        this.socket = socket;
        this.control = control;
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
                chunkBytes,
                false,
                true,
                false,
                new DiskModel(read(sizeBytes)),
                FuzzExport.Faults.WAITS,
                keptBegin,
                keptBegin + KEPT_BYTES,
                () -> beside);
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
        return List.of(export);
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
        while (!status().contains("\"clients\":1,")) {
            if (System.nanoTime() > deadlineNanos) {
                throw new FuzzFailure("a client is left that has gone " + WAIT_SECONDS + " s ago");
            }
            Thread.yield();
        }
    }

    private String status() throws IOException {
        try (SocketChannel channel = SocketChannel.open(UnixDomainSocketAddress.of(control))) {
            channel.write(ByteBuffer.wrap(
                    "GET /status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".getBytes(UTF_8)));
            ByteBuffer answer = ByteBuffer.allocate(1 << 16);
            while (channel.read(answer) > 0) {
                // until it closes
            }
            return UTF_8.decode(answer.flip()).toString();
        }
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
    public void close() {
        goodClient.close();
    }
}
