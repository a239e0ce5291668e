/**
 * Benchmarks: JMH on the hot path and side-by-side runs against other servers. May import everything.
 */
@NullMarked
package ramback.bench;

import org.jspecify.annotations.NullMarked;
