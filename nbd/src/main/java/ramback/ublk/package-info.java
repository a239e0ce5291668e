/**
 * A block device of the kernel's own, {@code /dev/ublkbN}, whose requests this process serves: the driver ublk_drv hands
 * them out through an io_uring a queue. Enter at {@link ramback.ublk.UblkDevice}; a request's way through the room is
 * {@code RingQueue} → {@code QueueServer}, and if it has to wait, back through {@code DeferredRequests}. {@code Control}
 * speaks with the driver about the device itself. Sees only {@code ramback.device}, and {@code ramback.posix} for the calls.
 *
 * <p>Names in capitals are those of Linux {@code include/uapi/linux/ublk_cmd.h}; what they do is described in
 * {@code Documentation/block/ublk.rst}.
 */
@NullMarked
package ramback.ublk;

import org.jspecify.annotations.NullMarked;
