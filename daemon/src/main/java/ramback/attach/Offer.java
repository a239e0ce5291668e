package ramback.attach;

import java.nio.file.Path;
import java.util.List;
import ramback.device.Device;
import ramback.engine.DeviceLife;
import ramback.traffic.Traffic;

/**
 * What a daemon has to offer to each of the ways.
 *
 * @param device what is served
 * @param traffic where what is asked of it is counted
 * @param directory {@code RUNDIR/NAME}
 * @param socket the Unix socket on which NBD clients are served
 * @param life which device it is, and how far it has come
 * @param generationBefore the generation that its image was left in before this start
 * @param files what stands beside the device in its FUSE directory
 */
public record Offer(
        Device device,
        Traffic traffic,
        Path directory,
        Path socket,
        DeviceLife life,
        long generationBefore,
        List<ControlFile> files) {

    /** Whether a block device that knows of an earlier life may be served from this one. */
    boolean goesOnFrom(AttachRecord record) {
        return life.goesOnFrom(record.life(), generationBefore);
    }

    /** Where its FUSE directory is mounted. */
    public Path fuseDirectory() {
        return directory.resolve(Parts.FUSE_DIRECTORY);
    }
}
