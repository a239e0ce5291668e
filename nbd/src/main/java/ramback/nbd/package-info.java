/**
 * The NBD server: exports {@link ramback.device.Device}s over Unix sockets and TCP, with TLS or without. Enter at
 * {@link ramback.nbd.NbdServer}; a client's way through the room is {@code Connection} → {@code Handshake} →
 * {@code Transmission}, its deferred requests come back through {@code DeferredReplies}, and both threads speak to the
 * client through {@code Replies} and {@code Wire}. Sees only {@code ramback.device}: no storage, no engine.
 *
 * <p>Section names in italics or quotes are those of the NBD specification (proto.md of the NetworkBlockDevice
 * project).
 */
@NullMarked
package ramback.nbd;

import org.jspecify.annotations.NullMarked;
