/**
 * Where RAM and the slow disk meet: {@link ramback.writeback.Population} brings the image into RAM,
 * {@link ramback.writeback.WriteBehind} carries changes to the image epoch by epoch, and keeps the promises that
 * flushes wait for. May use {@code image}, {@code journal}, {@code backing}, {@code memory}, {@code clock} and
 * {@code trace}.
 */
@NullMarked
package ramback.writeback;

import org.jspecify.annotations.NullMarked;
