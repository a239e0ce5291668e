/**
 * The trace: every request and every chunk transition with its time, kept in a ring, at the cost of one read of a flag
 * while it is off. Enter at {@link ramback.trace.Trace}. May use {@code clock}.
 */
@NullMarked
package ramback.trace;

import org.jspecify.annotations.NullMarked;
