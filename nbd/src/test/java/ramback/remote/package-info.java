/**
 * Tests of the NBD client: against our own server, and against {@code DiskServer}, which has the ways of other servers and does wrong what
 * a test wants.
 */
@NullMarked
package ramback.remote;

import org.jspecify.annotations.NullMarked;
