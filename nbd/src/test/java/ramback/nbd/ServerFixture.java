package ramback.nbd;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.assertj.core.api.Assertions;

/** A server on a socket of its own, with everything the test opens; checks at the end that nothing is left. */
final class ServerFixture implements AutoCloseable {

    final RamDevice device;
    final NbdServer server;
    final Path directory;
    final Path socket;
    private final List<NbdClient> clients = new ArrayList<>();

    ServerFixture(RamDevice device, ServerLimits limits) throws IOException {
        this(device, limits, List.of(new Export("disk", "a disk for tests", device)));
    }

    ServerFixture(RamDevice device, ServerLimits limits, List<Export> exports) throws IOException {
        this.device = device;
        this.directory = Files.createTempDirectory("nbd");
        this.socket = directory.resolve("s");
        this.server = new NbdServer(exports, limits);
        server.listenUnix(socket);
    }

    static ServerFixture ofSize(long sizeBytes) throws IOException {
        return new ServerFixture(RamDevice.ofSize(sizeBytes), ServerLimits.DEFAULT);
    }

    NbdClient connect() throws IOException {
        return kept(NbdClient.connect(socket));
    }

    NbdClient transmitting() throws IOException {
        return kept(NbdClient.transmitting(socket, "disk"));
    }

    private NbdClient kept(NbdClient client) {
        clients.add(client);
        return client;
    }

    /** Waits until the server has no client any more. */
    void awaitNoClient() throws InterruptedException {
        while (device.openSessionCount.get() > 0 || server.clientCount() > 0) {
            Thread.sleep(1);
        }
    }

    @Override
    public void close() throws IOException {
        clients.forEach(NbdClient::close);
        server.close();
        Assertions.assertThat(device.openSessionCount).as("sessions left open").hasValue(0);
        try (var left = Files.list(directory)) {
            Assertions.assertThat(left.toList()).as("files left").isEmpty();
        }
        Files.delete(directory);
    }
}
