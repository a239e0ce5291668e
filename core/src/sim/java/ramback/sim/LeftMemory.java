package ramback.sim;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Instant;
import org.jspecify.annotations.Nullable;
import ramback.clock.Backoff;
import ramback.clock.Clock;
import ramback.image.Captures;
import ramback.image.ChunkStore;
import ramback.image.ChunkTable;
import ramback.image.DirtyCount;
import ramback.image.Epochs;
import ramback.image.ImageDevice;
import ramback.image.TakeOver;
import ramback.memory.SharedSegment;
import ramback.posix.PosixException;
import ramback.trace.Trace;

/**
 * The memory that a killed process left, beside the image as the kernel has it; judged as the next process finds it and goes on with it:
 *
 * <pre>
 *   KILL    a chunk that is loaded and neither dirty nor stale is what the image has
 *   STALE   what was stale stays so, whatever else the take over says of it: the journal's epochs that have it may be retired only
 *           with a round that carries it, or leaves it out because something newer is going to be committed
 *   LEFT    after the take over the device holds everything that was answered, in any mode; what was under way, chunk by chunk,
 *           wholly or not at all
 *   CARRY   what is marked as dirty or stale is, in memory, what the device holds, since it is going to be carried to the image
 *   COUNT   it is as much as is counted
 *   LOAD    when all that was not loaded is, the device holds the same as before
 * </pre>
 */
final class LeftMemory {

    private static final Clock STILL = new Clock() {
        @Override
        public long nanoTime() {
            return 1;
        }

        @Override
        public Instant now() {
            return Instant.EPOCH;
        }

        @Override
        public void park(@Nullable Object blocker, long deadlineNanos) {
            throw new IllegalStateException("nobody is there to wait for");
        }
    };

    private final byte[][] image;
    private final History history;
    private final SharedSegment segment;
    private final Epochs epochs;
    private final DirtyCount dirty = new DirtyCount();
    private final ChunkStore store;
    private final ChunkTable table;
    private final int chunkBytes;
    private final int chunkCount;
    private final long sizeBytes;

    /**
     * Memory to be judged.
     *
     * @param image the image's pages
     * @param firstEpoch of the process that goes on with it
     */
    LeftMemory(SharedSegment segment, byte[][] image, History history, Scenario scenario, long firstEpoch) {
        this.segment = segment;
        this.image = image;
        this.history = history;
        this.epochs = new Epochs(ImageDevice.workerCount(Life.SESSION_COUNT_MAX), STILL, () -> {}, firstEpoch);
        this.store = new ChunkStore(segment, epochs, Captures.NONE, dirty, new Trace(STILL));
        this.table = store.table();
        this.chunkBytes = scenario.chunkBytes();
        this.chunkCount = (int) segment.layout().chunkCount();
        this.sizeBytes = scenario.sizeBytes();
    }

    /** Takes it over; returns what is wrong, or null. */
    @Nullable
    String judge() {
        String wrong = judgeClean();
        if (wrong != null) {
            return "KILL: " + wrong;
        }
        long[] staleBefore = staleLoaded();
        takeOver(store, segment, epochs, dirty);
        wrong = judgeStale(staleBefore);
        if (wrong != null) {
            return "STALE: " + wrong;
        }
        byte[][] content = content();
        wrong = history.judgeLeft(content, chunkBytes);
        if (wrong != null) {
            return "LEFT: " + wrong;
        }
        wrong = judgeClean();
        if (wrong != null) {
            return "KILL: after the take over " + wrong;
        }
        wrong = judgeMarked(content);
        if (wrong != null) {
            return "CARRY: " + wrong;
        }
        load();
        byte[][] whole = content();
        for (int page = 0; page < whole.length; page++) {
            if (!Write.areEqual(whole[page], content[page])) {
                return "LOAD: page " + page + " is another one when it was loaded";
            }
        }
        return null;
    }

    /** Takes memory over that is not sparse, so that none of it is given back. */
    static void takeOver(ChunkStore store, SharedSegment segment, Epochs epochs, DirtyCount dirty) {
        try {
            TakeOver.run(store, segment, epochs, dirty);
        } catch (PosixException e) {
            throw new AssertionError(e);
        }
    }

