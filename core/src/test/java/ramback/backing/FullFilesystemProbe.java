package ramback.backing;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import ramback.posix.Errno;

/**
 * Meets a full filesystem and prints what came of it, one line each. Run by {@link FileBackingTest} in a mount namespace of its
 * own, where the given directory is a tmpfs of 1 MiB with room for one file; the namespace ends with the process.
 */
final class FullFilesystemProbe {
    private FullFilesystemProbe() {}

    public static void main(String[] arguments) throws IOException {
        Path dir = Path.of(arguments[0]);
        try (FileBacking backing = FileBacking.create(dir.resolve("first.img"), 4 << 20);
                Arena arena = Arena.ofConfined()) {
            MemorySegment memory = arena.allocate(2 << 20, 4096).fill((byte) 1);
            try {
                backing.write(0, memory);
                System.out.println("written");
            } catch (BackingIoException e) {
                System.out.println(
                        e.operation() + " " + e.offsetBytes() + " " + e.lengthBytes() + " " + Errno.name(e.errno()));
            }
            backing.zero(0, 4 << 20);
            backing.write(0, memory.asSlice(0, 1 << 19));
            System.out.println("room again");
            try {
                FileBacking.create(dir.resolve("second.img"), 1 << 20).close();
                System.out.println("created");
            } catch (BackingOpenException e) {
                System.out.println(e.reason() + " " + Files.exists(dir.resolve("second.img")));
            }
        }
    }
}
