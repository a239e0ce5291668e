package ramback.traffic;

import java.util.Locale;

/** By what a client uses the device. */
public enum ClientKind {
    /** A connection of the NBD server; the kernel's NBD client has several. */
    NBD,
    /** A block device of the ublk driver, with all of its queues. */
    UBLK,
    /** A FUSE directory, with whatever uses its file. */
    FUSE;

    /** The word in the status. */
    public String word() {
        return name().toLowerCase(Locale.ROOT);
    }
}
