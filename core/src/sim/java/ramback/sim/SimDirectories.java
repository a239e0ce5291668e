package ramback.sim;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * The directories in memory that worlds have their segments in. Those of a world that is still running when the process ends,
 * such as that of a test that was given up, go with it. Safe for any thread.
 */
final class SimDirectories {

    private static final Path MEMORY = Path.of("/dev/shm");

    private static final Set<Path> CREATED = ConcurrentHashMap.newKeySet();

    static {
        Runtime.getRuntime().addShutdownHook(new Thread(SimDirectories::deleteAll, "sim-directories"));
    }

    private SimDirectories() {}

    static Path create() throws IOException {
        Path directory = Files.createTempDirectory(MEMORY, "ramback-sim");
        CREATED.add(directory);
        return directory;
    }

    /** Takes it away with what is in it: memory that a kill left, and nobody went on with. */
    static void delete(Path directory) throws IOException {
        try (DirectoryStream<Path> left = Files.newDirectoryStream(directory)) {
            for (Path file : left) {
                Files.deleteIfExists(file);
            }
        }
        Files.deleteIfExists(directory);
        CREATED.remove(directory);
    }

    private static void deleteAll() {
        for (Path directory : CREATED) {
            try {
                delete(directory);
            } catch (IOException e) {
                System.err.println("left behind: " + e);
            }
        }
    }
}
