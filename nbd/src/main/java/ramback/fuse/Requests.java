package ramback.fuse;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import ramback.device.DeviceSession;
import ramback.posix.Errno;
import ramback.posix.Vectors;

/**
 * A request thread: receives one request at a time and has it carried out. The kernel copies a WRITE's payload right to
 * where the session wants it; everything before it goes to a buffer of its own. What the device needs often allocates
 * nothing.
 *
 * <pre>
 *   head      | header 40 | opcode's own, up to 40 |  the rest of a longer one, copied here from the staging area
 *   staging   | payload of a WRITE
 * </pre>
 */
final class Requests {

    /** How a thread's requests ended. */
    enum End {
        /** The directory is unmounted, or its connection was ended. */
        DISCONNECTED,
        /** Somebody asked for it. */
        STOPPED
    }

    /** Header and WRITE's or READ's own fields: what is in front of a payload. */
    static final int HEAD_BYTES = FuseProtocol.IN_HEADER_BYTES + FuseProtocol.WRITE_IN_BYTES;

    /** The longest message but a WRITE that is looked at whole. */
    private static final int MESSAGE_BYTES_MAX = 4096;

    private static final int ARGUMENTS = FuseProtocol.IN_HEADER_BYTES;

    private static final Logger LOG = System.getLogger(Requests.class.getPackageName());

    private final int fd;
    private final Tree tree;
    private final TextFiles files;
    private final DiskRequests disk;
    private final Replies replies;
    private final MemorySegment staging;
    private final MemorySegment head;
    private final MemorySegment vectors;
    private final long vectorsAddress;
    private volatile boolean stopping;

    /**
     * @param fd what the requests come from
     * @param payloadBytesMax the longest WRITE, as it was negotiated; at most what the staging area holds
     * @param arena keeps the memory
     */
    Requests(
            int fd,
            DeviceSession session,
            Tree tree,
            TextFiles files,
            DiskRequests disk,
            Replies replies,
            int payloadBytesMax,
            Arena arena) {
        this.fd = fd;
        this.tree = tree;
        this.files = files;
        this.disk = disk;
        this.replies = replies;
        this.staging = session.staging();
        this.head = arena.allocate(MESSAGE_BYTES_MAX, Long.BYTES);
        this.vectors = arena.allocate(2 * Vectors.BYTES, Long.BYTES);
        this.vectorsAddress = vectors.address();
        Vectors.set(vectors, 0, head.address(), HEAD_BYTES);
        Vectors.set(vectors, 1, staging.address(), payloadBytesMax);
    }

    /** Serves requests until that ends. */
    End run() {
        while (!stopping) {
            long received = Vectors.readInterruptibly(fd, vectorsAddress, 2);
            if (received >= FuseProtocol.IN_HEADER_BYTES) {
                serve((int) received);
            } else if (received == 0 || isEnd((int) -received)) {
                return End.DISCONNECTED;
            }
            // Otherwise somebody woke us, or the request was taken back while it was being received (ENOENT), or it is too
            // short to be answered.
        }
        return End.STOPPED;
    }

    /** Asks for the end; the thread must be woken besides, should it wait for a request. For any thread. */
    void stop() {
        stopping = true;
    }

    private static boolean isEnd(int errno) {
        return switch (errno) {
            case Errno.EINTR, Errno.ENOENT, Errno.EAGAIN, Errno.ENOMEM -> false;
            case Errno.ENODEV -> true;
            default -> {
                if (errno > 0) {
                    LOG.log(Level.WARNING, () -> "fuse: no more requests: " + Errno.name(errno));
                }
                yield errno > 0;
            }
        };
    }

    private void serve(int receivedBytes) {
        int opcode = head.get(JAVA_INT, FuseProtocol.IN_OPCODE);
        long unique = head.get(JAVA_LONG, FuseProtocol.IN_UNIQUE);
        long node = head.get(JAVA_LONG, FuseProtocol.IN_NODE);
        if (head.get(JAVA_INT, 0) != receivedBytes
                || receivedBytes - FuseProtocol.IN_HEADER_BYTES < argumentBytesMin(opcode)) {
            replies.error(unique, Errno.EINVAL);
        } else if (opcode == FuseProtocol.READ) {
            read(unique, node);
        } else if (opcode == FuseProtocol.WRITE) {
            write(unique, node, receivedBytes - HEAD_BYTES);
        } else {
            int restBytes = Math.min(receivedBytes, MESSAGE_BYTES_MAX) - HEAD_BYTES;
            if (restBytes > 0) {
                MemorySegment.copy(staging, 0, head, HEAD_BYTES, restBytes);
            }
            serveOther(opcode, unique, node, Math.min(receivedBytes, MESSAGE_BYTES_MAX));
        }
    }

