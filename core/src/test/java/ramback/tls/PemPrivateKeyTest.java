package ramback.tls;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIOException;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyPairGenerator;
import java.security.PrivateKey;
import java.security.interfaces.ECPrivateKey;
import java.security.spec.ECGenParameterSpec;
import java.util.Arrays;
import java.util.Base64;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Private keys in the forms in which operators have them. */
class PemPrivateKeyTest {

    @TempDir
    Path directory;

    private Path file(String text) throws IOException {
        return Files.writeString(directory.resolve("key.pem"), text);
    }

    private static String pem(String kind, byte[] bytes) {
        return "-----BEGIN " + kind + "-----\n"
                + Base64.getMimeEncoder(64, "\n".getBytes(US_ASCII)).encodeToString(bytes) + "\n-----END " + kind
                + "-----\n";
    }

    private static PrivateKey rsa(int bits) throws Exception {
        KeyPairGenerator generator = KeyPairGenerator.getInstance("RSA");
        generator.initialize(bits);
        return generator.generateKeyPair().getPrivate();
    }

    private static PrivateKey ec(String curve) throws Exception {
        KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
        generator.initialize(new ECGenParameterSpec(curve));
        return generator.generateKeyPair().getPrivate();
    }

    @Test
    void pkcs8OfAnyAlgorithmIsRead() throws Exception {
        PrivateKey edwards =
                KeyPairGenerator.getInstance("Ed25519").generateKeyPair().getPrivate();
        for (PrivateKey key : new PrivateKey[] {rsa(2048), ec("secp256r1"), ec("secp521r1"), edwards}) {
            assertThat(PemPrivateKey.read(file("a comment\n" + pem("PRIVATE KEY", key.getEncoded()))))
                    .isEqualTo(key);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1024, 2048, 4096})
    void pkcs1IsRead(int bits) throws Exception {
        PrivateKey key = rsa(bits);
        // the headers of the whole and of the octet string (4 each), between them the version (3) and the algorithm
        // (15)
        byte[] framed = key.getEncoded();
        byte[] inner = Arrays.copyOfRange(framed, 4 + 3 + 15 + 4, framed.length);
        assertThat(PemPrivateKey.read(file(pem("RSA PRIVATE KEY", inner)))).isEqualTo(key);
    }

    /** As openssl ecparam -genkey writes it, with the curve once more before the key. */
    @Test
    void sec1IsReadBehindItsParameters() throws Exception {
        ECPrivateKey key = (ECPrivateKey) ec("secp384r1");
        byte[] secret = key.getS().toByteArray();
        byte[] padded = new byte[48];
        int lengthBytes = Math.min(secret.length, padded.length);
        System.arraycopy(secret, secret.length - lengthBytes, padded, padded.length - lengthBytes, lengthBytes);
        byte[] curve = {0x06, 0x05, 0x2b, (byte) 0x81, 0x04, 0x00, 0x22};
        byte[] sec1 = ByteBuffer.allocate(2 + 3 + 2 + 48 + 2 + 7)
                .put(new byte[] {0x30, 3 + 2 + 48 + 2 + 7, 0x02, 0x01, 0x01, 0x04, 48})
                .put(padded)
                .put(new byte[] {(byte) 0xa0, 7})
                .put(curve)
                .array();
        PrivateKey read = PemPrivateKey.read(file(pem("EC PARAMETERS", curve) + pem("EC PRIVATE KEY", sec1)));
        assertThat(((ECPrivateKey) read).getS()).isEqualTo(key.getS());
        assertThat(((ECPrivateKey) read).getParams()).isEqualTo(key.getParams());
    }

    @Test
    void anEncryptedKeySaysWhatToDo() throws Exception {
        Path modern = file(pem("ENCRYPTED PRIVATE KEY", new byte[20]));
        assertThatIOException()
                .isThrownBy(() -> PemPrivateKey.read(modern))
                .withMessageContaining("is encrypted")
                .withMessageContaining("openssl pkey");
        Path old = file(
                "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n");
        assertThatIOException().isThrownBy(() -> PemPrivateKey.read(old)).withMessageContaining("is encrypted");
    }

    @ParameterizedTest
    @ValueSource(strings = {"PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"})
    void aDamagedKeyIsNone(String kind) throws Exception {
        for (int lengthBytes : new int[] {0, 1, 2, 10, 500}) {
            byte[] bytes = new byte[lengthBytes];
            Arrays.fill(bytes, (byte) 0x30);
            Path damaged = file(pem(kind, bytes));
            assertThatIOException()
                    .isThrownBy(() -> PemPrivateKey.read(damaged))
                    .withMessageContaining("can't be used");
        }
    }

    @Test
    void aFileWithoutAKeyIsToldSo() throws Exception {
        Path other = file("hello");
        assertThatIOException()
                .isThrownBy(() -> PemPrivateKey.read(other))
                .withMessageContaining("no private key in PEM form")
                .withMessageContaining("key.pem");
        assertThatIOException().isThrownBy(() -> PemCertificates.read(other)).withMessageContaining("key.pem");
    }
}
