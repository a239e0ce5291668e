package ramback.power;

import static java.nio.charset.StandardCharsets.US_ASCII;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.util.Base64;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;

/**
 * A server's key and the certificate that it signed itself, made by the JDK's keytool when a test needs one: none that lies about can
 * expire, or be taken for a secret.
 *
 * @param server what a server encrypts with
 * @param pem the certificate, as an authority's file
 */
record TestCertificate(SSLContext server, Path pem) {

    private static final String PASSWORD = "of no use";

    /**
     * Makes one.
     *
     * @param names whose it is, as for keytool: {@code ip:127.0.0.1}
     */
    static TestCertificate of(String names, Path directory)
            throws IOException, GeneralSecurityException, InterruptedException {
        Path file = directory.resolve(names.replace(':', '-') + ".p12");
        Path said = directory.resolve("keytool.txt");
        Process keytool = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "keytool")
                                .toString(),
                        "-genkeypair",
                        "-alias",
                        "server",
                        "-keyalg",
                        "EC",
                        "-dname",
                        "CN=a NUT server",
                        "-ext",
                        "san=" + names,
                        "-keystore",
                        file.toString(),
                        "-storetype",
                        "PKCS12",
                        "-storepass",
                        PASSWORD)
                .redirectErrorStream(true)
                .redirectOutput(said.toFile())
                .start();
        if (keytool.waitFor() != 0) {
            throw new AssertionError(Files.readString(said));
        }
        KeyStore store = KeyStore.getInstance("PKCS12");
        try (InputStream in = Files.newInputStream(file)) {
            store.load(in, PASSWORD.toCharArray());
        }
        KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        keys.init(store, PASSWORD.toCharArray());
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keys.getKeyManagers(), null, null);
        Path pem = directory.resolve(names.replace(':', '-') + ".pem");
        String base64 = Base64.getMimeEncoder(64, "\n".getBytes(US_ASCII))
                .encodeToString(store.getCertificate("server").getEncoded());
        Files.writeString(pem, "-----BEGIN CERTIFICATE-----\n" + base64 + "\n-----END CERTIFICATE-----\n");
        return new TestCertificate(context, pem);
    }
}
