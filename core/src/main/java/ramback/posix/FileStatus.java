package ramback.posix;

/**
 * What statx tells about an open file.
 *
 * @param sizeBytes of a regular file; 0 for a block device (see {@link Posix#blockDeviceSizeBytes})
 * @param device number of the device that holds the file, major &lt;&lt; 32 | minor
 * @param inode number within that device
 * @param mode type and permission bits, as in {@code st_mode}
 * @param modifiedNanos time of the last change of content, nanoseconds since 1970
 * @param changedNanos time of the last change of content or attributes, nanoseconds since 1970
 * @param specialDevice number of the device that the file is, for block and character devices, major &lt;&lt; 32 | minor
 * @param allocatedBytes what the file occupies (512 times {@code st_blocks}); less than the size when it has holes
 * @param directMemoryAlignmentBytes alignment that O_DIRECT wants of memory; 0: not known, or no O_DIRECT
 * @param directOffsetAlignmentBytes alignment that O_DIRECT wants of offsets and lengths; 0: not known, or no O_DIRECT
 */
public record FileStatus(
        long sizeBytes,
        long device,
        long inode,
        int mode,
        long modifiedNanos,
        long changedNanos,
        long specialDevice,
        long allocatedBytes,
        int directMemoryAlignmentBytes,
        int directOffsetAlignmentBytes) {

    private static final int TYPE_MASK = 0xF000;
    private static final int TYPE_CHARACTER_DEVICE = 0x2000;
    private static final int TYPE_DIRECTORY = 0x4000;
    private static final int TYPE_BLOCK_DEVICE = 0x6000;
    private static final int TYPE_REGULAR = 0x8000;
    private static final int TYPE_SYMLINK = 0xA000;

    public boolean isRegularFile() {
        return (mode & TYPE_MASK) == TYPE_REGULAR;
    }

    public boolean isDirectory() {
        return (mode & TYPE_MASK) == TYPE_DIRECTORY;
    }

    public boolean isBlockDevice() {
        return (mode & TYPE_MASK) == TYPE_BLOCK_DEVICE;
    }

    public boolean isCharacterDevice() {
        return (mode & TYPE_MASK) == TYPE_CHARACTER_DEVICE;
    }

    public boolean isSymbolicLink() {
        return (mode & TYPE_MASK) == TYPE_SYMLINK;
    }

    /** The permission bits alone, 0 to 07777. */
    public int permissions() {
        return mode & 0xFFF;
    }
}
