/**
 * Benchmarks. {@link ramback.bench.DeviceBench} is {@code ramback bench}: it measures one export that is being served. The
 * comparisons with other servers are in {@code bench/run}, the hot path's own figures in {@code bench/src/jmh}; what was
 * found is in docs/performance.md. May import everything, is imported by nobody.
 */
@NullMarked
package ramback.bench;

import org.jspecify.annotations.NullMarked;
