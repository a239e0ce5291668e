package ramback.fuse;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.jspecify.annotations.Nullable;
import ramback.device.Device;
import ramback.posix.Posix;

/**
 * The directory: which nodes there are, their attributes, names and entries. Nothing in it ever changes, so that a
 * server that takes over from another one with the same files knows the same nodes. Safe for use by many threads.
 *
 * <p>The nodes: 1 the directory, 2 {@code disk}, 3 and up the text files.
 */
final class Tree {

    /** The device's name in the directory. */
    static final String DISK_NAME = "disk";

    static final long DISK_NODE = 2;
    private static final long FIRST_FILE_NODE = 3;

    /** Attributes and names never change: the kernel need not ask again. */
    private static final long VALID_SECONDS = 86_400;

    private static final int S_IFDIR = 0x4000;
    private static final int S_IFREG = 0x8000;
    private static final int DT_DIR = 4;
    private static final int DT_REG = 8;
    private static final int SECTOR_BYTES = 512;
    private static final long NANOS_PER_SECOND = 1_000_000_000L;

    private final List<FuseFile> files;
    private final byte[][] names;
    private final long sizeBytes;
    private final int blockBytes;
    private final boolean readOnly;
    private final long bornNanos;
    private final int userId = Posix.effectiveUserId();
    private final int groupId = Posix.effectiveGroupId();

    /**
     * Lists what there is.
     *
     * @param bornMillis when the directory was made, since 1970: the time that all its files have
     */
    Tree(Device device, List<FuseFile> files, long bornMillis) {
        this.files = List.copyOf(files);
        this.sizeBytes = device.sizeBytes();
        this.blockBytes = device.chunkBytes();
        this.readOnly = device.readOnly();
        this.bornNanos = bornMillis * 1_000_000;
        this.names = new byte[files.size() + 1][];
        names[0] = DISK_NAME.getBytes(StandardCharsets.UTF_8);
        for (int i = 0; i < files.size(); i++) {
            names[i + 1] = files.get(i).name().getBytes(StandardCharsets.UTF_8);
        }
    }

    /** The text file of a node, or null. */
    @Nullable
    FuseFile file(long node) {
        long index = node - FIRST_FILE_NODE;
        return index >= 0 && index < files.size() ? files.get((int) index) : null;
    }

    /** Whether the device refuses every change. */
    boolean isReadOnly() {
        return readOnly;
    }

    /** Whether there is such a node. */
    boolean isNode(long node) {
        return node == FuseProtocol.ROOT_NODE || node == DISK_NODE || file(node) != null;
    }

    /**
     * Looks a name up in the directory.
     *
     * @param name where it begins; it ends with a zero byte within the segment, or there is no such name
     * @return its node, or 0
     */
    long lookUp(MemorySegment name) {
        for (int i = 0; i < names.length; i++) {
            byte[] candidate = names[i];
            if (name.byteSize() > candidate.length
                    && name.get(JAVA_BYTE, candidate.length) == 0
                    && name.asSlice(0, candidate.length).mismatch(MemorySegment.ofArray(candidate)) == -1) {
                return DISK_NODE + i;
            }
        }
        return 0;
    }

    /** Makes the answer to a LOOKUP and returns its length. */
    int putEntry(MemorySegment into, long node) {
        into.asSlice(0, FuseProtocol.ENTRY_OUT_BYTES).fill((byte) 0);
        into.set(JAVA_LONG, 0, node);
        into.set(JAVA_LONG, 8, 1);
        into.set(JAVA_LONG, 16, VALID_SECONDS);
        into.set(JAVA_LONG, 24, VALID_SECONDS);
        putAttributes(into.asSlice(FuseProtocol.ENTRY_OUT_BYTES - FuseProtocol.ATTR_BYTES), node);
        return FuseProtocol.ENTRY_OUT_BYTES;
    }

