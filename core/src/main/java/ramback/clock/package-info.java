/**
 * The only place that reads time or waits. Everything else gets a {@link ramback.clock.Clock}, a
 * {@link ramback.clock.Signal} to wait on and an {@link ramback.clock.Agent} to be, so that a simulation can run the
 * same code on one thread under its own time. Depends on nothing.
 */
@NullMarked
package ramback.clock;

import org.jspecify.annotations.NullMarked;
