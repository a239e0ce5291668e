package ramback.posix;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;

/** The device over which the kernel speaks with FUSE servers (fuse(4), Linux {@code include/uapi/linux/fuse.h}). */
public final class FuseDevice {

    /** Where it is. */
    public static final Path PATH = Path.of("/dev/fuse");

    /** _IOR(229, 0, uint32_t). */
    private static final long FUSE_DEV_IOC_CLONE = 0x8004E500L;

    private FuseDevice() {}

    /**
     * Opens it: a descriptor that belongs to no mount yet.
     *
     * @throws PosixException ENOENT or ENODEV where the kernel has no FUSE, EACCES where the caller may not
     */
    public static int open() throws PosixException {
        return Posix.open(PATH, Posix.O_RDWR, 0);
    }

    /**
     * Opens another descriptor of the same mount. Requests that are received from one are answered over the same one;
     * they fail when it is closed.
     *
     * @param fd one that belongs to a mount
     */
    public static int openClone(int fd) throws PosixException {
        int another = open();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment argument = arena.allocateFrom(JAVA_INT, fd);
            Posix.check("ioctl FUSE_DEV_IOC_CLONE", Native.ioctl(another, FUSE_DEV_IOC_CLONE, argument), PATH);
            return another;
        } catch (PosixException e) {
            Posix.close(another);
            throw e;
        }
    }
}
