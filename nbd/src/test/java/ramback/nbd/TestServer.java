package ramback.nbd;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * Our server over memory, for the tests of other packages: export {@code disk} on a Unix socket of its own, or one
 * that a test names.
 */
public final class TestServer implements AutoCloseable {

    private final RamDevice device;
    private final NbdServer server;
    private final Path socket;
    private final boolean isOwnDirectory;

    private TestServer(String export, Path socket, boolean isOwnDirectory, long sizeBytes, boolean isReadOnly)
            throws IOException {
        this.device = new RamDevice(export, Arena.ofAuto().allocate(sizeBytes), 4096, isReadOnly, 16, 64);
        this.server = new NbdServer(List.of(new Export(export, "a disk for tests", device)), ServerLimits.DEFAULT);
        this.socket = socket;
        this.isOwnDirectory = isOwnDirectory;
        server.listenUnix(socket);
    }

    public static TestServer ofSize(long sizeBytes) throws IOException {
        return new TestServer("disk", ownSocket(), true, sizeBytes, false);
    }

    public static TestServer readOnly(long sizeBytes) throws IOException {
        return new TestServer("disk", ownSocket(), true, sizeBytes, true);
    }

    public static TestServer named(String export) throws IOException {
        return new TestServer(export, ownSocket(), true, 1 << 20, false);
    }

    public static TestServer at(Path socket, long sizeBytes) throws IOException {
        return new TestServer("disk", socket, false, sizeBytes, false);
    }

    public static TestServer readOnlyAt(Path socket, long sizeBytes) throws IOException {
        return new TestServer("disk", socket, false, sizeBytes, true);
    }

    private static Path ownSocket() throws IOException {
        return Files.createTempDirectory("nbd").resolve("s");
    }

    public Path socket() {
        return socket;
    }

    public int clientCount() {
        return server.clientCount();
    }

    /** Waits until the server has no client any more. */
    public void awaitNoClient() throws InterruptedException {
        while (device.openSessionCount.get() > 0 || server.clientCount() > 0) {
            Thread.sleep(1);
        }
    }

    @Override
    public void close() throws IOException {
        server.close();
        if (isOwnDirectory) {
            Files.delete(socket.getParent());
        }
    }
}
