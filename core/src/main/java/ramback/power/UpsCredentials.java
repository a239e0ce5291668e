package ramback.power;

import java.io.IOException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import ramback.tls.PemCertificates;

/**
 * Who we are to a NUT server, and how it proves who it is.
 *
 * @param user as in the server's {@code upsd.users}, or null to read without a login
 * @param password the user's; null if and only if the user is
 * @param authority a PEM file with the certificates that the server's must go back to, or null: then a connection is
 *     encrypted where the server offers it, and whose it is remains unproven
 */
public record UpsCredentials(
        @Nullable String user,
        @Nullable String password,
        @Nullable Path authority) {

    /** Reads without a login, and takes the encryption that is offered. */
    public static final UpsCredentials NONE = new UpsCredentials(null, null, null);

    /**
     * Looks whether the authority's file, if there is one, can be used.
     *
     * @throws IOException when it can't be read, or holds no certificate
     */
    public void checkAuthority() throws IOException {
        if (authority != null) {
            PemCertificates.read(authority);
        }
    }

    /** Not the password. */
    @Override
    public String toString() {
        return "user " + user;
    }
}
