/**
 * What server and client of NBD have in common: the numbers of the specification. Imports nothing.
 */
@NullMarked
package ramback.protocol;

import org.jspecify.annotations.NullMarked;
