package ramback.posix;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** What a process may do, as proc(5) tells it. */
public final class Capabilities {

    /** To administrate devices and mounts; source: capabilities(7). */
    public static final int SYS_ADMIN = 21;

    private static final String EFFECTIVE = "CapEff:";

    private Capabilities() {}

    /**
     * Whether a process has a capability, in its own user namespace.
     *
     * @param status its {@code status} in {@code /proc}
     * @param capability its number, such as {@link #SYS_ADMIN}
     * @throws IOException when that can't be read, or makes no sense
     */
    public static boolean isEffective(Path status, int capability) throws IOException {
        for (String line : Files.readAllLines(status, ISO_8859_1)) { // a process's name may be any bytes
            if (line.startsWith(EFFECTIVE)) {
                String mask = line.substring(EFFECTIVE.length()).strip();
                try {
                    return (Long.parseUnsignedLong(mask, 16) >> capability & 1) != 0;
                } catch (NumberFormatException e) {
                    throw new IOException("no mask of capabilities: " + mask, e);
                }
            }
        }
        return false;
    }
}
