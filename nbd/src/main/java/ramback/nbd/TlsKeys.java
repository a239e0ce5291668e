package ramback.nbd;

import java.io.IOException;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.InvalidKeyException;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.Signature;
import java.security.SignatureException;
import java.security.cert.Certificate;
import java.security.interfaces.RSAKey;
import java.util.List;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import org.jspecify.annotations.Nullable;
import ramback.tls.PemCertificates;
import ramback.tls.PemPrivateKey;

/**
 * What a server proves itself with, and whom it believes: read from PEM files, and read again when the operator has
 * renewed them. Safe for use by many threads.
 */
public final class TlsKeys {

    private static final String[] PROTOCOLS = {"TLSv1.3", "TLSv1.2"};
    private static final byte[] PROBE = "a text to be signed".getBytes(java.nio.charset.StandardCharsets.US_ASCII);

    private final Path certificate;
    private final Path key;
    private final @Nullable Path authority;
    private volatile SSLContext context;

    /**
     * Reads the files.
     *
     * @param certificate the server's certificate, and those between it and its authority
     * @param key its private key
     * @param authority who vouches for clients: then each must show a certificate; or null, and none is asked for
     * @throws IOException when they can't be read, are none, or don't belong together; the message says which
     */
    public TlsKeys(Path certificate, Path key, @Nullable Path authority) throws IOException {
        this.certificate = certificate;
        this.key = key;
        this.authority = authority;
        this.context = load(certificate, key, authority);
    }

    /**
     * Reads the files again, for the connections that begin from now on.
     *
     * @throws IOException as the constructor; what was there before stays in use
     */
    public void reload() throws IOException {
        context = load(certificate, key, authority);
    }

    /** The server's side of one connection. */
    SSLEngine engine() {
        SSLEngine engine = context.createSSLEngine();
        engine.setUseClientMode(false);
        engine.setEnabledProtocols(PROTOCOLS);
        engine.setNeedClientAuth(authority != null);
        return engine;
    }

    private static SSLContext load(Path certificate, Path key, @Nullable Path authority) throws IOException {
        List<Certificate> chain = PemCertificates.read(certificate);
        PrivateKey privateKey = PemPrivateKey.read(key);
        try {
            if (!belongTogether(chain.getFirst(), privateKey)) {
                throw new IOException("the key in " + key + " is not that of the certificate in " + certificate
                        + ", which must be the first one there");
            }
            KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
            store.load(null, null);
            char[] password = {}; // it lives in memory, as the key itself does
            store.setKeyEntry("server", privateKey, password, chain.toArray(Certificate[]::new));
            KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
            keys.init(store, password);
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(keys.getKeyManagers(), authority == null ? null : PemCertificates.trusted(authority), null);
            return context;
        } catch (GeneralSecurityException e) {
            throw new IOException(
                    "the certificate in " + certificate + " and the key in " + key + " can't be used: "
                            + e.getMessage(),
                    e);
        }
    }

    /** Whether the key is the certificate's: RSA keys, whose signatures want parameters, by their modulus, others by a signature. */
    private static boolean belongTogether(Certificate certificate, PrivateKey key) throws GeneralSecurityException {
        PublicKey shown = certificate.getPublicKey();
        if (key instanceof RSAKey own) {
            return shown instanceof RSAKey rsa && own.getModulus().equals(rsa.getModulus());
        }
        boolean isCurve = key.getAlgorithm().equals("EC");
        if (isCurve != shown.getAlgorithm().equals("EC")) {
            return false;
        }
        try {
            Signature signature = Signature.getInstance(isCurve ? "SHA256withECDSA" : key.getAlgorithm());
            signature.initSign(key);
            signature.update(PROBE);
            byte[] signed = signature.sign();
            signature.initVerify(shown);
            signature.update(PROBE);
            return signature.verify(signed);
        } catch (InvalidKeyException | SignatureException e) {
            return false; // another kind of key, or of another length
        }
    }
}
