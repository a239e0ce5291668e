/**
 * The machine that the daemon runs on: what its process asks of the kernel so that it goes on when memory is short, what
 * threatens the memory of a device, what a service manager is told, and how the terminal was. Enter at
 * {@link ramback.host.Host}, {@link ramback.host.ServiceReports} and {@link ramback.host.TerminalSettings}. May use {@code clock}, {@code posix} and {@code memory}.
 */
@NullMarked
package ramback.host;

import org.jspecify.annotations.NullMarked;
