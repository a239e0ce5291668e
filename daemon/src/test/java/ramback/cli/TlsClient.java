package ramback.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.DataInputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.util.ArrayList;
import java.util.List;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;
import ramback.protocol.Protocol;

/** An NBD client that says STARTTLS, trusts one certificate, and looks around. */
final class TlsClient {

    private TlsClient() {}

    /**
     * Returns the names that LIST shows.
     *
     * @throws IOException when the server has another certificate, or no TLS
     */
    static List<String> list(int port, Certificate trusted) throws IOException, GeneralSecurityException {
        try (Socket plain = new Socket(InetAddress.getLoopbackAddress(), port)) {
            DataInputStream in = new DataInputStream(plain.getInputStream());
            in.readNBytes(18);
            plain.getOutputStream().write(ByteBuffer.allocate(4).putInt(3).array());
            option(plain.getOutputStream(), Protocol.OPT_STARTTLS);
            assertThat(reply(in)).isEqualTo(new Reply(Protocol.REP_ACK, ""));
            try (SSLSocket encrypted =
                    (SSLSocket) context(trusted).getSocketFactory().createSocket(plain, "localhost", port, true)) {
                return names(encrypted);
            }
        }
    }

    private static SSLContext context(Certificate trusted) throws IOException, GeneralSecurityException {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        store.setCertificateEntry("server", trusted);
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(store);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, trust.getTrustManagers(), null);
        return context;
    }

    private static List<String> names(SSLSocket encrypted) throws IOException {
        option(encrypted.getOutputStream(), Protocol.OPT_LIST);
        DataInputStream in = new DataInputStream(encrypted.getInputStream());
        List<String> names = new ArrayList<>();
        for (Reply reply = reply(in); reply.type() == Protocol.REP_SERVER; reply = reply(in)) {
            names.add(reply.name());
        }
        return names;
    }

    private record Reply(int type, String name) {}

    private static void option(OutputStream out, int option) throws IOException {
        out.write(ByteBuffer.allocate(16)
                .putLong(Protocol.IHAVEOPT)
                .putInt(option)
                .putInt(0)
                .array());
    }

    private static Reply reply(DataInputStream in) throws IOException {
        assertThat(in.readLong()).isEqualTo(Protocol.OPTION_REPLY_MAGIC);
        in.readInt();
        int type = in.readInt();
        ByteBuffer data = ByteBuffer.wrap(in.readNBytes(in.readInt()));
        byte[] name = new byte[data.hasRemaining() ? data.getInt() : 0];
        data.get(name);
        return new Reply(type, new String(name, UTF_8));
    }
}
