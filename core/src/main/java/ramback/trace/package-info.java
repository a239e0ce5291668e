/**
 * The trace: every request and every chunk transition with its time, kept in a ring, at the cost of one read of a flag
 * while it is off. Enter at {@link ramback.trace.Trace}. What takes time behind the clients' backs is an event of the JDK's flight
 * recorder as well: the classes {@code Flight…}, loaded when they are first wanted. May use {@code clock}.
 */
@NullMarked
package ramback.trace;

import org.jspecify.annotations.NullMarked;
