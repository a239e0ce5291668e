package ramback.power;

import java.io.IOException;
import java.net.Socket;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.cert.X509Certificate;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManager;
import javax.net.ssl.X509ExtendedTrustManager;
import ramback.tls.PemCertificates;

/**
 * TLS to a NUT server. With an authority the server must prove that it is the host that was named; without one the
 * connection is encrypted and nothing is proven, which is what NUT's own clients do unless told otherwise: it keeps a password
 * from those who only listen.
 */
final class NutTls {

    private final SSLContext context;
    private final String host;
    private final int port;
    private final boolean isProven;

    private NutTls(SSLContext context, UpsAddress address, boolean isProven) {
        this.context = context;
        this.host = address.host();
        this.port = address.port();
        this.isProven = isProven;
    }

    /**
     * For a server.
     *
     * @throws IOException when the authority's file can't be read, or holds no certificate
     */
    static NutTls of(UpsAddress address, UpsCredentials credentials) throws IOException {
        Path authority = credentials.authority();
        try {
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(
                    null,
                    authority == null ? new TrustManager[] {new Anybody()} : PemCertificates.trusted(authority),
                    null);
            return new NutTls(context, address, authority != null);
        } catch (GeneralSecurityException e) {
            throw new IOException("certificates of " + authority + " can't be used: " + e.getMessage(), e);
        }
    }

    /** Encrypts a connection; returns when both sides agree. */
    SSLSocket over(Socket socket) throws IOException {
        SSLSocket encrypted = (SSLSocket) context.getSocketFactory().createSocket(socket, host, port, true);
        if (isProven) {
            SSLParameters parameters = encrypted.getSSLParameters();
            parameters.setEndpointIdentificationAlgorithm("HTTPS");
            encrypted.setSSLParameters(parameters);
        }
        encrypted.startHandshake();
        return encrypted;
    }

    /** Believes everybody; the extended kind, so that the JDK adds no check of the name. */
    private static final class Anybody extends X509ExtendedTrustManager {

        @Override
        public void checkClientTrusted(X509Certificate[] chain, String authType) {}

        @Override
        public void checkClientTrusted(X509Certificate[] chain, String authType, Socket socket) {}

        @Override
        public void checkClientTrusted(X509Certificate[] chain, String authType, SSLEngine engine) {}

        @Override
        public void checkServerTrusted(X509Certificate[] chain, String authType) {}

        @Override
        public void checkServerTrusted(X509Certificate[] chain, String authType, Socket socket) {}

        @Override
        public void checkServerTrusted(X509Certificate[] chain, String authType, SSLEngine engine) {}

        @Override
        public X509Certificate[] getAcceptedIssuers() {
            return new X509Certificate[0];
        }
    }
}
