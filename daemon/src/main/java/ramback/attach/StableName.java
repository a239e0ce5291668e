package ramback.attach;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;

/** The name of a device's block device that is the same at each attach, {@code /dev/ramback/NAME}: a symbolic link. */
public final class StableName {

    private StableName() {}

    /**
     * Gives a block device its device's name, unless another device that is attached has it: then it goes by its own.
     *
     * @param blockDevice such as {@code /dev/loop0}
     * @return the name to use
     */
    public static Path give(String name, Path blockDevice) {
        return give(Path.of("/"), name, blockDevice);
    }

    static Path give(Path root, String name, Path blockDevice) {
        Path link = Parts.link(root, name);
        try {
            Files.createDirectories(root.resolve(Parts.LINKS));
            if (Files.exists(link, LinkOption.NOFOLLOW_LINKS) && !isFree(root, link, blockDevice)) {
                return blockDevice;
            }
            Files.deleteIfExists(link);
            Files.createSymbolicLink(link, blockDevice);
            return link;
        } catch (IOException e) {
            return blockDevice; // another was faster, or it is a /dev that takes no names
        }
    }

    private static boolean isFree(Path root, Path link, Path blockDevice) throws IOException {
        if (!Files.isSymbolicLink(link)) {
            return false;
        }
        Path target = Files.readSymbolicLink(link);
        return target.equals(blockDevice)
                || !new BlockDevices(root).isRamback(target.getFileName().toString());
    }
}
