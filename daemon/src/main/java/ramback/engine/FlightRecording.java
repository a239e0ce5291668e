package ramback.engine;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import jdk.jfr.Recording;

/**
 * A recording of this program's events by the JDK's flight recorder: what happens to requests and behind them, each with its time and
 * how long it took. It is kept in the recorder's memory, 10 MB of which the oldest is overwritten, and not on a disk: whoever serves
 * a disk must not wait for another one. Beginning one the first time takes a few tenths of a second, for which clients do not wait. Safe
 * for use by many threads.
 */
final class FlightRecording implements AutoCloseable {

    /** How a file's name ends that is to be such a recording. */
    static final String SUFFIX = ".jfr";

    /** All events, by name; docs/metrics.md has their fields. */
    static final List<String> EVENTS = List.of(
            "ramback.Request", "ramback.Epoch", "ramback.Commit", "ramback.Apply", "ramback.Load", "ramback.Power");

    private final Recording recording = new Recording();

    private FlightRecording(String device) {
        recording.setName("ramback " + device);
        recording.setToDisk(false);
        EVENTS.forEach(event -> recording.enable(event).withoutStackTrace().withoutThreshold());
    }

    /** Begins one. */
    static FlightRecording start(String device) {
        FlightRecording started = new FlightRecording(device);
        started.recording.start();
        return started;
    }

    /** Records nothing more, and keeps what it has: a recording in memory that is stopped is gone. */
    void rest() {
        EVENTS.forEach(recording::disable);
    }

    /**
     * Writes what has been recorded since the last time; it may go on. What is written is no longer kept: so a recorder in memory is made.
     * The recorder holds its lock while it writes, which whoever ends a recording wants: on a disk that hangs it would keep the device
     * from its end. So it writes where it has its own files, and from there they go on without the lock.
     *
     * @return how many bytes
     */
    long dump(OutputStream out) throws IOException {
        Path taken = Files.createTempFile("ramback-", SUFFIX); // its owner's alone
        InputStream events;
        try {
            recording.dump(taken);
            events = Files.newInputStream(taken);
        } finally {
            Files.delete(taken); // its name: whatever happens, nothing of it stays
        }
        try (events) {
            return events.transferTo(out);
        }
    }

    /** Forgets everything. */
    @Override
    public void close() {
        recording.close();
    }
}
