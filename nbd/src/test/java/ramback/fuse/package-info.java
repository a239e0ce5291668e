/**
 * Tests of the FUSE directory: {@code FakeKernel} speaks the kernel's side of the protocol over a pair of sockets, so that most need no
 * mount; {@code MountTest} mounts where it may. {@code ServeFuse} serves memory by hand.
 */
@NullMarked
package ramback.fuse;

import org.jspecify.annotations.NullMarked;
