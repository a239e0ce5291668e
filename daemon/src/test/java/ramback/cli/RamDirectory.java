package ramback.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/** A test's own directory for the memory of devices, on tmpfs. */
final class RamDirectory {

    private RamDirectory() {}

    /** Removes it with whatever a test that failed has left in it; a test that did not has left nothing. */
    static void remove(Path directory) throws IOException {
        List<Path> left;
        try (Stream<Path> files = Files.list(directory)) {
            left = files.toList();
        }
        for (Path file : left) {
            Files.delete(file);
        }
        Files.delete(directory);
        assertThat(left).as("left in memory").isEmpty();
    }
}
