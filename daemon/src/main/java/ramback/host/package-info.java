/**
 * The machine that the daemon runs on: what its process asks of the kernel so that it goes on when memory is short, and what
 * threatens the memory of a device. Enter at {@link ramback.host.Host}. May use {@code posix} and {@code memory}.
 */
@NullMarked
package ramback.host;

import org.jspecify.annotations.NullMarked;
