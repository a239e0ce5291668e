package ramback.attach;

import java.io.IOException;

/** How each of the ways is gone. Safe for use by many threads. */
public interface Ways {

    /** Why a way can't be gone on this machine by this process, and what to do about it, in one line; "" when it can. */
    String unavailable(Via via);

    /**
     * Shows a device to the kernel.
     *
     * @param before hears of what will be made, where it must be written down, before the kernel makes it
     * @throws IOException when the kernel refuses, with why; nothing is left then
     */
    LocalDisk make(Via via, Offer offer, Keeper before) throws IOException;

    /**
     * Goes on serving a block device that an earlier daemon has left.
     *
     * @throws IOException when the kernel refuses, with why
     */
    LocalDisk recover(AttachRecord record, Offer offer) throws IOException;

    /**
     * Takes a recorded block device away from the kernel that no daemon serves; requests that wait fail. One that is gone is fine.
     *
     * @throws IOException when the kernel refuses, with why
     */
    void remove(AttachRecord record) throws IOException;

    /** Who writes a record down. */
    @FunctionalInterface
    interface Keeper {
        void keep(AttachRecord record) throws IOException;
    }
}
