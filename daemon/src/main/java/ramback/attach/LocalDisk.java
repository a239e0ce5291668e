package ramback.attach;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Optional;

/** A device as this machine sees it, for as long as the daemon serves it that way. Safe for use by many threads. */
public interface LocalDisk {

    /** How it is served. */
    Via via();

    /** The block device, or with {@link Via#FUSE} the file that is the device. */
    Path path();

    /** By what it is found again, by this daemon's successor or by {@code detach}; none where the mount table says it. */
    Optional<AttachRecord> record();

    /** Whether the kernel still has it; what was taken away by hand has not. */
    boolean isAlive();

    /**
     * Takes it away from the kernel: requests that come later fail.
     *
     * @throws IOException when the kernel keeps it, with why; what could be undone is
     */
    void close() throws IOException;

    /**
     * The daemon is about to be replaced: nothing is served any more, and whoever uses the disk waits for the next one.
     *
     * @return what the next one goes on from, if that is not {@link #record()}
     */
    Optional<AttachRecord> leave();
}
