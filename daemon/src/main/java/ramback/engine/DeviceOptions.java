package ramback.engine;

import java.nio.file.Path;
import java.util.OptionalLong;
import ramback.device.Mode;
import ramback.power.PowerPolicy;

/**
 * What {@code up} was told about one device, syntax already checked.
 *
 * @param image the image: a raw file, a block device or an export
 * @param sizeBytes the size asked for, if it was; a missing image is created only then
 * @param name the device's name, {@code [a-z0-9._-]{1,64}}
 * @param mode the configured mode, which {@code auto} returns to
 * @param intervalNanos how far the durable image may lag in {@code checkpoint}, 20 ms to 1 h
 * @param journal whether a journal is kept, and where
 * @param ram when memory is taken
 * @param chunkBytes a power of two, 4 KiB to 1 MiB
 * @param dirtyMaxBytes the hard limit on bytes not yet committed; if absent a quarter of the device, and none in {@code unsafe}
 * @param snapshotBufferBytes how much may be kept of what writers overtake while a snapshot is taken
 * @param clientCountMax how many clients may be connected at once, 1 to 4,096
 * @param readOnly whether changes are refused and the image is opened for reading only
 * @param detectZeroes whether whole chunks of zeroes that are written become zeroes that take no memory
 * @param acceptTorn whether an image that may be a mixture of old and new is taken as it is
 * @param adoptImage whether an image that somebody else changed since its clean stop is taken as it is
 * @param discardMemory whether the memory of a killed daemon is given up
 * @param ramDirectory where the memory segment lies, on tmpfs
 * @param power who tells of the machine's power
 * @param stateDirectory where the states of images lie that can't have them beside them
 */
public record DeviceOptions(
        ImageName image,
        OptionalLong sizeBytes,
        String name,
        Mode mode,
        long intervalNanos,
        JournalOption journal,
        RamMode ram,
        int chunkBytes,
        OptionalLong dirtyMaxBytes,
        long snapshotBufferBytes,
        int clientCountMax,
        boolean readOnly,
        boolean detectZeroes,
        boolean acceptTorn,
        boolean adoptImage,
        boolean discardMemory,
        PowerOptions power,
        Path ramDirectory,
        Path stateDirectory) {

    /** The mode to begin in: what the power is like is known only a moment later. */
    Mode startMode() {
        return power.ups() == null ? mode : PowerPolicy.whenUnknown(mode);
    }
}
