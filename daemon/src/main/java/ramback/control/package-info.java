/**
 * Control over HTTP and JSON: status, commands, dashboard, metrics. May import device, engine and nbd.
 */
@NullMarked
package ramback.control;

import org.jspecify.annotations.NullMarked;
