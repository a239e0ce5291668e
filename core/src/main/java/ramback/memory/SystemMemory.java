package ramback.memory;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** What the machine says about its memory. */
final class SystemMemory {

    private static final Path MEMINFO = Path.of("/proc/meminfo");
    private static final Path BOOT_ID = Path.of("/proc/sys/kernel/random/boot_id");
    private static final String AVAILABLE = "MemAvailable:";

    private SystemMemory() {}

    /** MemAvailable of /proc/meminfo, in bytes: what can be taken without swapping, by the kernel's own estimate. */
    static long availableBytes() throws IOException {
        for (String line : Files.readAllLines(MEMINFO)) {
            if (line.startsWith(AVAILABLE)) {
                String kibibytes =
                        line.substring(AVAILABLE.length()).replace("kB", "").strip();
                return Long.parseLong(kibibytes) << 10;
            }
        }
        throw new IOException(MEMINFO + " has no line " + AVAILABLE);
    }

    /** The kernel's identity of this boot, 36 characters. */
    static String bootId() throws IOException {
        return Files.readString(BOOT_ID).strip();
    }
}
