package ramback.writeback;

import java.nio.file.Path;
import java.util.EnumSet;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** How far a snapshot has come. Safe for use by many threads. */
public final class Snapshot {

    /** The life of a snapshot. */
    public enum State {
        /** Not all of the image is in RAM yet. */
        LOADING,
        /** The moment that it shows has been; its bytes are being written. */
        COPYING,
        /** All is written, and is being made durable. */
        FINISHING,
        /** It is whole, durable and has its name. */
        DONE,
        /** It is gone, see {@link Snapshot#failure}. */
        FAILED,
        /** It is gone, as somebody asked for. */
        CANCELLED;

        private Set<State> nexts() {
            return switch (this) {
                case LOADING -> EnumSet.of(COPYING, FAILED, CANCELLED);
                case COPYING -> EnumSet.of(FINISHING, FAILED, CANCELLED);
                case FINISHING -> EnumSet.of(DONE, FAILED, CANCELLED);
                case DONE, FAILED, CANCELLED -> EnumSet.noneOf(State.class);
            };
        }

        /** Whether nothing follows. */
        public boolean isFinal() {
            return nexts().isEmpty();
        }
    }

    private final Path file;
    private final long totalBytes;
    private State state = State.LOADING;
    private @Nullable String failure;
    private volatile long doneBytes;
    private volatile long writtenBytes;

    Snapshot(Path file, long totalBytes) {
        this.file = file;
        this.totalBytes = totalBytes;
    }

    /** Where it will be, or is. */
    public Path file() {
        return file;
    }

    /** The device's size. */
    public long totalBytes() {
        return totalBytes;
    }

    /** How much of the device it has been around, holes included. */
    public long doneBytes() {
        return doneBytes;
    }

    /** How much was written to the file: what is not zeroes. */
    public long writtenBytes() {
        return writtenBytes;
    }

    /** What it is doing. */
    public synchronized State state() {
        return state;
    }

    /** Why it failed, or that it was cancelled, in a line for the operator; null unless it was. */
    public synchronized @Nullable String failure() {
        return failure;
    }

    /** Waits until it is in a final state, and returns that. */
    public synchronized State await() throws InterruptedException {
        while (!state.isFinal()) {
            wait();
        }
        return state;
    }

    void enter(State next) {
        end(next, null);
    }

    /** Enters a state, for a reason if it is one that needs one. */
    synchronized void end(State next, @Nullable String reason) {
        if (!state.nexts().contains(next)) {
            throw new IllegalStateException("a snapshot that is " + state + " can't become " + next);
        }
        state = next;
        failure = reason;
        if (next.isFinal()) {
            notifyAll();
        }
    }

    void noteDone(long bytes) {
        doneBytes = bytes;
    }

    void noteWritten(long bytes) {
        writtenBytes = bytes;
    }
}
