package ramback.host;

import java.nio.file.Path;
import java.util.List;

/** The machine, as the daemon sees it. */
public interface Host {

    /** This one. */
    static Host system() {
        return new LinuxHost(Path.of("/"));
    }

    /** Asks the kernel for what keeps the whole process going when memory is short; once, before it serves a device. */
    Protection protect();

    /** What threatens the memory of a device: a line each of what it is, what it would cost and what to do about it. */
    List<String> threats(DeviceMemory memory);
}
