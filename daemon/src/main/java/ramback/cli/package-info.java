/**
 * Commands, messages and exit codes. Enter at {@code Main}. May import device, engine, nbd and control.
 */
@NullMarked
package ramback.cli;

import org.jspecify.annotations.NullMarked;
