package ramback.posix;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.Charset;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * System calls by their names. Every method checks the result and throws {@link PosixException} with the errno; calls
 * that a signal interrupts are made again. Descriptors are plain ints: whoever opens one closes it.
 *
 * <p>Memory handed to a call must be off heap. {@link #pread}, {@link #pwrite} and {@link #fdatasync} allocate nothing
 * on the heap once compiled; the others are for cold paths. All methods may be called from any thread.
 */
public final class Posix {
    private static final Abi ABI = Abi.current();

    /** The policy that threads have unless they choose (sched(7)): one that wakes up may interrupt who runs. */
    public static final int SCHED_OTHER = 0;
    /** As {@link #SCHED_OTHER}, but that a thread which wakes up interrupts nobody: it waits for a CPU. */
    public static final int SCHED_BATCH = 3;

    /** Below this the call costs what it gains. */
    private static final long COPY_BYTES_MIN = 1024;

    private static final MemorySegment NO_PRIORITY =
            Arena.global().allocate(Integer.BYTES, Integer.BYTES).asReadOnly();

    /** Open flags, to be or-ed together. {@code O_CLOEXEC} is not among them: it is always set. */
    public static final int O_RDONLY = 0;

    public static final int O_WRONLY = 1;
    public static final int O_RDWR = 2;
    public static final int O_CREAT = 0x40;

    /** With {@link #O_CREAT}: fails if it exists. Alone, on a block device: fails with EBUSY if it is mounted or so held. */
    public static final int O_EXCL = 0x80;

    public static final int O_TRUNC = 0x200;

    /** Opening never waits, neither for the other end of a FIFO nor for a device. */
    public static final int O_NONBLOCK = 0x800;

    /** Transfers pass by the page cache; offsets, lengths and memory must be aligned ({@link FileStatus}). */
    public static final int O_DIRECT = ABI.openDirect();

    public static final int O_DIRECTORY = ABI.openDirectory();

    /** Fails with ELOOP if the last component is a symbolic link. */
    public static final int O_NOFOLLOW = ABI.openNoFollow();

    /** Only names the file, without opening it for transfers: {@link #status} works on it, and has no side effects. */
    public static final int O_PATH = 0x200000;

    /** Allocates the range; a file grows to hold it. */
    public static final int FALLOC_ALLOCATE = 0;

    /** To be or-ed in: the file's size stays as it is. */
    public static final int FALLOC_FL_KEEP_SIZE = 0x01;

    /** Makes the range a hole, which reads as zeroes; only together with {@link #FALLOC_FL_KEEP_SIZE}. */
    public static final int FALLOC_FL_PUNCH_HOLE = 0x02;

    /** Makes the range read as zeroes and keeps it allocated. */
    public static final int FALLOC_FL_ZERO_RANGE = 0x10;

    public static final int MADV_DONTNEED = 4;
    public static final int MADV_HUGEPAGE = 14;
    public static final int MADV_NOHUGEPAGE = 15;
    public static final int MADV_DONTDUMP = 16;

    /** Linux 5.14: maps all pages of the range, writable, and fails instead of raising a signal where it cannot. */
    public static final int MADV_POPULATE_WRITE = 23;

    /** A limit of {@link LockedMemoryLimits} that is none. */
    public static final long UNLIMITED = -1;

    /** What {@link #seekData} and {@link #seekHole} answer where there is nothing any more. */
    public static final long NONE = -1;

    private static final int O_CLOEXEC = 0x80000;
    private static final int F_SETFD = 2;
    private static final int FD_CLOEXEC = 1;
    private static final int STANDARD_ERROR = 2;
    static final int AF_UNIX = 1;
    private static final int SOCK_DGRAM_CLOEXEC = 2 | O_CLOEXEC;
    static final int MSG_NOSIGNAL = 0x4000;
    private static final int SOCKET_NAME_BYTES_MAX = 108;
    private static final int SEEK_END = 2;
    private static final int SEEK_DATA = 3;
    private static final int SEEK_HOLE = 4;
    private static final int LOCK_EX = 2;
    private static final int LOCK_NB = 4;
    private static final int LOCK_UN = 8;
    private static final int POSIX_FADV_RANDOM = 1;
    private static final int PROT_READ = 1;
    private static final int PROT_READ_WRITE = 3;
    private static final int MAP_PRIVATE_ANONYMOUS = 0x22;
    private static final int MAP_SHARED = 1;
    private static final int MLOCK_ONFAULT = 1;
    private static final int MCL_CURRENT_FUTURE_ONFAULT = 1 | 2 | 4;
    private static final int RLIMIT_MEMLOCK = 8;
    private static final int PR_GET_IO_FLUSHER = 58;
    private static final int AT_EMPTY_PATH = 0x1000;
    private static final int STATX_BASIC_STATS = 0x7FF;
    private static final int STATX_DIOALIGN = 0x2000;
    private static final int STATX_BYTES = 256;
    private static final int STATFS_BYTES = 120;
    private static final long STAT_BLOCK_BYTES = 512;
    private static final long NANOS_PER_SECOND = 1_000_000_000L;

    private static final long TCGETS = 0x5401;
    private static final long TCSETS = 0x5402;
    /** The kernel's termios has 36 bytes on both processors. */
    private static final int TERMIOS_BYTES_MAX = 64;

    private static final long BLKROGET = 0x125E;
    private static final long BLKSSZGET = 0x1268;
    private static final long BLKDISCARD = 0x1277;
    private static final long BLKZEROOUT = 0x127F;
    private static final long BLKGETSIZE64 = 0x80081272L;

    /** Paths go to the kernel in the bytes in which the JDK's file API would send them. */
    private static final Charset PATH_CHARSET = pathCharset();

    private Posix() {}

    // ---------------------------------------------------------------------------------------------- open and close

    /**
     * Opens a file; the descriptor is not inherited by child processes.
     *
     * @param mode permission bits for a file that it creates, less the umask; otherwise not looked at
     */
    public static int open(Path path, int flags, int mode) throws PosixException {
        try (Arena arena = Arena.ofConfined()) {
            return check("open", Native.open(bytes(arena, path), flags | O_CLOEXEC, mode), path);
        }
    }

    /** Closes a descriptor; it is closed even when this throws. */
    public static void close(int fd) throws PosixException {
        int result = Native.close(fd);
        if (result != -Errno.EINTR) {
            check("close", result, null);
        }
    }

    /** Removes a name of a file. */
    public static void unlink(Path path) throws PosixException {
        try (Arena arena = Arena.ofConfined()) {
            check("unlink", Native.unlink(bytes(arena, path)), path);
        }
    }

    // ---------------------------------------------------------------------------------------------- transfer

    /**
     * Reads into part of a segment. A short count is the caller's to deal with; 0 is the end of the file.
     *
     * @param lengthBytes more than the kernel takes at once (0x7ffff000) gives a short count
     * @return bytes read, 0 to {@code lengthBytes}
     */
    public static long pread(
            int fd, MemorySegment buffer, long bufferOffsetBytes, long lengthBytes, long fileOffsetBytes)
            throws PosixException {
        MemorySegment part = buffer.asSlice(bufferOffsetBytes, lengthBytes);
        return check("pread", Native.pread(fd, part, lengthBytes, fileOffsetBytes));
    }

    /**
     * Writes part of a segment. A short count is the caller's to deal with.
     *
     * @param lengthBytes more than the kernel takes at once (0x7ffff000) gives a short count
     * @return bytes written, 0 to {@code lengthBytes}
     */
    public static long pwrite(
            int fd, MemorySegment buffer, long bufferOffsetBytes, long lengthBytes, long fileOffsetBytes)
            throws PosixException {
        MemorySegment part = buffer.asSlice(bufferOffsetBytes, lengthBytes);
        return check("pwrite", Native.pwrite(fd, part, lengthBytes, fileOffsetBytes));
    }

    /** Makes the content durable, and as much of the metadata as is needed to read it back. */
    public static void fdatasync(int fd) throws PosixException {
        check("fdatasync", Native.fdatasync(fd), null);
    }

    /** Makes content and metadata durable; on a directory, its entries. */
    public static void fsync(int fd) throws PosixException {
        check("fsync", Native.fsync(fd), null);
    }

    /** Makes a directory's entries durable: what was created, renamed or removed in it. */
    public static void syncDirectory(Path directory) throws PosixException {
        int fd = open(directory, O_RDONLY | O_DIRECTORY, 0);
        try {
            check("fsync", Native.fsync(fd), directory);
        } finally {
            close(fd);
        }
    }

    /** Reads through the page cache fetch what they ask for and nothing ahead of it. */
    public static void adviseRandomAccess(int fd) throws PosixException {
        check("posix_fadvise", -Native.posixFadvise(fd, 0, 0, POSIX_FADV_RANDOM), null);
    }

    // ---------------------------------------------------------------------------------------------- space

    /** Sets a file's size; what it grows by is a hole. */
    public static void ftruncate(int fd, long sizeBytes) throws PosixException {
        check("ftruncate", Native.ftruncate(fd, sizeBytes), null);
    }

    /**
     * Allocates, zeroes or frees a range, by the {@code FALLOC_} constants.
     *
     * @throws PosixException EOPNOTSUPP where the filesystem or device has no such mode, ENOSPC where there is no room
     */
    public static void fallocate(int fd, int mode, long offsetBytes, long lengthBytes) throws PosixException {
        check("fallocate", Native.fallocate(fd, mode, offsetBytes, lengthBytes), null);
    }

    /** The first offset from {@code fromBytes} on that holds data; {@link #NONE} when only holes follow, or the end. */
    public static long seekData(int fd, long fromBytes) throws PosixException {
        return seek(fd, fromBytes, SEEK_DATA);
    }

    /** The first offset from {@code fromBytes} on that is a hole, the end counting as one; {@link #NONE} at the end. */
    public static long seekHole(int fd, long fromBytes) throws PosixException {
        return seek(fd, fromBytes, SEEK_HOLE);
    }

    /** Where a file or a block device ends now. */
    public static long endOffset(int fd) throws PosixException {
        return check("lseek", Native.lseek(fd, 0, SEEK_END));
    }

    private static long seek(int fd, long fromBytes, int whence) throws PosixException {
        long result = Native.lseek(fd, fromBytes, whence);
        return result == -Errno.ENXIO ? NONE : check("lseek", result);
    }

    // ---------------------------------------------------------------------------------------------- status

    /** Size, identity, times and O_DIRECT's alignment of an open file. */
    public static FileStatus status(int fd) throws PosixException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment statx = arena.allocate(STATX_BYTES, Long.BYTES);
            MemorySegment emptyPath = arena.allocateFrom("");
            check("statx", Native.statx(fd, emptyPath, AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_DIOALIGN, statx), null);
            return fileStatus(statx);
        }
    }

    /*
     * struct statx, the same on every processor (Linux include/uapi/linux/stat.h); what we read of it:
     *
     *    0 mask u32       28 mode u16       32 inode u64      40 size u64       48 blocks u64
     *   96 ctime { s64 seconds, u32 nanos, pad }             112 mtime { the same }
     *  128 rdev major u32, minor u32      136 dev major u32, minor u32
     *  152 direct memory alignment u32    156 direct offset alignment u32                        256 end
     */
    private static FileStatus fileStatus(MemorySegment statx) {
        boolean alignmentKnown = (statx.get(JAVA_INT, 0) & STATX_DIOALIGN) != 0;
        return new FileStatus(
                statx.get(JAVA_LONG, 40),
                deviceNumber(statx, 136),
                statx.get(JAVA_LONG, 32),
                Short.toUnsignedInt(statx.get(JAVA_SHORT, 28)),
                nanos(statx, 112),
                nanos(statx, 96),
                deviceNumber(statx, 128),
                statx.get(JAVA_LONG, 48) * STAT_BLOCK_BYTES,
                alignmentKnown ? statx.get(JAVA_INT, 152) : 0,
                alignmentKnown ? statx.get(JAVA_INT, 156) : 0);
    }

    private static long deviceNumber(MemorySegment statx, long at) {
        return Integer.toUnsignedLong(statx.get(JAVA_INT, at)) << 32
                | Integer.toUnsignedLong(statx.get(JAVA_INT, at + 4));
    }

    private static long nanos(MemorySegment statx, long at) {
        return statx.get(JAVA_LONG, at) * NANOS_PER_SECOND + Integer.toUnsignedLong(statx.get(JAVA_INT, at + 8));
    }

    /** Type, size and free room of the filesystem that an open file is on. */
    public static FilesystemStatus filesystemStatus(int fd) throws PosixException {
        try (Arena arena = Arena.ofConfined()) {
            // struct statfs: 0 type, 8 transfer size, 16 blocks, 24 free, 32 available, 72 block size or 0; 120 bytes
            MemorySegment statfs = arena.allocate(STATFS_BYTES, Long.BYTES);
            check("fstatfs", Native.fstatfs(fd, statfs), null);
            long fragmentBytes = statfs.get(JAVA_LONG, 72);
            long blockBytes = fragmentBytes != 0 ? fragmentBytes : statfs.get(JAVA_LONG, 8);
            return new FilesystemStatus(
                    statfs.get(JAVA_LONG, 0),
                    statfs.get(JAVA_LONG, 16) * blockBytes,
                    statfs.get(JAVA_LONG, 32) * blockBytes);
        }
    }

    /** Sets permission bits, whatever the umask. */
    public static void fchmod(int fd, int mode) throws PosixException {
        check("fchmod", Native.fchmod(fd, mode), null);
    }

    /**
     * Takes the exclusive lock of the open file, without waiting. It belongs to the open file description, so a second
     * open of the same process does not have it; it ends with the last close, also when the process is killed.
     *
     * @return false when somebody else has it
     */
    public static boolean tryLockExclusive(int fd) throws PosixException {
        int result = Native.flock(fd, LOCK_EX | LOCK_NB);
        if (result == -Errno.EAGAIN) {
            return false;
        }
        check("flock", result, null);
        return true;
    }

    /** Takes the lock of {@link #tryLockExclusive}, and waits for whoever has it; no interrupt ends that. */
    public static void lockExclusive(int fd) throws PosixException {
        check("flock", Native.flock(fd, LOCK_EX), null);
    }

    /** Gives back the lock of {@link #tryLockExclusive}. */
    public static void unlock(int fd) throws PosixException {
        check("flock", Native.flock(fd, LOCK_UN), null);
    }

    // ---------------------------------------------------------------------------------------------- block devices

    /** Size of a block device. Fails with ENOTTY on anything else. */
    public static long blockDeviceSizeBytes(int fd) throws PosixException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment size = arena.allocate(JAVA_LONG);
            check("ioctl BLKGETSIZE64", Native.ioctl(fd, BLKGETSIZE64, size), null);
            return size.get(JAVA_LONG, 0);
        }
    }

    /** Logical sector size of a block device, the unit of its direct transfers. Fails with ENOTTY on anything else. */
    public static int blockDeviceSectorBytes(int fd) throws PosixException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment size = arena.allocate(JAVA_INT);
            check("ioctl BLKSSZGET", Native.ioctl(fd, BLKSSZGET, size), null);
            return size.get(JAVA_INT, 0);
        }
    }

    /** Whether a block device is write-protected: Linux lets it be opened for writing, and fails the writes with EPERM. */
    public static boolean blockDeviceReadOnly(int fd) throws PosixException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment readOnly = arena.allocate(JAVA_INT);
            check("ioctl BLKROGET", Native.ioctl(fd, BLKROGET, readOnly), null);
            return readOnly.get(JAVA_INT, 0) != 0;
        }
    }

    /** Tells a block device that a range, in whole sectors, is of no use any more; what it reads as then is undefined. */
    public static void blockDeviceDiscard(int fd, long offsetBytes, long lengthBytes) throws PosixException {
        blockDeviceRange("ioctl BLKDISCARD", fd, BLKDISCARD, offsetBytes, lengthBytes);
    }

    /** Makes a range of a block device, in whole sectors, read as zeroes, by the device's own means where it has any. */
    public static void blockDeviceZero(int fd, long offsetBytes, long lengthBytes) throws PosixException {
        blockDeviceRange("ioctl BLKZEROOUT", fd, BLKZEROOUT, offsetBytes, lengthBytes);
    }

    private static void blockDeviceRange(String call, int fd, long request, long offsetBytes, long lengthBytes)
            throws PosixException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment range = arena.allocateFrom(JAVA_LONG, offsetBytes, lengthBytes);
            check(call, Native.ioctl(fd, request, range), null);
        }
    }

    // ---------------------------------------------------------------------------------------------- terminals

    /** The settings of a terminal, to be given back as they are. Fails with ENOTTY on anything else. */
    public static byte[] terminalSettings(int fd) throws PosixException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment termios = arena.allocate(TERMIOS_BYTES_MAX);
            check("ioctl TCGETS", Native.ioctl(fd, TCGETS, termios), null);
            return termios.toArray(JAVA_BYTE);
        }
    }

    /** Gives a terminal its settings, at once: also while nobody reads what was written to it. */
    public static void setTerminalSettings(int fd, byte[] settings) throws PosixException {
        try (Arena arena = Arena.ofConfined()) {
            check("ioctl TCSETS", Native.ioctl(fd, TCSETS, arena.allocateFrom(JAVA_BYTE, settings)), null);
        }
    }

    // ---------------------------------------------------------------------------------------------- memory

    /**
     * Maps the first bytes of a file, shared, for reading and writing. The segment belongs to the global scope: it stays
     * accessible for ever as far as Java knows, so nobody may touch it after {@link #munmap}, nor beyond the end of the
     * file (the process would get SIGSEGV or SIGBUS).
     *
     * @param lengthBytes more than 0
     */
    public static MemorySegment mmapShared(int fd, long lengthBytes) throws PosixException {
        return mmapShared(fd, 0, lengthBytes);
    }

    /** As {@link #mmapShared(int, long)}, from an offset on, a multiple of the page size. */
    @SuppressWarnings("restricted") // a mapping is memory that only we know the length of
    public static MemorySegment mmapShared(int fd, long offsetBytes, long lengthBytes) throws PosixException {
        long address = check("mmap", Native.mmap(lengthBytes, PROT_READ_WRITE, MAP_SHARED, fd, offsetBytes));
        return MemorySegment.ofAddress(address).reinterpret(lengthBytes);
    }

    /** As {@link #mmapShared(int, long, long)}, for reading alone. */
    @SuppressWarnings("restricted") // as above
    public static MemorySegment mmapReadOnly(int fd, long offsetBytes, long lengthBytes) throws PosixException {
        long address = check("mmap", Native.mmap(lengthBytes, PROT_READ, MAP_SHARED, fd, offsetBytes));
        return MemorySegment.ofAddress(address).reinterpret(lengthBytes).asReadOnly();
    }

    /** The unit of mappings: 4 KiB, or up to 64 KiB on aarch64. */
    public static int pageBytes() {
        return Native.getpagesize();
    }

    /** Maps memory of this process alone, zeroed, which is there only from the first touch of each page on. */
    @SuppressWarnings("restricted") // as above
    public static MemorySegment mmapAnonymous(long lengthBytes) throws PosixException {
        long address = check("mmap", Native.mmap(lengthBytes, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0));
        return MemorySegment.ofAddress(address).reinterpret(lengthBytes);
    }

    /** Ends a mapping of {@link #mmapShared}, {@link #mmapReadOnly} or {@link #mmapAnonymous}. */
    public static void munmap(MemorySegment mapping) throws PosixException {
        check("munmap", Native.munmap(mapping, mapping.byteSize()), null);
    }

    /**
     * Advises about memory, by the {@code MADV_} constants.
     *
     * @param memory begins on a page
     * @throws PosixException EINVAL where the kernel does not know the advice; with {@link #MADV_POPULATE_WRITE}: ENOMEM
     *     where there is too little memory, EFAULT or EHWPOISON where a page cannot be had
     */
    public static void madvise(MemorySegment memory, int advice) throws PosixException {
        check("madvise", Native.madvise(memory, memory.byteSize(), advice), null);
    }

    /**
     * Copies bytes between places that don't overlap. Where that is much, it is the C library's memcpy: memory that no cache holds is
     * written without being read first. Neither place may go away meanwhile.
     *
     * @throws IndexOutOfBoundsException when they reach beyond one of the segments
     */
    public static void copy(
            MemorySegment from, long fromOffsetBytes, MemorySegment to, long toOffsetBytes, long lengthBytes) {
        if (lengthBytes < COPY_BYTES_MIN || !from.isNative() || !to.isNative()) {
            MemorySegment.copy(from, fromOffsetBytes, to, toOffsetBytes, lengthBytes);
            return;
        }
        Objects.checkFromIndexSize(fromOffsetBytes, lengthBytes, from.byteSize());
        Objects.checkFromIndexSize(toOffsetBytes, lengthBytes, to.byteSize());
        Native.memcpy(to.address() + toOffsetBytes, from.address() + fromOffsetBytes, lengthBytes);
    }

    /**
     * Keeps a range of memory from being swapped out, until it is unmapped or unlocked: all of it, taking what is not there
     * yet, or each page from its first touch on.
     *
     * @param memory begins on a page
     * @throws PosixException ENOMEM or EPERM where the limit on locked memory is lower and the process may not pass it; ENOMEM
     *     and EAGAIN also where the pages can't be had
     */
    public static void lock(MemorySegment memory, boolean onFault) throws PosixException {
        check("mlock2", Native.mlock2(memory, memory.byteSize(), onFault ? MLOCK_ONFAULT : 0), null);
    }

    /** Lets a range of memory be swapped out again, whether it was locked or not. */
    public static void unlock(MemorySegment memory) throws PosixException {
        check("munlock", Native.munlock(memory, memory.byteSize()), null);
    }

    // ---------------------------------------------------------------------------------------------- datagrams

    /** A Unix socket without a name that sends datagrams (the JDK has none). Not inherited by child processes. */
    public static int datagramSocket() throws PosixException {
        return check("socket", Native.socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0), null);
    }

    /**
     * Sends one datagram, whole, to a Unix socket; waits while the receiver's queue is full.
     *
     * @param name the socket's path, or {@code @} and its name in the abstract namespace (unix(7))
     * @throws PosixException ENOENT or ECONNREFUSED where nobody listens, ENAMETOOLONG for a name of more than 108 bytes
     */
    public static void sendDatagram(int fd, String name, byte[] message) throws PosixException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment address = unixAddress(arena, name, "sendto");
            MemorySegment bytes = arena.allocate(message.length);
            MemorySegment.copy(message, 0, bytes, JAVA_BYTE, 0, message.length);
            long sent = Native.sendto(
                    fd, bytes, message.length, MSG_NOSIGNAL, address, Math.toIntExact(address.byteSize()));
            if (sent < 0) {
                throw new PosixException("sendto", (int) -sent, name);
            }
        }
    }

    /** {@code struct sockaddr_un} for a path, or for {@code @} and a name in the abstract namespace. */
    static MemorySegment unixAddress(Arena arena, String name, String call) throws PosixException {
        boolean isAbstract = name.startsWith("@");
        byte[] encoded = name.getBytes(PATH_CHARSET);
        // A path ends with a zero byte, an abstract name begins with one.
        int nameBytes = isAbstract ? encoded.length : encoded.length + 1;
        if (nameBytes > SOCKET_NAME_BYTES_MAX) {
            throw new PosixException(call, Errno.ENAMETOOLONG, name);
        }
        // 0 family u16, 2 name
        MemorySegment address = arena.allocate(Short.BYTES + nameBytes, Short.BYTES);
        address.set(JAVA_SHORT, 0, (short) AF_UNIX);
        MemorySegment.copy(encoded, 0, address, JAVA_BYTE, Short.BYTES, encoded.length);
        if (isAbstract) {
            address.set(JAVA_BYTE, Short.BYTES, (byte) 0);
        }
        return address;
    }

    // ---------------------------------------------------------------------------------------------- process

    /**
     * Makes the process another program, with the environment that it was started with; returns only when that fails.
     *
     * @param command the program's arguments, its own name first
     */
    public static void execute(Path program, List<String> command) throws PosixException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment arguments = arena.allocate(ADDRESS, command.size() + 1L);
            for (int i = 0; i < command.size(); i++) {
                arguments.setAtIndex(ADDRESS, i, bytes(arena, command.get(i)));
            }
            arguments.setAtIndex(ADDRESS, command.size(), MemorySegment.NULL);
            check("execv", Native.execv(bytes(arena, program), arguments), program);
        }
    }

    /** Lets every open file of the process but the standard streams be closed when it becomes another program. */
    public static void closeOnExec() throws IOException {
        try (Stream<Path> open = Files.list(Path.of("/proc/self/fd"))) {
            for (Path entry : open.toList()) {
                int fd = Integer.parseInt(entry.getFileName().toString());
                if (fd > STANDARD_ERROR) {
                    // One that is closed already is no matter: that of the list itself.
                    Native.fcntl(fd, F_SETFD, FD_CLOEXEC);
                }
            }
        }
    }

    /** The user that the process acts as; 0 is root. */
    public static int effectiveUserId() {
        return Native.geteuid();
    }

    /** The group that the process acts as. */
    public static int effectiveGroupId() {
        return Native.getegid();
    }

    /**
     * Keeps all of the process from being swapped out, what it maps later too, each page from its first touch on. Only for
     * who has no limit on locked memory: under one, later mappings fail.
     */
    public static void lockProcess() throws PosixException {
        check("mlockall", Native.mlockall(MCL_CURRENT_FUTURE_ONFAULT), null);
    }

    /**
     * How much memory the process may lock.
     *
     * @param softBytes what holds, or {@link #UNLIMITED}
     * @param hardBytes what it may be raised to, or {@link #UNLIMITED}
     */
    public record LockedMemoryLimits(long softBytes, long hardBytes) {}

    /** Raises the limit on locked memory as far as the process may, and returns what it was before. */
    public static LockedMemoryLimits raiseLockedMemoryLimit() throws PosixException {
        try (Arena arena = Arena.ofConfined()) {
            // struct rlimit64: 0 soft, 8 hard
            MemorySegment limits = arena.allocate(2 * Long.BYTES, Long.BYTES);
            check("prlimit", Native.prlimit(0, RLIMIT_MEMLOCK, MemorySegment.NULL, limits), null);
            LockedMemoryLimits before = new LockedMemoryLimits(limits.get(JAVA_LONG, 0), limits.get(JAVA_LONG, 8));
            limits.set(JAVA_LONG, 0, before.hardBytes());
            check("prlimit", Native.prlimit(0, RLIMIT_MEMLOCK, limits, MemorySegment.NULL), null);
            return before;
        }
    }

    /**
     * Whether the calling thread counts as one that carries out I/O for others (PR_GET_IO_FLUSHER of prctl(2)): memory that
     * the kernel needs for it is then never waited for by way of a filesystem or block device, which might be the one that it
     * serves. Threads have it from the thread that made them.
     *
     * @throws PosixException EPERM where the process may not ask, nor be one: it needs CAP_SYS_RESOURCE; EINVAL before Linux 5.6
     */
    public static boolean isIoFlusher() throws PosixException {
        return check("prctl PR_GET_IO_FLUSHER", Native.prctl(PR_GET_IO_FLUSHER, 0, 0, 0, 0), null) != 0;
    }

    /**
     * Sets the scheduling policy of the calling thread.
     *
     * @param policy {@link #SCHED_OTHER} or {@link #SCHED_BATCH}: both without a priority, and anybody's to choose
     * @throws PosixException EINVAL for another one, EPERM where a policy of the machine forbids it
     */
    public static void setOwnScheduler(int policy) throws PosixException {
        // struct sched_param: 0 priority
        check("sched_setscheduler", Native.schedSetscheduler(0, policy, NO_PRIORITY), null);
    }

    static int check(String call, int result, @Nullable Path path) throws PosixException {
        if (result < 0) {
            throw new PosixException(call, -result, path == null ? null : path.toString());
        }
        return result;
    }

    static long check(String call, long result) throws PosixException {
        if (result < 0) {
            throw new PosixException(call, (int) -result, null);
        }
        return result;
    }

    static MemorySegment bytes(Arena arena, Path path) {
        return bytes(arena, path.toString());
    }

    static MemorySegment bytes(Arena arena, String text) {
        byte[] encoded = text.getBytes(PATH_CHARSET);
        MemorySegment bytes = arena.allocate(encoded.length + 1L);
        MemorySegment.copy(encoded, 0, bytes, JAVA_BYTE, 0, encoded.length);
        return bytes;
    }

    private static Charset pathCharset() {
        String name = System.getProperty("sun.jnu.encoding");
        return name != null && Charset.isSupported(name) ? Charset.forName(name) : Charset.defaultCharset();
    }
}
