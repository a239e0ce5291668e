package ramback.posix;

/**
 * What fstatfs tells about the filesystem of an open file.
 *
 * @param type the filesystem's magic number, for example {@link #TYPE_TMPFS}
 * @param sizeBytes its size; 0 for a tmpfs without a limit
 * @param availableBytes what an unprivileged user may still allocate
 */
public record FilesystemStatus(long type, long sizeBytes, long availableBytes) {
    /** {@code TMPFS_MAGIC} of {@code linux/magic.h}. */
    public static final long TYPE_TMPFS = 0x0102_1994L;

    /** {@code HUGETLBFS_MAGIC} of {@code linux/magic.h}. */
    public static final long TYPE_HUGETLBFS = 0x9584_58F6L;

    public boolean isTmpfs() {
        return type == TYPE_TMPFS;
    }
}
