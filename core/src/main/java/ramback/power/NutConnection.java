package ramback.power;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.UnknownHostException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import javax.net.ssl.SSLSocket;

/**
 * A conversation with a NUT server, upsd: lines of words, as RFC 9271 has them. By hand, because the one library there is for
 * Java has no encryption and calls itself experimental (docs/decisions.md). For one thread, but anybody may close it, which
 * ends what that one waits for.
 *
 * <pre>
 *   STARTTLS                  OK STARTTLS, and TLS from then on; or ERR FEATURE-NOT-CONFIGURED
 *   USERNAME u, PASSWORD p    OK; whether they are right shows only when something needs them
 *   LOGIN ups                 OK, or ERR ACCESS-DENIED
 *   LIST VAR ups              BEGIN LIST VAR ups, a line VAR ups name "value" each, END LIST VAR ups
 * </pre>
 */
final class NutConnection implements AutoCloseable {

    private static final int LINE_BYTES_MAX = 4096;
    private static final int VARIABLE_COUNT_MAX = 4096;
    /** Of the addresses that a name has, so many are tried. */
    private static final int ADDRESS_COUNT_MAX = 8;

    private Socket socket;
    private InputStream in;
    private OutputStream out;
    private final byte[] buffer = new byte[8192];
    private int bufferAt;
    private int bufferEnd;
    private boolean isIntroduced;

    private NutConnection(Socket socket) throws IOException {
        this.socket = socket;
        this.in = socket.getInputStream();
        this.out = socket.getOutputStream();
    }

    /**
     * Connects, to the first of the host's addresses at which somebody listens: a name may have one of each kind of IP, and the
     * server one alone.
     *
     * @param timeout for the connection, whatever number of addresses are tried, and then for each answer
     */
    static NutConnection open(UpsAddress address, Duration timeout) throws IOException {
        return open(InetAddress.getAllByName(address.host()), address.port(), timeout);
    }

    static NutConnection open(InetAddress[] addresses, int port, Duration timeout) throws IOException {
        int count = Math.min(addresses.length, ADDRESS_COUNT_MAX);
        int timeoutMillis = Math.toIntExact(timeout.toMillis());
        IOException failure = null;
        for (int index = 0; index < count; index++) {
            try {
                return open(new InetSocketAddress(addresses[index], port), timeoutMillis / count, timeoutMillis);
            } catch (IOException e) {
                if (failure == null) {
                    failure = e;
                } else {
                    failure.addSuppressed(e);
                }
            }
        }
        throw failure == null ? new UnknownHostException() : failure;
    }

    private static NutConnection open(InetSocketAddress address, int connectMillis, int timeoutMillis)
            throws IOException {
        Socket socket = new Socket();
        try {
            socket.connect(address, connectMillis);
            socket.setSoTimeout(timeoutMillis);
            socket.setTcpNoDelay(true);
            return new NutConnection(socket);
        } catch (IOException | RuntimeException e) {
            socket.close();
            throw e;
        }
    }

    /**
     * Encrypts the connection where the server offers that.
     *
     * @param tls what the server's certificate must be like
     * @return whether it is encrypted now
     */
    boolean startTls(NutTls tls) throws IOException {
        try {
            ask("STARTTLS");
        } catch (NutException e) {
            if (e.code().startsWith("FEATURE-NOT-") || e.code().equals("UNKNOWN-COMMAND")) {
                return false;
            }
            throw e;
        }
        if (bufferAt < bufferEnd) {
            // Somebody in between would have us take for the server's what was said in the clear.
            throw new NutException("", "more than an answer came before encryption began");
        }
        SSLSocket encrypted = tls.over(socket);
        socket = encrypted;
        in = encrypted.getInputStream();
        out = encrypted.getOutputStream();
        return true;
    }

    /** Says who we are, and that we depend on this UPS. Who was refused may ask again: the server takes a name only once. */
    void logIn(String user, String password, String ups) throws IOException {
        if (!isIntroduced) {
            ask("USERNAME " + quoted(user));
            ask("PASSWORD " + quoted(password));
            isIntroduced = true;
        }
        ask("LOGIN " + ups);
    }

    /** All variables of a UPS. */
    Map<String, String> variables(String ups) throws IOException {
        send("LIST VAR " + ups);
        List<String> begin = receive();
        if (!begin.equals(List.of("BEGIN", "LIST", "VAR", ups))) {
            throw strange(begin);
        }
        Map<String, String> variables = new LinkedHashMap<>();
        List<String> line = receive();
        while (!line.equals(List.of("END", "LIST", "VAR", ups))) {
            if (line.size() != 4 || !line.getFirst().equals("VAR") || variables.size() == VARIABLE_COUNT_MAX) {
                throw strange(line);
            }
            variables.put(line.get(2), line.get(3));
            line = receive();
        }
        return variables;
    }

    private void ask(String request) throws IOException {
        send(request);
        List<String> answer = receive();
        if (!answer.getFirst().equals("OK")) {
            throw strange(answer);
        }
    }

    private void send(String line) throws IOException {
        out.write((line + "\n").getBytes(UTF_8));
        out.flush();
    }

    private List<String> receive() throws IOException {
        List<String> words = words(line());
        if (words.isEmpty()) {
            throw strange(words);
        }
        if (words.getFirst().equals("ERR")) {
            String code = words.size() > 1 ? words.get(1) : "without a reason";
            throw new NutException(code, "the server says " + ForeignText.shown(code));
        }
        return words;
    }

    private static NutException strange(List<String> answer) {
        return new NutException("", "no answer of a NUT server: " + ForeignText.shown(String.join(" ", answer)));
    }

    private String line() throws IOException {
        byte[] line = new byte[LINE_BYTES_MAX];
        int length = 0;
        for (byte next = next(); next != '\n'; next = next()) {
            if (length == line.length) {
                throw new NutException("", "a line of more than " + LINE_BYTES_MAX + " bytes");
            }
            line[length++] = next;
        }
        return new String(line, 0, length, UTF_8).strip();
    }

    private byte next() throws IOException {
        if (bufferAt == bufferEnd) {
            int count = in.read(buffer);
            if (count < 0) {
                throw new EOFException("the server hung up");
            }
            bufferAt = 0;
            bufferEnd = count;
        }
        return buffer[bufferAt++];
    }

    /** The words of a line: bare, or in quotes, within which a backslash stands before a quote or a backslash. */
    static List<String> words(String line) throws NutException {
        List<String> words = new ArrayList<>();
        int at = 0;
        while (at < line.length()) {
            char c = line.charAt(at);
            if (c == ' ') {
                at++;
            } else if (c == '"') {
                StringBuilder word = new StringBuilder();
                at++;
                while (at < line.length() && line.charAt(at) != '"') {
                    if (line.charAt(at) == '\\') {
                        at++;
                    }
                    if (at < line.length()) {
                        word.append(line.charAt(at));
                    }
                    at++;
                }
                if (at >= line.length()) {
                    throw new NutException("", "a quote is not closed");
                }
                at++;
                words.add(word.toString());
            } else {
                int end = line.indexOf(' ', at);
                end = end < 0 ? line.length() : end;
                words.add(line.substring(at, end));
                at = end;
            }
        }
        return words;
    }

    private static String quoted(String word) {
        return "\"" + word.replace("\\", "\\\\").replace("\"", "\\\"") + "\"";
    }

    @Override
    public void close() throws IOException {
        socket.close();
    }
}
