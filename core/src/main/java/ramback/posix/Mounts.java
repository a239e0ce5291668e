package ramback.posix;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.nio.file.Path;

/** Mounting and unmounting: mount(2) and umount2(2). Both need CAP_SYS_ADMIN, and act on the caller's mount namespace. */
public final class Mounts {

    /** Set-user-ID bits have no effect there. */
    public static final int MS_NOSUID = 2;

    /** Device nodes have no effect there. */
    public static final int MS_NODEV = 4;

    /** Nothing there can be executed. */
    public static final int MS_NOEXEC = 8;

    /** Requests that are under way there are ended with an error (FUSE, NFS), even where the mount is busy. */
    public static final int MNT_FORCE = 1;

    /** It is gone for whoever looks it up from now on, and ends when the last one that uses it is done. */
    public static final int MNT_DETACH = 2;

    private Mounts() {}

    /**
     * Mounts a filesystem.
     *
     * @param source what the mount table shows as its source
     * @param type the filesystem's type, for FUSE with a subtype: {@code fuse.NAME}
     * @param flags {@code MS_} constants or-ed together
     * @param data the filesystem's own options, separated by commas
     */
    public static void mount(String source, Path target, String type, int flags, String data) throws PosixException {
        try (Arena arena = Arena.ofConfined()) {
            int result;
            MemorySegment state = Native.state();
            try {
                result = Native.resultOrErrno(
                        (int) Mount.CALL.invokeExact(
                                state,
                                Posix.bytes(arena, source),
                                Posix.bytes(arena, target),
                                Posix.bytes(arena, type),
                                (long) flags,
                                Posix.bytes(arena, data)),
                        state);
            } catch (Throwable t) {
                throw Native.unexpected(t);
            }
            Posix.check("mount", result, target);
        }
    }

    /**
     * Unmounts what is mounted on a directory last; a symbolic link is followed.
     *
     * @param flags {@code MNT_} constants or-ed together
     * @throws PosixException EINVAL where nothing is mounted, EBUSY where it is in use (without MNT_DETACH)
     */
    public static void unmount(Path target, int flags) throws PosixException {
        try (Arena arena = Arena.ofConfined()) {
            int result;
            MemorySegment state = Native.state();
            try {
                result = Native.resultOrErrno(
                        (int) Umount2.CALL.invokeExact(state, Posix.bytes(arena, target), flags), state);
            } catch (Throwable t) {
                throw Native.unexpected(t);
            }
            Posix.check("umount2", result, target);
        }
    }

    private static final class Mount {
        static final MethodHandle CALL =
                Native.link("mount", JAVA_INT, Native.NOT_VARIADIC, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, ADDRESS);
    }

    private static final class Umount2 {
        static final MethodHandle CALL = Native.link("umount2", JAVA_INT, Native.NOT_VARIADIC, ADDRESS, JAVA_INT);
    }
}
