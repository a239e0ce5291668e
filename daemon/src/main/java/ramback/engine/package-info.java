/**
 * Assembles one device out of image, backing, journal and write-behind, decides its mode, and walks it through its
 * life: start, load, serve, stop. Enter at {@link ramback.engine.Engine}. It may use every package of the core, but no
 * export: who serves the device is the caller's business.
 */
@NullMarked
package ramback.engine;

import org.jspecify.annotations.NullMarked;
