/**
 * Tests of the NBD server, over real sockets: {@code NbdClient} speaks the protocol byte by byte, {@code RamDevice} keeps
 * the device contract to the letter. {@code ServeRam} serves memory to real clients by hand.
 */
@NullMarked
package ramback.nbd;

import org.jspecify.annotations.NullMarked;
