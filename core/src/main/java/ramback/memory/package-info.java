/**
 * The shared segment: one file on tmpfs, mapped as a whole, that holds a device's chunk states, the clients' staging
 * areas and the device's data, so that they outlive the process. Enter at {@link ramback.memory.SharedSegment}; its
 * layout is drawn in {@link ramback.memory.SegmentLayout}. May use {@code posix}.
 */
@NullMarked
package ramback.memory;

import org.jspecify.annotations.NullMarked;
