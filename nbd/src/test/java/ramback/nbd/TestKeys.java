package ramback.nbd;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.util.Base64;

/** A key and the certificate of localhost that it signed itself, made by the JDK's keytool when a test needs them. */
record TestKeys(Path certificate, Path key, KeyStore store) {

    static final String PASSWORD = "password";

    /** Makes a pair in this directory, whose files begin with this name. */
    static TestKeys make(Path directory, String name) throws IOException {
        return make(directory, name, "EC");
    }

    /** The same, of a kind of key by the JDK's name. */
    static TestKeys make(Path directory, String name, String algorithm) throws IOException {
        Path file = directory.resolve(name + ".p12");
        keytool(name, algorithm, file);
        TestKeys made;
        try {
            KeyStore store = KeyStore.getInstance(file.toFile(), PASSWORD.toCharArray());
            made = new TestKeys(directory.resolve(name + ".crt"), directory.resolve(name + ".key"), store);
            byte[] certificate = store.getCertificate(name).getEncoded();
            Files.writeString(made.certificate, pem("CERTIFICATE", certificate));
            byte[] key = store.getKey(name, PASSWORD.toCharArray()).getEncoded();
            Files.writeString(made.key, pem("PRIVATE KEY", key));
        } catch (GeneralSecurityException e) {
            throw new IOException(e);
        }
        return made;
    }

    private static void keytool(String name, String algorithm, Path file) throws IOException {
        Process process = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "keytool")
                                .toString(),
                        "-genkeypair",
                        "-alias",
                        name,
                        "-keyalg",
                        algorithm,
                        "-dname",
                        "CN=localhost",
                        "-ext",
                        "san=dns:localhost,ip:127.0.0.1",
                        "-keystore",
                        file.toString(),
                        "-storepass",
                        PASSWORD)
                .redirectErrorStream(true)
                .start();
        String said = new String(process.getInputStream().readAllBytes(), UTF_8);
        if (process.onExit().join().exitValue() != 0) {
            throw new IOException("keytool: " + said);
        }
    }

    private static String pem(String kind, byte[] bytes) {
        return "-----BEGIN " + kind + "-----\n"
                + Base64.getMimeEncoder(64, "\n".getBytes(US_ASCII)).encodeToString(bytes)
                + "\n-----END " + kind + "-----\n";
    }
}
