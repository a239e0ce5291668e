package ramback.cli;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.util.Base64;

/** A key and the certificate that it signed itself, made by the JDK's keytool when a test needs them. */
final class TestKeys {

    private static final String PASSWORD = "password";

    private final KeyStore store;

    /** Makes a pair; its store stays in the directory. */
    TestKeys(Path directory) throws IOException, GeneralSecurityException, InterruptedException {
        Path file = directory.resolve(System.nanoTime() + ".p12");
        Process keytool = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "keytool")
                                .toString(),
                        "-genkeypair",
                        "-alias",
                        "server",
                        "-keyalg",
                        "EC",
                        "-groupname",
                        "secp256r1",
                        "-dname",
                        "CN=localhost",
                        "-keystore",
                        file.toString(),
                        "-storepass",
                        PASSWORD)
                .redirectErrorStream(true)
                .start();
        String said = new String(keytool.getInputStream().readAllBytes(), UTF_8);
        if (keytool.waitFor() != 0) {
            throw new IOException("keytool: " + said);
        }
        store = KeyStore.getInstance(file.toFile(), PASSWORD.toCharArray());
    }

    Certificate certificate() throws GeneralSecurityException {
        return store.getCertificate("server");
    }

    /** Writes the certificate as PEM. */
    void writeCertificate(Path file) throws IOException, GeneralSecurityException {
        Files.writeString(file, pem("CERTIFICATE", certificate().getEncoded()));
    }

    /** Writes the key as PEM. */
    void writeKey(Path file) throws IOException, GeneralSecurityException {
        Files.writeString(
                file,
                pem(
                        "PRIVATE KEY",
                        store.getKey("server", PASSWORD.toCharArray()).getEncoded()));
    }

    private static String pem(String kind, byte[] bytes) {
        return "-----BEGIN " + kind + "-----\n"
                + Base64.getMimeEncoder(64, "\n".getBytes(US_ASCII)).encodeToString(bytes)
                + "\n-----END " + kind + "-----\n";
    }
}