    /** Makes the answer to a GETATTR or SETATTR and returns its length. */
    int putAttributesReply(MemorySegment into, long node) {
        into.asSlice(0, FuseProtocol.ATTR_OUT_BYTES).fill((byte) 0);
        into.set(JAVA_LONG, 0, VALID_SECONDS);
        putAttributes(into.asSlice(FuseProtocol.ATTR_OUT_BYTES - FuseProtocol.ATTR_BYTES), node);
        return FuseProtocol.ATTR_OUT_BYTES;
    }

    /*
     * struct fuse_attr: 0 ino u64   8 size u64   16 blocks u64   24 atime, 32 mtime, 40 ctime u64   48, 52, 56 their
     * nanoseconds u32   60 mode u32   64 nlink u32   68 uid, 72 gid u32   76 rdev u32   80 blksize u32   84 flags u32
     * 88 end
     */
    private void putAttributes(MemorySegment into, long node) {
        long size = node == DISK_NODE ? sizeBytes : 0;
        into.set(JAVA_LONG, 0, node);
        into.set(JAVA_LONG, 8, size);
        into.set(JAVA_LONG, 16, (size + SECTOR_BYTES - 1) / SECTOR_BYTES);
        for (int i = 0; i < 3; i++) {
            into.set(JAVA_LONG, 24 + 8L * i, bornNanos / NANOS_PER_SECOND);
            into.set(JAVA_INT, 48 + 4L * i, (int) (bornNanos % NANOS_PER_SECOND));
        }
        into.set(JAVA_INT, 60, mode(node));
        into.set(JAVA_INT, 64, node == FuseProtocol.ROOT_NODE ? 2 : 1);
        into.set(JAVA_INT, 68, userId);
        into.set(JAVA_INT, 72, groupId);
        into.set(JAVA_INT, 80, blockBytes);
    }

    private int mode(long node) {
        if (node == FuseProtocol.ROOT_NODE) {
            return S_IFDIR | 0555;
        }
        if (node == DISK_NODE) {
            return S_IFREG | (readOnly ? 0400 : 0600);
        }
        FuseFile file = file(node);
        return S_IFREG | (file != null && file.words() != null ? 0644 : 0444);
    }

    /**
     * Makes the answer to a STATFS and returns its length: a block is a chunk, what a loop device discards at least.
     */
    int putStatus(MemorySegment into) {
        into.asSlice(0, FuseProtocol.STATFS_OUT_BYTES).fill((byte) 0);
        into.set(JAVA_LONG, 0, (sizeBytes + blockBytes - 1) / blockBytes);
        into.set(JAVA_LONG, 24, names.length + 1L);
        into.set(JAVA_INT, 40, blockBytes);
        into.set(JAVA_INT, 44, FuseFile.NAME_BYTES_MAX);
        into.set(JAVA_INT, 48, blockBytes);
        return FuseProtocol.STATFS_OUT_BYTES;
    }

    /**
     * Makes the answer to a READDIR and returns its length: the entries from a position on that have room.
     *
     * @param position how many entries were listed before
     */
    int putEntries(MemorySegment into, long position, int lengthBytesMax) {
        int at = 0;
        int limit = Math.min(lengthBytesMax, Replies.BODY_BYTES_MAX);
        for (long i = Math.max(0, position); i < names.length + 2L; i++) {
            byte[] name = i == 0 ? new byte[] {'.'} : i == 1 ? new byte[] {'.', '.'} : names[(int) i - 2];
            int entryBytes = (FuseProtocol.DIRENT_NAME + name.length + Long.BYTES - 1) & -Long.BYTES;
            if (at + entryBytes > limit) {
                break;
            }
            MemorySegment entry = into.asSlice(at, entryBytes).fill((byte) 0);
            entry.set(JAVA_LONG, 0, i < 2 ? FuseProtocol.ROOT_NODE : DISK_NODE + i - 2);
            entry.set(JAVA_LONG, 8, i + 1);
            entry.set(JAVA_INT, 16, name.length);
            entry.set(JAVA_INT, 20, i < 2 ? DT_DIR : DT_REG);
            MemorySegment.copy(name, 0, entry, JAVA_BYTE, FuseProtocol.DIRENT_NAME, name.length);
            at += entryBytes;
        }
        return at;
    }
}
