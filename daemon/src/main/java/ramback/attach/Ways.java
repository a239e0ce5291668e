package ramback.attach;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/** How each of the ways is gone. Safe for use by many threads. */
public interface Ways {

    /**
     * Why a way can't be gone on this machine by this process, and what to do about it, in one line; "" when it can.
     */
    String unavailable(Via via);

    /**
     * Shows a device to the kernel.
     *
     * @param connectionCount over how many connections, 1 to {@link Attachments#CONNECTION_COUNT_MAX}; of the kernel's NBD
     *     client alone
     * @throws IOException when the kernel refuses, with why; nothing is left then
     */
    LocalDisk make(Via via, Offer offer, int connectionCount) throws IOException;

    /**
     * Goes on serving what an earlier daemon has left.
     *
     * @throws IOException when the kernel refuses, with why
     */
    LocalDisk recover(AttachRecord record, Offer offer) throws IOException;

    /**
     * The block devices that were made of a device, as far as the kernel knows whose they are, recorded or not: a
     * daemon that is killed between making one and recording it leaves one that nobody has been told of.
     *
     * @param directory the device's directory
     * @param socket where its NBD clients were served
     */
    List<AttachRecord> find(Path directory, Path socket) throws IOException;

    /**
     * Takes a block device away from the kernel that no daemon serves; requests that wait fail. One that is gone is
     * fine.
     *
     * @param directory the directory of the device that it was made of
     * @param socket where its NBD clients were served
     * @throws IOException when it is another's, a living process serves it, or the kernel refuses, with why
     */
    void remove(AttachRecord record, Path directory, Path socket) throws IOException;
}
