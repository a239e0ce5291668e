package ramback.power;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import javax.net.ssl.SSLContext;

/** A NUT server of a test's: says what it is told to, and notes what it was asked. */
final class FakeUpsd implements AutoCloseable {

    final Map<String, String> variables = new ConcurrentHashMap<>(Map.of("ups.status", "OL", "battery.runtime", "600"));
    final List<String> asked = new CopyOnWriteArrayList<>();
    /** What is answered to a request that begins so, instead of what would be. */
    final Map<String, String> answers = new ConcurrentHashMap<>();
    /** What was asked where nobody else can read it. */
    final List<String> askedEncrypted = new CopyOnWriteArrayList<>();
    /** With what it answers STARTTLS, or null: then it has no encryption. */
    volatile SSLContext tls;
    /** Whether nothing is answered at all. */
    volatile boolean isHung;

    private final ServerSocket server;
    private final Set<Socket> clients = ConcurrentHashMap.newKeySet();

    FakeUpsd() throws IOException {
        this(0);
    }

    FakeUpsd(int port) throws IOException {
        server = new ServerSocket();
        server.setReuseAddress(true);
        server.bind(new java.net.InetSocketAddress(InetAddress.getLoopbackAddress(), port));
        Thread.ofVirtual().start(this::accept);
    }

    int port() {
        return server.getLocalPort();
    }

    UpsAddress address() {
        return new UpsAddress("ups", "127.0.0.1", port());
    }

    private void accept() {
        while (!server.isClosed()) {
            try {
                Socket client = server.accept();
                clients.add(client);
                Thread.ofVirtual().start(() -> serve(client));
            } catch (IOException e) {
                return; // closed
            }
        }
    }

    private void serve(Socket client) {
        try (client) {
            if (converse(client, asked)) {
                try (Socket encrypted = tls.getSocketFactory().createSocket(client, null, true)) {
                    converse(encrypted, askedEncrypted);
                }
            }
        } catch (IOException e) {
            // The client has gone, or this server has.
        } finally {
            clients.remove(client);
        }
    }

    /** Answers until the client has gone, or encryption is agreed on; returns whether it is. */
    private boolean converse(Socket client, List<String> notes) throws IOException {
        BufferedReader in = new BufferedReader(new InputStreamReader(client.getInputStream(), UTF_8));
        OutputStream out = client.getOutputStream();
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            // In this order: whoever waits for a request and then changes the answers does not change the one to that.
            String answer = isHung ? "" : answer(line);
            notes.add(line);
            out.write(answer.getBytes(UTF_8));
            out.flush();
            if (line.equals("STARTTLS") && answer.startsWith("OK STARTTLS") && tls != null) {
                return true;
            }
        }
        return false;
    }

    private String answer(String line) {
        for (Map.Entry<String, String> each : answers.entrySet()) {
            if (line.startsWith(each.getKey())) {
                return each.getValue() + "\n";
            }
        }
        if (line.equals("STARTTLS")) {
            return tls == null ? "ERR FEATURE-NOT-CONFIGURED\n" : "OK STARTTLS\n";
        }
        if (!line.equals("LIST VAR ups")) {
            return "OK\n";
        }
        StringBuilder text = new StringBuilder("BEGIN LIST VAR ups\n");
        variables.forEach((name, value) -> text.append("VAR ups ")
                .append(name)
                .append(" \"")
                .append(value.replace("\\", "\\\\").replace("\"", "\\\""))
                .append("\"\n"));
        return text.append("END LIST VAR ups\n").toString();
    }

    /** Cuts off whoever is connected. */
    void cutOff() throws IOException {
        for (Socket client : clients) {
            client.close();
        }
    }

    @Override
    public void close() throws IOException {
        server.close();
        cutOff();
    }
}
