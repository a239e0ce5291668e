/**
 * A device as a disk of this very machine: the ways to have the kernel show it (ublk, kernel nbd, FUSE and a loop
 * device), what of it there is, found from what the kernel says and not from anybody's memory, and how it is taken
 * apart, by whoever is still there to do it. Enter at {@link ramback.attach.Attachments} for the daemon's side and
 * {@link ramback.attach.Parts} for the commands'. May use {@code device}, {@code fuse}, {@code ublk}, {@code
 * kernelnbd} and {@code engine}, which has the refusals.
 */
@NullMarked
package ramback.attach;

import org.jspecify.annotations.NullMarked;
