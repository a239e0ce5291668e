package ramback.cli;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.io.InputStream;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import org.jspecify.annotations.Nullable;
import ramback.control.RunDirectory;

/** Something in a run directory that answers on a control socket what a test wants it to, or nothing. */
final class FakeDaemon implements AutoCloseable {

    /** What it answers to a path; null for nothing, for as long as the client waits. */
    interface Answers {
        @Nullable
        String to(String path, String body) throws InterruptedException;
    }

    private final Path directory;
    private final ServerSocketChannel server;
    private final Answers answers;
    private final BlockingQueue<String> requests = new LinkedBlockingQueue<>();
    private final BlockingQueue<SocketChannel> kept = new LinkedBlockingQueue<>();

    FakeDaemon(RunDirectory runDirectory, String name, Answers answers) throws IOException {
        this.directory = Files.createDirectories(runDirectory.of(name));
        this.answers = answers;
        Files.createFile(directory.resolve("lock"));
        Files.writeString(directory.resolve("pid"), ProcessHandle.current().pid() + "\n");
        this.server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        server.bind(UnixDomainSocketAddress.of(runDirectory.controlSocket(name)));
        Thread.ofPlatform().daemon().start(this::accept);
    }

    /** One that is well, and does at once what it is asked. */
    static FakeDaemon well(RunDirectory runDirectory, String name) throws IOException {
        return new FakeDaemon(runDirectory, name, (path, _) -> path.equals("/status") ? Answer.json(name, "") : "{}");
    }

    /** One that takes connections and says nothing. */
    static FakeDaemon silent(RunDirectory runDirectory, String name) throws IOException {
        return new FakeDaemon(runDirectory, name, (_, _) -> null);
    }

    /** The next request that is no question for the status: its path and body. */
    String awaitRequest() throws InterruptedException {
        return requests.take();
    }

    private void accept() {
        try {
            while (true) {
                SocketChannel client = server.accept();
                kept.add(client);
                Thread.ofPlatform().daemon().start(() -> serve(client));
            }
        } catch (IOException e) {
            // Closed.
        }
    }

    private void serve(SocketChannel client) {
        try {
            InputStream in = Channels.newInputStream(client);
            StringBuilder head = new StringBuilder();
            while (head.indexOf("\r\n\r\n") < 0) {
                head.append((char) in.read());
            }
            String path = head.toString().split(" ", 3)[1];
            int length = Integer.parseInt(head.toString()
                    .replaceAll("(?s).*Content-Length: (\\d+).*", "$1")
                    .strip());
            String body = new String(in.readNBytes(length), UTF_8);
            if (!path.equals("/status")) {
                requests.add(path + " " + body.strip());
            }
            String answer = answers.to(path, body);
            if (answer == null) {
                return; // and the connection stays
            }
            boolean isRefusal = answer.startsWith("{\"error\"");
            byte[] bytes = answer.getBytes(UTF_8);
            client.write(ByteBuffer.wrap(
                    ("HTTP/1.1 " + (isRefusal ? "500" : "200") + " x\r\nContent-Length: " + bytes.length + "\r\n\r\n")
                            .getBytes(UTF_8)));
            client.write(ByteBuffer.wrap(bytes));
            client.close();
        } catch (IOException | InterruptedException e) {
            // The client, or the test, has enough.
        }
    }

    @Override
    public void close() throws IOException {
        server.close();
        for (SocketChannel client : kept) {
            client.close();
        }
        Files.deleteIfExists(directory.resolve("lock")); // first: without it there is no device
        Files.deleteIfExists(directory.resolve("control.sock"));
        Files.deleteIfExists(directory.resolve("pid"));
        Files.deleteIfExists(directory);
    }
}
