/**
 * The slow disk behind an NBD server: {@link ramback.remote.NbdBacking} is a {@link ramback.backing.Backing} whose bytes lie in an
 * export of another program (qemu-nbd, nbdkit, another ramback), so that whatever that can open may be an image. Enter at
 * {@code NbdBacking}; a call's way is {@code NbdBacking} (checks, parts of whole blocks) → {@code Exchange} (one thread, all
 * connections) → {@code Link} (one connection, requests and replies). {@code ClientHandshake} opens a link;
 * {@link ramback.remote.RemoteUri} says where the server is.
 *
 * <p>What happens when a connection is lost, and why an order can't be lost with it, is said at {@code Exchange}.
 *
 * <p>May import {@code clock}, {@code posix} (for errno), {@code backing} and {@code protocol}. Section names in italics or quotes are
 * those of the NBD specification (proto.md and uri.md of the NetworkBlockDevice project).
 */
@NullMarked
package ramback.remote;

import org.jspecify.annotations.NullMarked;
