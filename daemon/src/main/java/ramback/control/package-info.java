/**
 * A device as it is served and controlled. {@link ramback.control.Daemon} assembles engine, NBD server and control
 * socket into one running device; {@link ramback.control.ControlClient} is the other end of that socket;
 * {@link ramback.control.RunDirectory} is where the two find each other. HTTP and JSON, so that a browser or a scraper
 * can be served on the same socket. May import device, engine and nbd.
 */
@NullMarked
package ramback.control;

import org.jspecify.annotations.NullMarked;
