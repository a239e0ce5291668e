package ramback.clock;

import java.time.Instant;

/** Reads time. Safe for use by many threads. */
public interface Clock {

    /** Later than any time {@link #nanoTime()} returns: "never". */
    long NEVER = Long.MAX_VALUE;

    /** The real clock of this machine. */
    Clock SYSTEM = new Clock() {
        @Override
        public long nanoTime() {
            // Shifted to begin near zero, so that times compare with < and NEVER is later than all of them.
            return System.nanoTime() - ORIGIN;
        }

        @Override
        public Instant now() {
            return Instant.now();
        }
    };

    /** Where the system clock's nanoseconds begin. */
    long ORIGIN = System.nanoTime() - 1_000_000_000L;

    /** Nanoseconds since some moment before the process did anything; positive, monotonic, comparable with {@code <}. */
    long nanoTime();

    /** The time of day, for people. */
    Instant now();
}