    private static int argumentBytesMin(int opcode) {
        return switch (opcode) {
            case FuseProtocol.READ, FuseProtocol.READDIR -> FuseProtocol.READ_IN_BYTES;
            case FuseProtocol.WRITE -> FuseProtocol.WRITE_IN_BYTES;
            case FuseProtocol.LOOKUP -> 1;
            case FuseProtocol.SETATTR -> FuseProtocol.SETATTR_IN_BYTES;
            case FuseProtocol.OPEN, FuseProtocol.OPENDIR -> FuseProtocol.OPEN_IN_BYTES;
            case FuseProtocol.RELEASE -> FuseProtocol.RELEASE_IN_BYTES;
            case FuseProtocol.FLUSH -> FuseProtocol.FLUSH_IN_BYTES;
            case FuseProtocol.FSYNC -> FuseProtocol.FSYNC_IN_BYTES;
            case FuseProtocol.FALLOCATE -> FuseProtocol.FALLOCATE_IN_BYTES;
            case FuseProtocol.LSEEK -> FuseProtocol.LSEEK_IN_BYTES;
            case FuseProtocol.INTERRUPT -> FuseProtocol.INTERRUPT_IN_BYTES;
            default -> 0;
        };
    }

    private void serveOther(int opcode, long unique, long node, int messageBytes) {
        switch (opcode) {
            case FuseProtocol.FORGET, FuseProtocol.BATCH_FORGET -> {} // has no reply: our nodes are never forgotten
            case FuseProtocol.INTERRUPT -> files.interrupt(head.get(JAVA_LONG, ARGUMENTS));
            case FuseProtocol.LOOKUP -> lookUp(unique, node, messageBytes);
            case FuseProtocol.GETATTR -> attributes(unique, node);
            case FuseProtocol.SETATTR -> setAttributes(unique, node);
            case FuseProtocol.OPEN -> open(unique, node);
            case FuseProtocol.RELEASE -> release(unique, node);
            case FuseProtocol.FLUSH, FuseProtocol.FSYNC -> flush(unique, node, opcode);
            case FuseProtocol.FALLOCATE -> allocate(unique, node);
            case FuseProtocol.LSEEK -> seek(unique, node);
            case FuseProtocol.OPENDIR -> opened(unique, 0, 0);
            case FuseProtocol.READDIR -> entries(unique, node);
            case FuseProtocol.STATFS -> replies.body(unique, tree.putStatus(replies.body()));
            case FuseProtocol.RELEASEDIR, FuseProtocol.FSYNCDIR, FuseProtocol.DESTROY -> replies.done(unique);
            case FuseProtocol.CREATE,
                    FuseProtocol.MKNOD,
                    FuseProtocol.MKDIR,
                    FuseProtocol.SYMLINK,
                    FuseProtocol.LINK,
                    FuseProtocol.UNLINK,
                    FuseProtocol.RMDIR,
                    FuseProtocol.RENAME,
                    FuseProtocol.RENAME2,
                    FuseProtocol.TMPFILE -> replies.error(unique, Errno.EPERM);
            case FuseProtocol.IOCTL -> replies.error(unique, Errno.ENOTTY);
            case FuseProtocol.INIT -> replies.error(unique, Errno.EPROTO);
            default -> replies.error(unique, Errno.ENOSYS); // of most of them the kernel sends no second one
        }
    }

    private long fh() {
        return head.get(JAVA_LONG, ARGUMENTS);
    }

    // ------------------------------------------------------------------------------------------------ read and write

    private void read(long unique, long node) {
        long offsetBytes = head.get(JAVA_LONG, ARGUMENTS + 8);
        int lengthBytes = head.get(JAVA_INT, ARGUMENTS + 16);
        if (node == Tree.DISK_NODE) {
            disk.read(unique, offsetBytes, lengthBytes);
            return;
        }
        FuseFile file = tree.file(node);
        if (file == null) {
            replies.error(unique, Errno.EISDIR);
        } else {
            files.read(fd, unique, file, fh(), offsetBytes, lengthBytes);
        }
    }

    private void write(long unique, long node, int payloadBytes) {
        long offsetBytes = head.get(JAVA_LONG, ARGUMENTS + 8);
        int lengthBytes = head.get(JAVA_INT, ARGUMENTS + 16);
        if (lengthBytes != payloadBytes) {
            replies.error(unique, Errno.EINVAL);
            return;
        }
        if (node == Tree.DISK_NODE) {
            boolean isSynchronous = (head.get(JAVA_INT, ARGUMENTS + 32) & FuseProtocol.O_DSYNC) != 0;
            disk.write(unique, offsetBytes, lengthBytes, isSynchronous);
            return;
        }
        FuseFile file = tree.file(node);
        if (file == null) {
            replies.error(unique, Errno.EISDIR);
        } else {
            files.write(
                    fd,
                    unique,
                    file,
                    fh(),
                    offsetBytes,
                    staging.asSlice(0, payloadBytes).toArray(JAVA_BYTE));
        }
    }

    // ---------------------------------------------------------------------------------------------------- the rest

