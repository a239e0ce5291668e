package ramback.fuse;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;
import ramback.device.DeviceSession;
import ramback.device.Outcome;
import ramback.posix.Errno;
import ramback.posix.Vectors;

/**
 * One thread's answers to the kernel, each sent by one call; what is read leaves straight from device memory where the
 * session allows it. Allocates nothing (but the buffer for memory that must be copied, once).
 *
 * <pre>
 *   memory   0 two vectors   32 header   48 body   48 + {@link #BODY_BYTES_MAX} end
 * </pre>
 */
final class Replies {

    /** The longest body that is made here: attributes, directory entries. */
    static final int BODY_BYTES_MAX = 4096;

    private static final Logger LOG = System.getLogger(Replies.class.getPackageName());

    private static final int HEADER = 2 * Vectors.BYTES;
    private static final int BODY = HEADER + FuseProtocol.OUT_HEADER_BYTES;

    private final int fd;
    private final DeviceSession session;
    private final Arena arena;
    private final MemorySegment memory;
    private final MemorySegment body;
    private final long vectorsAddress;
    private final long deviceAddress;
    private @Nullable MemorySegment copied;

    /**
     * @param fd what the requests come from
     * @param arena keeps the memory
     */
    Replies(int fd, DeviceSession session, Arena arena) {
        this.fd = fd;
        this.session = session;
        this.arena = arena;
        this.memory = arena.allocate(BODY + BODY_BYTES_MAX, Long.BYTES);
        this.body = memory.asSlice(BODY);
        this.vectorsAddress = memory.address();
        this.deviceAddress = session.memory().address();
    }

    /** Where a body is made; what of a reply is not set must be zero. */
    MemorySegment body() {
        return body;
    }

    /** Answers with success and no body. */
    void done(long unique) {
        send(unique, 0, 0);
    }

    /** Answers with what was made in {@link #body()}. */
    void body(long unique, int lengthBytes) {
        send(unique, 0, lengthBytes);
    }

    /** Answers with an error. */
    void error(long unique, int errno) {
        send(unique, -errno, 0);
    }

    /** Answers a WRITE. */
    void written(long unique, int lengthBytes) {
        body.set(JAVA_INT, 0, lengthBytes);
        body.set(JAVA_INT, 4, 0);
        send(unique, 0, FuseProtocol.WRITE_OUT_BYTES);
    }

    /** Answers a READ of a range that is loaded, of at most {@link FuseServer#READ_BYTES_MAX} bytes. */
    void read(long unique, long offsetBytes, int lengthBytes) {
        long fromAddress;
        if (session.memoryIsDirect(offsetBytes, lengthBytes)) {
            fromAddress = deviceAddress + offsetBytes;
        } else {
            MemorySegment into = copied;
            if (into == null) {
                into = arena.allocate(FuseServer.READ_BYTES_MAX, 4096);
                copied = into;
            }
            session.copy(offsetBytes, lengthBytes, into, 0);
            fromAddress = into.address();
        }
        header(unique, 0, lengthBytes);
        Vectors.set(memory, 0, vectorsAddress + HEADER, FuseProtocol.OUT_HEADER_BYTES);
        Vectors.set(memory, 1, fromAddress, lengthBytes);
        check(unique, Vectors.write(fd, vectorsAddress, 2));
    }

    private void send(long unique, int error, int bodyBytes) {
        header(unique, error, bodyBytes);
        Vectors.set(memory, 0, vectorsAddress + HEADER, FuseProtocol.OUT_HEADER_BYTES + bodyBytes);
        check(unique, Vectors.write(fd, vectorsAddress, 1));
    }

    private void header(long unique, int error, int bodyBytes) {
        memory.set(JAVA_INT, HEADER, FuseProtocol.OUT_HEADER_BYTES + bodyBytes);
        memory.set(JAVA_INT, HEADER + 4, error);
        memory.set(JAVA_LONG, HEADER + 8, unique);
    }

    /** The kernel forgets requests whose program was killed, and all of them when the directory is unmounted. */
    static void check(long unique, long result) {
        if (result < 0 && result != -Errno.ENOENT && result != -Errno.ENODEV && result != -Errno.EPIPE) {
            LOG.log(
                    Level.WARNING,
                    () -> "fuse: the reply to request " + unique + " was not taken: " + Errno.name((int) -result));
        }
    }

    /** The errno value that says how a request ended. */
    static int errorOf(Outcome outcome) {
        return switch (outcome) {
            case DONE -> 0;
            case NO_SPACE -> Errno.ENOSPC;
            case READ_ONLY -> Errno.EROFS;
            case INVALID -> Errno.EINVAL;
            case IO_ERROR, SHUTTING_DOWN -> Errno.EIO;
            case DEFERRED -> throw new IllegalStateException("a request that waits has no outcome yet");
        };
    }
}
