package ramback.backing;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import ramback.clock.Clock;
import ramback.posix.LoopDevice;
import ramback.posix.Posix;
import ramback.sim.SimDisk;

/** One disk of one kind for a test, made new and taken away completely. */
final class Medium implements AutoCloseable {
    enum Kind {
        /** A file where the build is, on a filesystem with O_DIRECT usually. */
        FILE,
        /** A file on tmpfs, which is not accessed directly. */
        TMPFS,
        LOOP_512,
        LOOP_4096,
        MEMORY,
        /** One in memory, whose calls are watched. */
        WATCHED,
        /** The simulation's, healthy. */
        SIMULATED
    }

    private final Kind kind;
    private final int sizeBytes;
    private final @Nullable Path dir;
    private final @Nullable LoopDevice loop;
    private Backing backing;

    private Medium(Kind kind, int sizeBytes, @Nullable Path dir, @Nullable LoopDevice loop, Backing backing) {
        this.kind = kind;
        this.sizeBytes = sizeBytes;
        this.dir = dir;
        this.loop = loop;
        this.backing = backing;
    }

    /** Makes a disk of zeroes, or skips the test where there are none of the kind. */
    static Medium create(Kind kind, int sizeBytes) throws IOException {
        if (kind == Kind.MEMORY) {
            return new Medium(kind, sizeBytes, null, null, new MemoryBacking(sizeBytes));
        }
        if (kind == Kind.WATCHED) {
            Backing watched = new WatchedBacking(new MemoryBacking(sizeBytes), Clock.SYSTEM);
            return new Medium(kind, sizeBytes, null, null, watched);
        }
        if (kind == Kind.SIMULATED) {
            return new Medium(kind, sizeBytes, null, null, SimDisk.plain("test", sizeBytes));
        }
        Path dir = newDirectory(kind == Kind.TMPFS);
        Path image = dir.resolve("disk.img");
        LoopDevice loop = null;
        try {
            FileBacking file = FileBacking.create(image, sizeBytes);
            if (kind == Kind.FILE || kind == Kind.TMPFS) {
                return new Medium(kind, sizeBytes, dir, null, file);
            }
            file.close();
            loop = LoopDevice.attach(image, "--sector-size", kind == Kind.LOOP_512 ? "512" : "4096");
            return new Medium(kind, sizeBytes, dir, loop, FileBacking.open(loop.path(), false));
        } catch (Throwable t) {
            if (loop != null) {
                loop.close();
            }
            removeTree(dir);
            throw t;
        }
    }

    /** A new directory, on tmpfs or where the build is. */
    static Path newDirectory(boolean onTmpfs) throws IOException {
        if (onTmpfs) {
            Path sharedMemory = Path.of("/dev/shm");
            assumeTrue(Files.isWritable(sharedMemory), "no /dev/shm to write to");
            return Files.createTempDirectory(sharedMemory, "ramback-backing-test");
        }
        Path target = Path.of("target");
        return Files.createTempDirectory(
                Files.isDirectory(target) ? target.toAbsolutePath() : Path.of(System.getProperty("java.io.tmpdir")),
                "backing-test");
    }

    static void removeTree(Path dir) throws IOException {
        try (Stream<Path> paths = Files.walk(dir)) {
            for (Path path : paths.sorted(Comparator.reverseOrder()).toList()) {
                Files.deleteIfExists(path);
            }
        }
    }

    Backing backing() {
        return backing;
    }

    Kind kind() {
        return kind;
    }

    int sizeBytes() {
        return sizeBytes;
    }

    /** Where the image lies as a file; null for one in memory. */
    @Nullable
    Path path() {
        return loop != null ? loop.path() : dir != null ? dir.resolve("disk.img") : null;
    }

    /** Closes it and opens it again; one in memory stays open. */
    void reopen() throws IOException {
        Path path = path();
        if (path != null) {
            backing.close();
            backing = FileBacking.open(path, false);
        }
    }

    /** The size of the file behind it, to see that it never grows. */
    long fileSizeBytes() throws IOException {
        return dir == null ? sizeBytes : Files.size(dir.resolve("disk.img"));
    }

    @Override
    public void close() throws IOException {
        try {
            backing.close();
            if (loop != null) {
                loop.close();
            }
        } finally {
            if (dir != null) {
                removeTree(dir);
            }
        }
    }

    static boolean isRoot() {
        return Posix.effectiveUserId() == 0;
    }
}
