package ramback.tls;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.util.List;
import javax.net.ssl.TrustManager;
import javax.net.ssl.TrustManagerFactory;

/** X.509 certificates in a PEM file, in its order: an authority's, or a server's own and those between. */
public final class PemCertificates {

    private PemCertificates() {}

    /**
     * Reads them.
     *
     * @return at least one
     * @throws IOException when the file can't be read, or holds none; the message names it
     */
    public static List<Certificate> read(Path file) throws IOException {
        List<Certificate> certificates;
        try (InputStream pem = Files.newInputStream(file)) {
            certificates = List.copyOf(CertificateFactory.getInstance("X.509").generateCertificates(pem));
        } catch (CertificateException e) {
            throw new IOException("no certificates in PEM form are in " + file, e);
        }
        if (certificates.isEmpty()) {
            throw new IOException("no certificate in " + file);
        }
        return certificates;
    }

    /**
     * Makes those who believe whoever these authorities vouch for, and nobody else.
     *
     * @throws IOException as {@link #read}
     */
    public static TrustManager[] trusted(Path authority) throws IOException, GeneralSecurityException {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        int number = 0;
        for (Certificate certificate : read(authority)) {
            store.setCertificateEntry("authority-" + number++, certificate);
        }
        TrustManagerFactory factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        factory.init(store);
        return factory.getTrustManagers();
    }
}
