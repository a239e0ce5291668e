package ramback.writeback;

import java.io.IOException;
import java.nio.file.Path;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import ramback.backing.BackingOpenException;
import ramback.backing.BackingOpenException.Reason;
import ramback.backing.FileBacking;
import ramback.clock.Agent;
import ramback.clock.AgentThread;
import ramback.clock.Clock;
import ramback.clock.Signal;
import ramback.image.ChunkStore;

/**
 * Takes snapshots of a live device, one at a time: what it held at one moment, in a sparse file, while writes go on. The moment
 * is a cut of the kind that epochs have: whatever was acknowledged before a write that is in it began is in it too. Safe
 * for use by many threads.
 */
public final class Snapshots {

    private static final long LOAD_POLL_NANOS = 20_000_000L;

    /** A writer that has waited no longer ago than this is waiting, as far as people are concerned. */
    private static final long THROTTLE_MEMORY_NANOS = 1_000_000_000L;

    private final ChunkStore store;
    private final Clock clock;
    private final long bufferBytes;
    private final SnapshotFile.Creator creator;
    private final Signal signal;
    private final Agent agent = new Taker();
    private @Nullable AgentThread thread;
    private volatile LongSupplier failedPassCount = () -> 0;

    private volatile @Nullable Snapshot newest;
    private volatile @Nullable SnapshotRun run;
    /** Passes over the image that had failed when the run began. */
    private volatile long passesBefore;

    /** Guarded by this object's monitor, as is the beginning of a run: none is begun that nobody steps. */
    private boolean isStopped;

    /**
     * No snapshot yet.
     *
     * @param bufferBytes how much writers may copy that has not been written out; taken from memory while one runs
     */
    public Snapshots(ChunkStore store, Clock clock, long bufferBytes) {
        this(store, clock, bufferBytes, FileBacking::create);
    }

    Snapshots(ChunkStore store, Clock clock, long bufferBytes, SnapshotFile.Creator creator) {
        this.store = store;
        this.clock = clock;
        this.bufferBytes = bufferBytes;
        this.creator = creator;
        this.signal = new Signal(clock);
    }

    /**
     * Tells how often the image was gone through and could not be read as a whole: a snapshot for which that happens is given up,
     * instead of waiting for a disk that may never be mended.
     */
    public void giveUpAfterFailed(LongSupplier passCount) {
        failedPassCount = passCount;
    }

    /** The agent that writes, to be stepped; a simulation's alternative to {@link #start}. */
    public Agent agent() {
        return agent;
    }

    /** Starts the thread that writes. */
    public void start() {
        thread = AgentThread.start(agent, clock, signal);
    }

    /** Stops the thread; a snapshot that is not done is cancelled and its file removed, and none is begun any more. */
    public void stop() {
        synchronized (this) {
            isStopped = true;
        }
        cancel();
        AgentThread running = thread;
        if (running != null) {
            running.stop();
        }
        long _ = agent.step();
    }

    /**
     * Begins a snapshot and returns at once; it shows a moment after this call, as soon as all of the image is in RAM.
     *
     * @param file absolute; must not exist
     * @throws BackingOpenException with what the operator can do about it; nothing is left then
     */
    public synchronized Snapshot begin(Path file) throws BackingOpenException {
        if (isStopped) {
            throw new BackingOpenException(Reason.FAILED, "no snapshot to " + file + ": the device stops", null);
        }
        Snapshot before = newest;
        if (before != null && !before.state().isFinal()) {
            throw new BackingOpenException(
                    Reason.IN_USE,
                    "a snapshot is being taken to " + before.file() + "; wait until it is done, or cancel it",
                    null);
        }
        Snapshot snapshot = new Snapshot(file, store.layout().sizeBytes());
        SnapshotFile target = SnapshotFile.create(file, snapshot.totalBytes(), creator);
        passesBefore = failedPassCount.getAsLong();
        try {
            run = new SnapshotRun(store, clock, target, snapshot, bufferBytes);
        } catch (OutOfMemoryError e) {
            target.abandon();
            throw new BackingOpenException(
                    Reason.FAILED,
                    "no memory for a snapshot buffer of " + bufferBytes + " bytes; give a smaller --snapshot-buffer",
                    e);
        }
        newest = snapshot;
        signal.raise();
        return snapshot;
    }

    /** Gives up the snapshot that is being taken, if there is one, and lets writers go on at once; does not wait. */
    public void cancel() {
        SnapshotRun running = run;
        if (running != null) {
            running.cancel();
            signal.raise();
        }
    }

    /** The snapshot that is being taken or was taken last; null before the first. */
    public @Nullable Snapshot newest() {
        return newest;
    }

    /** Whether writers have to wait for the file of a snapshot. */
    public boolean isThrottling() {
        SnapshotRun running = run;
        return running != null
                && running.waitNanos() != 0
                && clock.nanoTime() - running.waitNanos() < THROTTLE_MEMORY_NANOS;
    }

    /** How much writers have copied for the snapshot that has not been written out. */
    public long bufferUsedBytes() {
        SnapshotRun running = run;
        return running == null ? 0 : running.bufferedByWritersBytes();
    }

    /** How much that may be. */
    public long bufferBytes() {
        return bufferBytes;
    }

    private final class Taker implements Agent {

        @Override
        public String name() {
            return "snapshot";
        }

        @Override
        public long step() {
            SnapshotRun running = run;
            if (running == null) {
                return Clock.NEVER;
            }
            try {
                return step(running);
            } catch (IOException e) {
                end(running, Snapshot.State.FAILED, String.valueOf(e.getMessage()));
                return Clock.NEVER;
            } catch (RuntimeException | Error e) {
                // A programmer's error: writers must not wait for this for ever.
                end(running, Snapshot.State.FAILED, e.toString());
                throw e;
            }
        }

        private long step(SnapshotRun running) throws IOException {
            String reason = running.stopReason();
            if (reason != null) {
                boolean isCancelled = running.isCancelled();
                end(running, isCancelled ? Snapshot.State.CANCELLED : Snapshot.State.FAILED, reason);
                return Clock.NEVER;
            }
            if (running.snapshot().state() == Snapshot.State.LOADING) {
                if (!running.isLoaded()) {
                    if (failedPassCount.getAsLong() > passesBefore) {
                        end(running, Snapshot.State.FAILED, unreadable());
                        return Clock.NEVER;
                    }
                    return clock.nanoTime() + LOAD_POLL_NANOS;
                }
                running.begin();
            } else if (!running.copySome()) {
                running.finish();
                end(running, Snapshot.State.DONE, null);
                return Clock.NEVER;
            }
            return 0;
        }

        private String unreadable() {
            long chunks = store.layout().chunkCount() - store.loadedChunkCount();
            return chunks
                    + " chunks of the image can't be read, and it needs all of them; see the status for the error";
        }

        private void end(SnapshotRun running, Snapshot.State state, @Nullable String reason) {
            run = null;
            running.release(state == Snapshot.State.DONE);
            running.snapshot().end(state, reason);
        }
    }
}
