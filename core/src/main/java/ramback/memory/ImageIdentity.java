package ramback.memory;

/**
 * Which image a segment belongs to: the device and inode numbers of a file, or for a block device its own number and 0.
 */
public record ImageIdentity(long device, long inode) {}
