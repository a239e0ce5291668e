/** Tests of the block devices over NBD: against a kernel of Java's making, and, for the handshake, our own server. */
@NullMarked
package ramback.kernelnbd;

import org.jspecify.annotations.NullMarked;
