package ramback.nbd;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIOException;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Where a server listens: the socket file's rules, and TCP. */
@Timeout(60)
final class ListenTest {

    private final RamDevice device = RamDevice.ofSize(1 << 20);
    private final NbdServer server = new NbdServer(List.of(new Export("disk", "", device)), ServerLimits.DEFAULT);
    private Path directory = null;

    @BeforeEach
    void makeDirectory() throws IOException {
        directory = Files.createTempDirectory("n");
    }

    @AfterEach
    void stop() throws IOException {
        server.close();
        try (var left = Files.list(directory)) {
            assertThat(left.toList()).as("files left").isEmpty();
        }
        Files.delete(directory);
    }

    private void expectServed(Path socket) throws IOException {
        try (NbdClient client = NbdClient.transmitting(socket, "disk")) {
            assertThat(client.read(1, 0, 10)).hasSize(10);
        }
    }

    @Test
    void theSocketIsTheOwnersAlone() throws IOException {
        Path socket = directory.resolve("nbd.sock");
        server.listenUnix(socket);
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(socket)))
                .isEqualTo("rw-------");
        try (var files = Files.list(directory)) {
            assertThat(files).as("nothing else is left").containsExactly(socket);
        }
        expectServed(socket);
    }

    @Test
    void aDeadServersSocketIsReplaced() throws IOException {
        Path socket = directory.resolve("nbd.sock");
        try (ServerSocketChannel dead = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            dead.bind(UnixDomainSocketAddress.of(socket));
        }
        assertThat(socket).exists();
        server.listenUnix(socket);
        expectServed(socket);
    }

    @Test
    void aLiveServersSocketIsRefusedAndLeftAlone() throws IOException {
        Path socket = directory.resolve("nbd.sock");
        server.listenUnix(socket);
        try (NbdServer second = new NbdServer(List.of(new Export("other", "", device)), ServerLimits.DEFAULT)) {
            assertThatIOException()
                    .isThrownBy(() -> second.listenUnix(socket))
                    .withMessageContaining("in use by a live server")
                    .withMessageContaining(socket.toString());
        }
        expectServed(socket);
    }

    @Test
    void aFileThatIsNotASocketIsRefusedAndLeftAlone() throws IOException {
        Path file = Files.writeString(directory.resolve("notes"), "mine");
        assertThatIOException()
                .isThrownBy(() -> server.listenUnix(file))
                .withMessageContaining("exists and is not a socket");
        assertThat(file).hasContent("mine");
        Files.delete(file);
    }

    @Test
    void aPathOf107BytesServesAndOneMoreIsRefused() throws IOException {
        String prefix = directory + "/";
        Path longest = Path.of(prefix + "s".repeat(107 - prefix.length()));
        server.listenUnix(longest);
        Path shortcut = Files.createSymbolicLink(directory.resolve("l"), longest); // Java connects to 106 bytes at most
        expectServed(shortcut);
        try (NbdServer second = new NbdServer(List.of(new Export("other", "", device)), ServerLimits.DEFAULT)) {
            assertThatIOException()
                    .isThrownBy(() -> second.listenUnix(longest))
                    .withMessageContaining("in use by a live server");
        }
        Files.delete(shortcut);
        assertThatIOException()
                .isThrownBy(() -> server.listenUnix(Path.of(longest + "x")))
                .withMessageContaining("108 bytes long, at most 107");
    }

    @Test
    void aShortNameInALongDirectoryServes() throws IOException {
        String prefix = directory + "/";
        Path deep = Files.createDirectory(Path.of(prefix + "d".repeat(107 - prefix.length() - 2)));
        Path socket = deep.resolve("s");
        server.listenUnix(socket);
        Path shortcut = Files.createSymbolicLink(directory.resolve("l"), socket);
        expectServed(shortcut);
        server.close();
        Files.delete(shortcut);
        Files.delete(deep);
    }

    @Test
    void aRelativePathServes() throws IOException {
        Path socket = Path.of("").toAbsolutePath().relativize(directory).resolve("nbd.sock");
        server.listenUnix(socket);
        expectServed(directory.resolve("nbd.sock"));
    }

    @Test
    void aPathsLengthIsCountedInBytes() {
        String prefix = directory + "/";
        Path path = Path.of(prefix + "\u00fc".repeat((108 - prefix.length()) / 2 + 1));
        assertThatIOException().isThrownBy(() -> server.listenUnix(path)).withMessageContaining("at most 107");
    }

    @Test
    void aMissingDirectoryIsSaid() {
        assertThatIOException()
                .isThrownBy(() -> server.listenUnix(directory.resolve("none/nbd.sock")))
                .withMessageContaining("no directory for the socket");
    }

    @Test
    void aStopLeavesASocketThatIsNotItsOwnAnyMore() throws IOException {
        Path socket = directory.resolve("nbd.sock");
        server.listenUnix(socket);
        Files.delete(socket);
        Files.writeString(socket, "somebody else's");
        server.close();
        assertThat(socket).hasContent("somebody else's");
        Files.delete(socket);
    }

    @Test
    void aStoppedServerListensNoMore() throws IOException {
        server.close();
        assertThatIOException()
                .isThrownBy(() -> server.listenUnix(directory.resolve("s")))
                .withMessageContaining("stopping");
    }

    @Test
    void severalListenersServeOneSetOfExports() throws IOException {
        Path first = directory.resolve("a");
        Path second = directory.resolve("b");
        server.listenUnix(first);
        server.listenUnix(second);
        InetSocketAddress tcp = server.listenTcp(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), false);
        try (NbdClient writer = NbdClient.connect(tcp).greet(3)) {
            writer.go("");
            writer.write(1, 5, new byte[] {1, 2, 3});
            writer.expect(1, 0);
        }
        try (NbdClient one = NbdClient.transmitting(first, "disk");
                NbdClient two = NbdClient.transmitting(second, "disk")) {
            assertThat(one.read(1, 4, 5)).containsExactly(0, 1, 2, 3, 0);
            assertThat(two.read(1, 4, 5)).containsExactly(0, 1, 2, 3, 0);
            assertThat(server.clientCount()).isGreaterThanOrEqualTo(2);
        }
    }

    @Test
    void aPortInUseIsSaid() throws IOException {
        InetSocketAddress tcp = server.listenTcp(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), false);
        assertThatIOException()
                .isThrownBy(() -> server.listenTcp(tcp, false))
                .withMessageContaining("cannot listen on")
                .withMessageContaining(":" + tcp.getPort())
                .withMessageContaining("choose another port");
    }

    @Test
    void onlyTheLoopbackIsServedWithoutTls() {
        assertThatIOException()
                .isThrownBy(() -> server.listenTcp(new InetSocketAddress("0.0.0.0", 0), false))
                .withMessageContaining("loopback only");
        assertThatIOException()
                .isThrownBy(() -> server.listenTcp(InetSocketAddress.createUnresolved("no.such.host", 1), false))
                .withMessageContaining("unknown host");
    }
}
