/**
 * A block device of the kernel, {@code /dev/nbdN}, whose requests go to an NBD server over Unix sockets: enter at
 * {@link ramback.kernelnbd.KernelNbd}. We connect the sockets, agree with the server, and hand them to Linux's driver nbd.ko by way of
 * generic netlink; from then on driver and server speak with each other, and no process of the client's side lives on. When the server
 * has died and come back, new sockets are handed over, and what waited goes on.
 *
 * <p>A call's way is {@code KernelNbd} (what is called) → {@code NbdDriver} (what is to be done, with what of the system is looked at in
 * {@code NbdFiles}) → {@code ServerConnection} (a socket that has gone through the handshake) and {@code NbdFamily} (the driver's commands)
 * → {@code GenericNetlink} (one question and its answer) → {@code NetlinkMessage}, {@code NetlinkAttribute} (their bytes).
 *
 * <p>Source: Linux {@code include/uapi/linux/nbd-netlink.h}, {@code nbd.h}, {@code netlink.h}, {@code genetlink.h}; what the driver does
 * with it: {@code drivers/block/nbd.c}, 5.14 to 6.12.
 *
 * <p>May import {@code posix}, {@code backing} (for the refusals of a handshake), {@code protocol} and {@code remote} (for the handshake).
 */
@NullMarked
package ramback.kernelnbd;

import org.jspecify.annotations.NullMarked;
