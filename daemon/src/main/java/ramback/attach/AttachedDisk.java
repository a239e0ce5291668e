package ramback.attach;

import java.util.List;

/**
 * What {@code status} tells of an attached device.
 *
 * @param via the way, as a word
 * @param device the block device, or the file where there is none
 * @param mounts where something of it is mounted, as far as the daemon can see
 * @param isLeft whether it is what an earlier daemon left, and serves nobody
 */
public record AttachedDisk(String via, String device, List<String> mounts, boolean isLeft) {}
