package ramback.control;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.util.Base64;
import org.jspecify.annotations.Nullable;

/**
 * What somebody on TCP must know to change anything: on TCP there are no permissions, and every program of the machine, every web page
 * in its browsers, can connect. A file that only the owner reads takes the place of the control socket's permissions. Each start makes
 * a new one.
 */
final class HttpToken {

    /** 192 random bits: whole characters of base64, and more than anybody guesses. */
    private static final int RANDOM_BYTES = 24;

    private final String text;

    private HttpToken(String text) {
        this.text = text;
    }

    /** Makes one and writes it, with a line's end, to a new file that is its owner's alone. */
    static HttpToken create(Path file) throws IOException {
        byte[] random = new byte[RANDOM_BYTES];
        new SecureRandom().nextBytes(random);
        HttpToken token = new HttpToken(Base64.getUrlEncoder().encodeToString(random));
        Files.createFile(file, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
        Files.writeString(file, token.text + "\n");
        return token;
    }

    /** The token, in characters that need no escape in a URL. */
    String text() {
        return text;
    }

    /** Whether an Authorization header is {@code Bearer} and this token (RFC 6750); takes as long whatever differs. */
    boolean isIn(@Nullable String authorization) {
        String given = authorization == null ? "" : authorization;
        return MessageDigest.isEqual(("Bearer " + text).getBytes(UTF_8), given.getBytes(UTF_8));
    }
}
