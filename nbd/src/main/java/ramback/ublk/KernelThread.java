package ramback.ublk;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * A thread as the kernel has it, which lives a moment longer than the JDK says: {@link Thread#join} returns before its
 * last system call. Source: proc(5), {@code /proc/thread-self}.
 *
 * @param path where it is shown for as long as it is there
 */
record KernelThread(Path path) {

    private static final Path PROC = Path.of("/proc");
    private static final long LOOK_NANOS = Duration.ofMillis(1).toNanos();

    /** The calling thread, a platform thread; null where there is no {@code /proc}. */
    static @Nullable KernelThread current() {
        try {
            return new KernelThread(PROC.resolve(Files.readSymbolicLink(PROC.resolve("thread-self"))));
        } catch (IOException e) {
            return null;
        }
    }

    /** Waits until it is gone; returns whether it is. */
    boolean awaitEnd(Duration patience) {
        long beginNanos = System.nanoTime();
        while (Files.exists(path)) {
            if (System.nanoTime() - beginNanos >= patience.toNanos()) {
                return false;
            }
            LockSupport.parkNanos(LOOK_NANOS);
        }
        return true;
    }
}
