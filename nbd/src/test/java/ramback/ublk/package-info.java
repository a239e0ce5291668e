/**
 * Tests of the block device: {@code FakeQueue} stands for the driver, {@code ServeUblk} serves memory to a real one, for
 * which it takes a machine that has it.
 */
@NullMarked
package ramback.ublk;

import org.jspecify.annotations.NullMarked;