    private long[] staleLoaded() {
        long[] words = new long[(int) table.wordCount()];
        for (int word = 0; word < words.length; word++) {
            words[word] = table.stale(word) & table.loaded(word);
        }
        return words;
    }

    private @Nullable String judgeStale(long[] before) {
        for (int word = 0; word < before.length; word++) {
            long gone = before[word] & ~table.stale(word);
            if (gone != 0) {
                return "chunk " + ((word << 6) + Long.numberOfTrailingZeros(gone))
                        + " was stale, and a round that begins before the first commit would not find it";
            }
        }
        return null;
    }

    private static boolean has(long word, int chunk) {
        return (word >>> chunk & 1) != 0;
    }

    private boolean isLoaded(int chunk) {
        return has(table.loaded(chunk >>> 6), chunk);
    }

    private boolean isMarked(int chunk) {
        long word = chunk >>> 6;
        return has(table.dirty(0, word) | table.dirty(1, word) | table.stale(word), chunk);
    }

    private int pagesPerChunk() {
        return chunkBytes / Write.PAGE_BYTES;
    }

    private int endPage(int chunk) {
        return Math.min(image.length, (chunk + 1) * pagesPerChunk());
    }

    /** A page as it lies in memory, null for one that is marked as zeroes. */
    private byte @Nullable [] inMemory(int chunk, int page) {
        if (has(table.zero(chunk >>> 6), chunk)) {
            return null;
        }
        byte[] bytes = new byte[Write.PAGE_BYTES];
        long offset = (long) page * Write.PAGE_BYTES;
        int length = (int) Math.min(Write.PAGE_BYTES, sizeBytes - offset);
        MemorySegment.copy(store.data(), ValueLayout.JAVA_BYTE, offset, bytes, 0, length);
        return bytes;
    }

    private @Nullable String judgeClean() {
        for (int chunk = 0; chunk < chunkCount; chunk++) {
            if (!isLoaded(chunk) || isMarked(chunk)) {
                continue;
            }
            for (int page = chunk * pagesPerChunk(); page < endPage(chunk); page++) {
                if (!Write.areEqual(inMemory(chunk, page), image[page])) {
                    return "chunk " + chunk + " is neither dirty nor stale, and the image has another one";
                }
            }
        }
        return null;
    }

    /** What the device holds. */
    private byte[][] content() {
        byte[][] content = new byte[image.length][];
        for (int chunk = 0; chunk < chunkCount; chunk++) {
            for (int page = chunk * pagesPerChunk(); page < endPage(chunk); page++) {
                content[page] = isLoaded(chunk) ? inMemory(chunk, page) : image[page];
            }
        }
        return content;
    }

    private @Nullable String judgeMarked(byte[][] content) {
        int count = 0;
        for (int chunk = 0; chunk < chunkCount; chunk++) {
            if (!isMarked(chunk)) {
                continue;
            }
            count++;
            for (int page = chunk * pagesPerChunk(); page < endPage(chunk); page++) {
                if (!Write.areEqual(inMemory(chunk, page), content[page])) {
                    return "chunk " + chunk + " would be carried to the image, and is not what the device holds";
                }
            }
        }
        return count == dirty.chunkCount()
                ? null
                : count + " chunks are dirty or stale, and " + dirty.chunkCount() + " are counted";
    }

    private void load() {
        Backoff backoff = new Backoff();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment buffer = arena.allocate(chunkBytes);
            for (int chunk = 0; chunk < chunkCount; chunk++) {
                boolean isHole = true;
                buffer.fill((byte) 0);
                for (int page = chunk * pagesPerChunk(); page < endPage(chunk); page++) {
                    byte[] bytes = image[page];
                    if (bytes != null) {
                        isHole = false;
                        long at = (long) (page - chunk * pagesPerChunk()) * Write.PAGE_BYTES;
                        MemorySegment.copy(bytes, 0, buffer, ValueLayout.JAVA_BYTE, at, Write.PAGE_BYTES);
                    }
                }
                if (isHole) {
                    store.installHole(backoff, chunk, chunk);
                } else {
                    store.install(backoff, chunk, chunk, buffer);
                }
            }
        }
    }
}
