/**
 * Certificates and keys in PEM files, as operators have them, made into what the JDK's TLS wants. Enter at
 * {@link ramback.tls.PemCertificates} and {@link ramback.tls.PemPrivateKey}. Depends on nothing.
 */
@NullMarked
package ramback.tls;

import org.jspecify.annotations.NullMarked;
