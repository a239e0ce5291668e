/**
 * The contract between whoever exports a disk and whoever keeps it: what a {@link ramback.device.Device} is, how a
 * request is made, when it counts as done and how it may fail. Enter at {@link ramback.device.Device}. This package
 * depends on nothing, so that another export can arrive without touching storage, and another store without touching
 * the exports.
 */
@NullMarked
package ramback.device;

import org.jspecify.annotations.NullMarked;
