package ramback.writeback;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import ramback.backing.FileBacking;
import ramback.clock.Backoff;
import ramback.clock.Clock;
import ramback.image.Captures;
import ramback.image.ChunkStore;
import ramback.image.DirtyCount;
import ramback.image.Epochs;
import ramback.image.Worker;
import ramback.memory.TemporarySegment;
import ramback.trace.Trace;

/** A device's memory, without a slow disk, and snapshots of it in a directory of its own. Leaves nothing behind. */
final class SnapshotRig implements AutoCloseable {
    static final int WORKER_COUNT = 4;

    final Path directory;
    final ChunkStore store;
    final Snapshots snapshots;
    private final TemporarySegment segment;
    private final Epochs epochs;
    private final Worker[] workers = new Worker[WORKER_COUNT];
    private volatile @Nullable HeldBacking target;

    /** A device of zeroes, all of it loaded. */
    SnapshotRig(long sizeBytes, int chunkBytes, long bufferBytes) {
        this(sizeBytes, chunkBytes, bufferBytes, false, Clock.SYSTEM);
        load();
    }

    /** A device of which nothing is loaded. */
    SnapshotRig(long sizeBytes, int chunkBytes, long bufferBytes, boolean sparse, Clock clock) {
        segment = new TemporarySegment(sizeBytes, chunkBytes, 1, sparse);
        try {
            directory = Files.createTempDirectory(Path.of("/dev/shm"), "ramback-snapshot-test");
        } catch (IOException e) {
            throw new AssertionError(e);
        }
        epochs = new Epochs(WORKER_COUNT, clock, () -> {});
        store = new ChunkStore(segment.segment(), epochs, Captures.NONE, new DirtyCount(), new Trace(clock));
        snapshots = new Snapshots(store, clock, bufferBytes, (path, size) -> {
            HeldBacking held = new HeldBacking(FileBacking.create(path, size));
            target = held;
            return held;
        });
        for (int i = 0; i < WORKER_COUNT; i++) {
            workers[i] = new Worker(i);
        }
    }

    void load() {
        store.installHole(new Backoff(), 0, store.layout().chunkCount() - 1);
    }

    Path file(String name) {
        return directory.resolve(name);
    }

    /** The file of the newest snapshot. */
    HeldBacking target() {
        HeldBacking held = target;
        if (held == null) {
            throw new AssertionError("no snapshot has been begun");
        }
        return held;
    }

    Snapshot begin(String name) {
        try {
            return snapshots.begin(file(name));
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    /** As a client does: in runs. */
    void write(int worker, long offset, byte[] bytes) {
        int done = 0;
        while (done < bytes.length) {
            int run = Math.min(bytes.length - done, 64 << 10);
            MemorySegment from = MemorySegment.ofArray(bytes);
            assertThat(store.store(workers[worker], offset + done, run, from, done))
                    .isNotNegative();
            done += run;
        }
    }

    /** Zeroes whole chunks of one word. */
    void zero(int worker, long firstChunk, long lastChunk) {
        assertThat(store.zeroRun(workers[worker], firstChunk, lastChunk)).isNotNegative();
    }

    /** Steps the agent until nothing is left to do. */
    void stepToTheEnd() {
        for (int i = 0; snapshots.agent().step() != Clock.NEVER; i++) {
            assertThat(i).as("steps").isLessThan(1_000_000);
        }
    }

    /** What the device holds, as a client sees it. */
    byte[] content() {
        byte[] bytes = new byte[(int) store.layout().sizeBytes()];
        store.copy(workers[0], 0, bytes.length, MemorySegment.ofArray(bytes), 0);
        return bytes;
    }

    /** Whether some range of a file is data. */
    static boolean isData(Path file, long from, long to) {
        try (FileBacking backing = FileBacking.open(file, true)) {
            return backing.nextDataOffset(from) < to;
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    byte[] bytesOf(String name) {
        try {
            return Files.readAllBytes(file(name));
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    /** The names in the directory. */
    List<String> names() {
        try (Stream<Path> files = Files.list(directory)) {
            return files.map(path -> String.valueOf(path.getFileName()))
                    .sorted()
                    .toList();
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    /** Whether no chunk is locked. */
    boolean isUnlocked() {
        MemorySegment locks = segment.segment().plane(0);
        for (long word = 0; word < store.layout().lockWordCount(); word++) {
            if (locks.get(ValueLayout.JAVA_LONG, word * Long.BYTES) != 0) {
                return false;
            }
        }
        return true;
    }

    @Override
    public void close() {
        HeldBacking held = target;
        if (held != null) {
            held.letGo();
        }
        snapshots.stop();
        assertThat(isUnlocked()).isTrue();
        segment.close();
        try {
            for (String name : names()) {
                Files.delete(file(name));
            }
            Files.delete(directory);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }
}
