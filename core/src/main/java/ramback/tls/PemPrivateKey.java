package ramback.tls;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.spec.InvalidKeySpecException;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A private key in a PEM file, in any of the three forms that tools write: PKCS#8 (RFC 5958), PKCS#1 for RSA (RFC 8017,
 * A.1.2), SEC 1 for elliptic curves (RFC 5915). The JDK reads the first; the others are put into its frame.
 */
public final class PemPrivateKey {

    /** Longer files are not keys. */
    private static final long FILE_BYTES_MAX = 1 << 20;

    private static final Pattern BLOCK = Pattern.compile(
            "-----BEGIN ((?:RSA |EC |ENCRYPTED )?PRIVATE KEY)-----(.*?)-----END \\1-----", Pattern.DOTALL);

    private static final String[] ALGORITHMS = {"RSA", "EC", "EdDSA", "RSASSA-PSS"};

    private static final int SEQUENCE = 0x30;
    private static final int OCTET_STRING = 0x04;
    private static final int PARAMETERS = 0xa0;
    private static final byte[] VERSION_0 = {0x02, 0x01, 0x00};
    /** rsaEncryption, 1.2.840.113549.1.1.1, and its empty parameters. */
    private static final byte[] RSA = {
        0x06, 0x09, 0x2a, (byte) 0x86, 0x48, (byte) 0x86, (byte) 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00
    };
    /** id-ecPublicKey, 1.2.840.10045.2.1; the curve follows. */
    private static final byte[] EC = {0x06, 0x07, 0x2a, (byte) 0x86, 0x48, (byte) 0xce, 0x3d, 0x02, 0x01};

    private PemPrivateKey() {}

    /**
     * Reads it; the first one, where a file has several.
     *
     * @throws IOException when the file can't be read, or holds no key that can be used; the message names it and says
     *     what to do
     */
    public static PrivateKey read(Path file) throws IOException {
        if (Files.size(file) > FILE_BYTES_MAX) {
            throw new IOException("no private key: " + file + " is longer than " + FILE_BYTES_MAX + " bytes");
        }
        Matcher block = BLOCK.matcher(Files.readString(file, ISO_8859_1));
        if (!block.find()) {
            throw new IOException("no private key in PEM form is in " + file + " (BEGIN PRIVATE KEY)");
        }
        String kind = block.group(1);
        String text = block.group(2);
        if (kind.startsWith("ENCRYPTED") || text.contains("ENCRYPTED")) {
            throw new IOException("the private key in " + file
                    + " is encrypted, and nobody is there to give its password; write it without one"
                    + " (openssl pkey -in FILE -out NEW) and keep that file to its owner");
        }
        try {
            byte[] bytes = Base64.getMimeDecoder().decode(text);
            return ofPkcs8(
                    switch (kind) {
                        case "RSA PRIVATE KEY" -> framed(RSA, bytes);
                        case "EC PRIVATE KEY" -> framed(joined(EC, curve(bytes)), bytes);
                        default -> bytes;
                    });
        } catch (GeneralSecurityException | IllegalArgumentException | ArrayIndexOutOfBoundsException e) {
            throw new IOException(
                    "the private key in " + file + " can't be used: it is damaged, or neither RSA, EC nor Ed25519", e);
        }
    }

    private static PrivateKey ofPkcs8(byte[] bytes) throws GeneralSecurityException {
        InvalidKeySpecException last = new InvalidKeySpecException("no algorithm");
        for (String algorithm : ALGORITHMS) {
            try {
                return KeyFactory.getInstance(algorithm).generatePrivate(new PKCS8EncodedKeySpec(bytes));
            } catch (InvalidKeySpecException e) {
                last = e;
            }
        }
        throw last;
    }

    // --------------------------------------------------------------------------------------------------------- DER

    /** The frame of PKCS#8: a version, the algorithm, and the key as it is in the older form. */
    private static byte[] framed(byte[] algorithm, byte[] key) {
        return element(SEQUENCE, joined(VERSION_0, element(SEQUENCE, algorithm), element(OCTET_STRING, key)));
    }

    /**
     * The curve of a key in the form of SEC 1: what is in the element [0], behind the version and the key's bytes.
     *
     * @throws IllegalArgumentException when the key does not say its curve
     */
    private static byte[] curve(byte[] key) {
        int at = headerBytes(key, 0); // into the sequence
        while (at < key.length) {
            int begin = at + headerBytes(key, at);
            int end = begin + lengthBytes(key, at);
            if ((key[at] & 0xff) == PARAMETERS) {
                byte[] curve = new byte[end - begin];
                System.arraycopy(key, begin, curve, 0, curve.length);
                return curve;
            }
            at = end;
        }
        throw new IllegalArgumentException("the key does not say its curve");
    }

    private static int headerBytes(byte[] der, int at) {
        int first = der[at + 1] & 0xff;
        return first < 0x80 ? 2 : 2 + (first & 0x7f);
    }

    /** The length of an element's content; of at most 64 KiB, which no key reaches. */
    private static int lengthBytes(byte[] der, int at) {
        int first = der[at + 1] & 0xff;
        if (first < 0x80) {
            return first;
        }
        return switch (first) {
            case 0x81 -> der[at + 2] & 0xff;
            case 0x82 -> (der[at + 2] & 0xff) << 8 | (der[at + 3] & 0xff);
            default -> throw new IllegalArgumentException("an element of more than 64 KiB");
        };
    }

    private static byte[] element(int tag, byte[] content) {
        int length = content.length;
        byte[] header = length < 0x80
                ? new byte[] {(byte) tag, (byte) length}
                : new byte[] {(byte) tag, (byte) 0x82, (byte) (length >>> 8), (byte) length};
        return joined(header, content);
    }

    private static byte[] joined(byte[]... parts) {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        for (byte[] part : parts) {
            all.writeBytes(part);
        }
        return all.toByteArray();
    }
}
