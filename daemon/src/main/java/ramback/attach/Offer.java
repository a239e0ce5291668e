package ramback.attach;

import java.nio.file.Path;
import java.util.List;
import ramback.device.Device;

/**
 * What a daemon has to offer to each of the ways.
 *
 * @param device what is served
 * @param directory {@code RUNDIR/NAME}
 * @param socket the Unix socket on which NBD clients are served
 * @param exportGeneration how often a start had to go on without acknowledged writes
 * @param files what stands beside the device in its FUSE directory
 */
public record Offer(Device device, Path directory, Path socket, long exportGeneration, List<ControlFile> files) {

    /** Where its FUSE directory is mounted. */
    public Path fuseDirectory() {
        return directory.resolve(Parts.FUSE_DIRECTORY);
    }
}
