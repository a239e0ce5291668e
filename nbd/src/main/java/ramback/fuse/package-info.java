/**
 * A directory that the kernel serves from this process (FUSE): {@code disk}, the device as a file, beside small text
 * files that tell of it and steer it. Enter at {@link ramback.fuse.FuseDirectory}; a request's way through the room is
 * {@code Requests} → {@code DiskRequests}, {@code Tree} or {@code TextFiles} → {@code Replies}, and those that wait in
 * the device come back through {@code DeferredReplies}. Sees only {@code ramback.device} and the system calls: no
 * storage, no engine.
 *
 * <p>The kernel's own protocol is spoken, over {@code /dev/fuse}; numbers and layouts are those of Linux
 * {@code include/uapi/linux/fuse.h}, 7.31 and later.
 */
@NullMarked
package ramback.fuse;

import org.jspecify.annotations.NullMarked;