    private void lookUp(long unique, long parent, int messageBytes) {
        long found =
                parent == FuseProtocol.ROOT_NODE ? tree.lookUp(head.asSlice(ARGUMENTS, messageBytes - ARGUMENTS)) : 0;
        if (found == 0) {
            replies.error(unique, Errno.ENOENT);
        } else {
            replies.body(unique, tree.putEntry(replies.body(), found));
        }
    }

    private void attributes(long unique, long node) {
        if (tree.isNode(node)) {
            replies.body(unique, tree.putAttributesReply(replies.body(), node));
        } else {
            replies.error(unique, Errno.ENOENT);
        }
    }

    /**
     * A text file may be cut to nothing, as {@code echo x >mode} begins; the device has the size it has, as a block device.
     * Times may be set, to no effect.
     */
    private void setAttributes(long unique, long node) {
        int valid = head.get(JAVA_INT, ARGUMENTS);
        if ((valid & (FuseProtocol.FATTR_MODE | FuseProtocol.FATTR_UID | FuseProtocol.FATTR_GID)) != 0) {
            replies.error(unique, Errno.EPERM);
            return;
        }
        boolean isCut = (valid & FuseProtocol.FATTR_SIZE) != 0;
        if (isCut && (tree.file(node) == null || head.get(JAVA_LONG, ARGUMENTS + 16) != 0)) {
            replies.error(unique, Errno.EINVAL);
            return;
        }
        attributes(unique, node);
    }

    private void open(long unique, long node) {
        int flags = head.get(JAVA_INT, ARGUMENTS);
        boolean writes = (flags & FuseProtocol.O_ACCMODE) != FuseProtocol.O_RDONLY;
        if (node == Tree.DISK_NODE) {
            if (writes && tree.isReadOnly()) {
                replies.error(unique, Errno.EROFS);
            } else {
                // Clients of the device elsewhere see the same bytes: nothing is kept in the page cache.
                int how = FuseProtocol.FOPEN_DIRECT_IO | FuseProtocol.FOPEN_PARALLEL_DIRECT_WRITES;
                opened(unique, writes ? DISK_WRITABLE : DISK_READABLE, how);
            }
            return;
        }
        FuseFile file = tree.file(node);
        if (file == null) {
            replies.error(unique, tree.isNode(node) ? Errno.EISDIR : Errno.ENOENT);
        } else if (writes && file.words() == null) {
            replies.error(unique, Errno.EACCES);
        } else {
            long handle = files.open();
            if (handle == 0) {
                replies.error(unique, Errno.ENFILE);
            } else {
                opened(unique, handle, FuseProtocol.FOPEN_DIRECT_IO);
            }
        }
    }

    /** The device's open files need no memory: their numbers say all there is to know of them. */
    private static final long DISK_READABLE = 0;

    private static final long DISK_WRITABLE = 1;

    private void opened(long unique, long handle, int flags) {
        MemorySegment body = replies.body();
        body.set(JAVA_LONG, 0, handle);
        body.set(JAVA_INT, 8, flags);
        body.set(JAVA_INT, 12, 0);
        replies.body(unique, FuseProtocol.OPEN_OUT_BYTES);
    }

    private void release(long unique, long node) {
        if (tree.file(node) != null) {
            files.release(fh());
        }
        replies.done(unique);
    }

    /** A program that closes what it may have written hears whether that is durable; one that only read waits for nothing. */
    private void flush(long unique, long node, int opcode) {
        if (node == Tree.DISK_NODE && (opcode == FuseProtocol.FSYNC || fh() == DISK_WRITABLE)) {
            disk.flush(unique);
        } else {
            replies.done(unique);
        }
    }

    private void allocate(long unique, long node) {
        if (node != Tree.DISK_NODE) {
            replies.error(unique, Errno.EOPNOTSUPP);
            return;
        }
        long offsetBytes = head.get(JAVA_LONG, ARGUMENTS + 8);
        long lengthBytes = head.get(JAVA_LONG, ARGUMENTS + 16);
        disk.allocate(unique, offsetBytes, lengthBytes, head.get(JAVA_INT, ARGUMENTS + 24));
    }

    private void seek(long unique, long node) {
        if (node == Tree.DISK_NODE) {
            disk.seek(unique, head.get(JAVA_LONG, ARGUMENTS + 8), head.get(JAVA_INT, ARGUMENTS + 16));
        } else {
            replies.error(unique, Errno.EINVAL);
        }
    }

    private void entries(long unique, long node) {
        if (node != FuseProtocol.ROOT_NODE) {
            replies.error(unique, Errno.ENOTDIR);
            return;
        }
        long position = head.get(JAVA_LONG, ARGUMENTS + 8);
        int lengthBytesMax = head.get(JAVA_INT, ARGUMENTS + 16);
        replies.body(unique, tree.putEntries(replies.body(), position, lengthBytesMax));
    }
}
