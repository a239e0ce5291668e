package ramback.control;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import ramback.nbd.TlsMode;

/**
 * TLS for NBD clients, as {@code up} was told.
 *
 * @param mode ALLOW or REQUIRE
 * @param certificate a PEM file with the server's certificate, and those between it and its authority
 * @param key a PEM file with its private key
 * @param authority a PEM file with whoever vouches for clients, who then must show a certificate; or null
 */
public record TlsOptions(
        TlsMode mode, Path certificate, Path key, @Nullable Path authority) {

    /** Whether there is TLS, and clients must encrypt. */
    public static boolean isRequired(@Nullable TlsOptions tls) {
        return tls != null && tls.mode() == TlsMode.REQUIRE;
    }
}
