package ramback.host;

import java.nio.file.Path;
import ramback.memory.MemoryLock;

/**
 * The memory of a device.
 *
 * @param directory where its segment lies, on tmpfs
 * @param sizeBytes what it takes at most
 * @param isSparse whether it is taken as it is touched
 * @param lock how much of it can't be swapped out
 */
public record DeviceMemory(Path directory, long sizeBytes, boolean isSparse, MemoryLock lock) {

    /** The word in {@code status} for how much is locked. */
    public String lockWord() {
        return lock.word();
    }
}
