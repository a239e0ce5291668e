package ramback.engine;

import java.nio.file.Path;
import java.util.OptionalLong;
import ramback.device.Mode;

/**
 * What {@code up} was told about one device, syntax already checked.
 *
 * @param image the image: a raw file or a block device
 * @param sizeBytes the size asked for, if it was; a missing image is created only then
 * @param name the device's name, {@code [a-z0-9._-]{1,64}}
 * @param mode the configured mode, which {@code auto} returns to
 * @param ram when memory is taken
 * @param chunkBytes a power of two, 4 KiB to 1 MiB
 * @param dirtyMaxBytes the hard limit on bytes not yet committed; a quarter of the device if absent
 * @param clientCountMax how many clients may be connected at once, 1 to 4,096
 * @param readOnly whether changes are refused and the image is opened for reading only
 * @param ramDirectory where the memory segment lies, on tmpfs
 */
public record DeviceOptions(
        Path image,
        OptionalLong sizeBytes,
        String name,
        Mode mode,
        RamMode ram,
        int chunkBytes,
        OptionalLong dirtyMaxBytes,
        int clientCountMax,
        boolean readOnly,
        Path ramDirectory) {}
