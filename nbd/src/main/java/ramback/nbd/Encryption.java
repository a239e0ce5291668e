package ramback.nbd;

import org.jspecify.annotations.Nullable;

/**
 * What a listener asks of its clients.
 *
 * @param keys the server's, or null when it has no TLS
 * @param isRequired whether nothing is said without TLS
 */
record Encryption(@Nullable TlsKeys keys, boolean isRequired) {

    /** No TLS. */
    static final Encryption NONE = new Encryption(null, false);
}
