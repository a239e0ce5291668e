package ramback.fuse;

/**
 * The numbers and layouts of the protocol that are used here (Linux {@code include/uapi/linux/fuse.h}). All fields are in
 * the machine's byte order. A message is a header and, right behind it, what belongs to its opcode.
 *
 * <pre>
 *   request   0 length u32    4 opcode u32    8 unique u64    16 node u64    24 uid, 28 gid, 32 pid u32    36 pad    40
 *   reply     0 length u32    4 error s32     8 unique u64    16
 * </pre>
 */
final class FuseProtocol {

    /** The protocol's major version. */
    static final int MAJOR = 7;
    /** The minor version that we speak, of Linux 5.4: what came later is asked for by flags, or not used. */
    static final int MINOR = 31;

    static final int IN_HEADER_BYTES = 40;
    static final int OUT_HEADER_BYTES = 16;

    static final int IN_OPCODE = 4;
    static final int IN_UNIQUE = 8;
    static final int IN_NODE = 16;

    static final int LOOKUP = 1;
    static final int FORGET = 2;
    static final int GETATTR = 3;
    static final int SETATTR = 4;
    static final int SYMLINK = 6;
    static final int MKNOD = 8;
    static final int MKDIR = 9;
    static final int UNLINK = 10;
    static final int RMDIR = 11;
    static final int RENAME = 12;
    static final int LINK = 13;
    static final int OPEN = 14;
    static final int READ = 15;
    static final int WRITE = 16;
    static final int STATFS = 17;
    static final int RELEASE = 18;
    static final int FSYNC = 20;
    static final int FLUSH = 25;
    static final int INIT = 26;
    static final int OPENDIR = 27;
    static final int READDIR = 28;
    static final int RELEASEDIR = 29;
    static final int FSYNCDIR = 30;
    static final int CREATE = 35;
    static final int INTERRUPT = 36;
    static final int DESTROY = 38;
    static final int IOCTL = 39;
    static final int BATCH_FORGET = 42;
    static final int FALLOCATE = 43;
    static final int RENAME2 = 45;
    static final int LSEEK = 46;
    static final int TMPFILE = 51;

    /** The root directory's node. */
    static final long ROOT_NODE = 1;

    /**
     * struct fuse_init_in: 0 major u32, 4 minor u32, 8 max_readahead u32, 12 flags u32, ...
     *
     * <p>struct fuse_init_out: 0 major u32, 4 minor u32, 8 max_readahead u32, 12 flags u32, 16 max_background u16, 18
     * congestion_threshold u16, 20 max_write u32, 24 time_gran u32, 28 max_pages u16, 30 map_alignment u16, 32 flags2 u32, 64 end.
     */
    static final int INIT_IN_BYTES_MIN = 16;

    static final int INIT_OUT_BYTES = 64;

    static final int ASYNC_READ = 1;
    static final int BIG_WRITES = 1 << 5;
    static final int ASYNC_DIO = 1 << 15;
    static final int PARALLEL_DIROPS = 1 << 18;
    static final int MAX_PAGES = 1 << 22;

    /** struct fuse_attr; see {@link Tree}. */
    static final int ATTR_BYTES = 88;
    /** struct fuse_entry_out: 0 node u64, 8 generation u64, 16 entry_valid u64, 24 attr_valid u64, 32 and 36 nanoseconds, 40 attr. */
    static final int ENTRY_OUT_BYTES = 40 + ATTR_BYTES;
    /** struct fuse_attr_out: 0 attr_valid u64, 8 nanoseconds u32, 16 attr. */
    static final int ATTR_OUT_BYTES = 16 + ATTR_BYTES;

    /** struct fuse_setattr_in: 0 valid u32, 8 fh u64, 16 size u64, ... */
    static final int SETATTR_IN_BYTES = 88;

    static final int FATTR_MODE = 1;
    static final int FATTR_UID = 1 << 1;
    static final int FATTR_GID = 1 << 2;
    static final int FATTR_SIZE = 1 << 3;

    /** struct fuse_open_in: 0 flags u32. */
    static final int OPEN_IN_BYTES = 8;
    /** struct fuse_open_out: 0 fh u64, 8 open_flags u32. */
    static final int OPEN_OUT_BYTES = 16;

    static final int FOPEN_DIRECT_IO = 1;
    static final int FOPEN_PARALLEL_DIRECT_WRITES = 1 << 6;

    /** struct fuse_read_in and fuse_write_in: 0 fh u64, 8 offset u64, 16 size u32, 20 its flags u32, 24 lock owner, 32 flags u32. */
    static final int READ_IN_BYTES = 40;

    static final int WRITE_IN_BYTES = 40;
    /** struct fuse_write_out: 0 size u32. */
    static final int WRITE_OUT_BYTES = 8;

    /** struct fuse_release_in: 0 fh u64. struct fuse_flush_in and fuse_fsync_in begin so, too. */
    static final int RELEASE_IN_BYTES = 24;

    static final int FLUSH_IN_BYTES = 24;
    static final int FSYNC_IN_BYTES = 16;

    /** struct fuse_kstatfs: 0 blocks, 8 bfree, 16 bavail, 24 files, 32 ffree u64, 40 bsize, 44 namelen, 48 frsize u32. */
    static final int STATFS_OUT_BYTES = 80;

    /** struct fuse_fallocate_in: 0 fh u64, 8 offset u64, 16 length u64, 24 mode u32. */
    static final int FALLOCATE_IN_BYTES = 32;

    /** struct fuse_lseek_in: 0 fh u64, 8 offset u64, 16 whence u32. struct fuse_lseek_out: 0 offset u64. */
    static final int LSEEK_IN_BYTES = 24;

    static final int SEEK_DATA = 3;
    static final int SEEK_HOLE = 4;

    /** struct fuse_interrupt_in: 0 unique u64. */
    static final int INTERRUPT_IN_BYTES = 8;

    /** struct fuse_dirent: 0 ino u64, 8 off u64, 16 namelen u32, 20 type u32, 24 name, padded to 8. */
    static final int DIRENT_NAME = 24;

    /** What a program asked for when it opened a file (open(2)). */
    static final int O_ACCMODE = 3;

    static final int O_RDONLY = 0;
    static final int O_DSYNC = 0x1000;

    /** The shortest buffer that the kernel reads requests into. */
    static final int READ_BUFFER_BYTES_MIN = 8192;

    private FuseProtocol() {}
}
