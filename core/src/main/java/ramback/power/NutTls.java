package ramback.power;

import java.io.IOException;
import java.io.InputStream;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.util.Collection;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManager;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509ExtendedTrustManager;

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
            context.init(null, authority == null ? new TrustManager[] {new Anybody()} : trusted(authority), null);
            return new NutTls(context, address, authority != null);
        } catch (GeneralSecurityException e) {
            throw new IOException("certificates of " + authority + " can't be used: " + e.getMessage(), e);
        }
    }

    /**
     * The certificates in a PEM file.
     *
     * @throws IOException when it can't be read, or holds none
     */
    static Collection<? extends Certificate> certificates(Path authority) throws IOException {
        Collection<? extends Certificate> certificates;
        try (InputStream pem = Files.newInputStream(authority)) {
            certificates = CertificateFactory.getInstance("X.509").generateCertificates(pem);
        } catch (CertificateException e) {
            throw new IOException("no certificates in PEM form are in " + authority, e);
        }
        if (certificates.isEmpty()) {
            throw new IOException("no certificate in " + authority);
        }
        return certificates;
    }

    private static TrustManager[] trusted(Path authority) throws IOException, GeneralSecurityException {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        int number = 0;
        for (Certificate certificate : certificates(authority)) {
            store.setCertificateEntry("authority-" + number++, certificate);
        }
        TrustManagerFactory factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        factory.init(store);
        return factory.getTrustManagers();
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
