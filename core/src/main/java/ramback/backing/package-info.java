/**
 * The slow disk: positional I/O and barriers on whatever keeps the image when the power is off. Enter at
 * {@link ramback.backing.Backing}, the contract; {@link ramback.backing.FileBacking} is a raw file or a block device,
 * {@link ramback.backing.WatchedBacking} any of them, with its calls in progress known.
 * What an operator can put right is a {@link ramback.backing.BackingOpenException}, what a device does wrong a
 * {@link ramback.backing.BackingIoException}. May import posix and clock.
 */
@NullMarked
package ramback.backing;

import org.jspecify.annotations.NullMarked;
