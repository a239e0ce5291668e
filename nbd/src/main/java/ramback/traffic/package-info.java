/**
 * What clients ask of a device, counted and timed in one way, whoever serves them: NBD connections, ublk, FUSE. Enter at
 * {@link ramback.traffic.Traffic}, which a daemon makes once and gives to all of its servers; they {@linkplain
 * ramback.traffic.Traffic#join have their clients join}, and count on each session of the device by itself, so that no
 * two threads ever count in one place. Knows numbers only: no device, no protocol.
 */
@NullMarked
package ramback.traffic;

import org.jspecify.annotations.NullMarked;
