package ramback.attach;

import java.util.Locale;
import java.util.Optional;

/** A way by which the kernel shows a device, in the order in which {@code auto} tries them. */
public enum Via {
    /** A block device of the ublk driver, whose requests the daemon takes from the kernel itself. */
    UBLK,
    /** A block device of the kernel's NBD client, over the daemon's Unix socket. */
    NBD,
    /** A file in a FUSE directory that the daemon serves; a loop device makes a block device of it. */
    FUSE;

    /** The way as it is written on the command line. */
    public String word() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** Returns the way of a word. */
    public static Optional<Via> ofWord(String word) {
        for (Via via : values()) {
            if (via.word().equals(word)) {
                return Optional.of(via);
            }
        }
        return Optional.empty();
    }
}
