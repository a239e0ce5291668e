package ramback.writeback;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;
import ramback.clock.Backoff;
import ramback.clock.Clock;
import ramback.image.Admission;
import ramback.image.ChunkStore;
import ramback.image.ChunkTable;
import ramback.image.Worker;
import ramback.memory.SegmentLayout;

/**
 * Compares RAM with the image while the device is in use: of each chunk that is in RAM and that the image has, durably, the bytes. What is
 * changed, or carried to the image, in the meantime is compared again, and left out if that goes on. What differs is reported; if one side
 * is said to be right, the chunk is made dirty with that side's bytes, and so carried to journal and image as any write.
 *
 * <p>One at a time, by whichever thread calls {@link #run}; the others only look and stop.
 */
public final class Verifier {

    /** Which side is right where they differ. */
    public enum Repair {
        /** Nobody says: differences are only reported. */
        NONE,
        /** RAM is: the image is written anew. */
        RAM,
        /** The image is: RAM takes it over. */
        IMAGE
    }

    /** Bytes that differ; chunks that follow each other are one range. */
    public record Difference(long offsetBytes, long lengthBytes) {}

    /**
     * What a comparison found. Bytes.
     *
     * @param comparedBytes of chunks that were compared
     * @param unloadedBytes of chunks that were not in RAM
     * @param busyBytes of chunks that were dirty, or changed each time they were looked at: the image gets them anyway
     * @param unreadableBytes of chunks that could not be read from the image
     * @param lastError why, or null if all could be read
     * @param differingBytes of chunks that differ
     * @param repairedBytes of those, what was made dirty to be carried to the image
     * @param differences where they are, ascending, the first {@link #DIFFERENCE_COUNT_MAX} of them
     * @param differenceCount how many ranges differ
     * @param isStopped whether it was ended before it had been around
     */
    public record Outcome(
            long comparedBytes,
            long unloadedBytes,
            long busyBytes,
            long unreadableBytes,
            @Nullable String lastError,
            long differingBytes,
            long repairedBytes,
            List<Difference> differences,
            long differenceCount,
            boolean isStopped) {}

    /** How far a comparison is. */
    public record Progress(long doneBytes, long differingBytes) {}

    /** How many ranges are told. */
    public static final int DIFFERENCE_COUNT_MAX = 64;

    /** What is read at once. */
    private static final int WINDOW_BYTES = 1 << 20;

    private static final int BUFFER_ALIGNMENT = 4096;

    /** How often a window is looked at again of which something was written meanwhile. */
    private static final int ATTEMPT_COUNT_MAX = 8;

    /** One pause is no longer, so that a stop is seen soon. */
    private static final long PAUSE_NANOS_MAX = 50_000_000L;

    private final ChunkStore store;
    private final ChunkTable table;
    private final SegmentLayout layout;
    private final GuardedImage image;
    private final Admission admission;
    private final Clock clock;
    private final Worker worker;
    private final Backoff backoff = new Backoff();
    private final ChunkStore.Comparison comparison = new ChunkStore.Comparison();
    private final long[] compared = new long[WINDOW_BYTES / SegmentLayout.CHUNK_BYTES_MIN / 64 + 1];
    private final long[] differing = new long[compared.length];

    /** The chunks of the window that were clean before it was read. */
    private final long[] cleanBefore = new long[compared.length];

    private volatile boolean isStopped;
    private volatile @Nullable Progress progress;

    // The run under way; its thread's.
    private Repair repair = Repair.NONE;
    private long comparedBytes;
    private long unloadedBytes;
    private long busyBytes;
    private long unreadableBytes;
    private @Nullable String lastError;
    private long differingBytes;
    private long repairedBytes;
    private final List<Difference> differences = new ArrayList<>();
    private long differenceCount;
    private long differenceEnd;

    /**
     * Compares a store with its image.
     *
     * @param image through which everybody writes to it
     * @param worker a number of its own among all who may be inside
     */
    public Verifier(ChunkStore store, GuardedImage image, Admission admission, Clock clock, Worker worker) {
        this.store = store;
        this.table = store.table();
        this.layout = store.layout();
        this.image = image;
        this.admission = admission;
        this.clock = clock;
        this.worker = worker;
    }

    /** How far it is; null while none is under way. */
    public @Nullable Progress progress() {
        return progress;
    }

    /** Ends the run that is under way soon, and any later one at once. */
    public void stop() {
        isStopped = true;
    }

    /**
     * Goes around once.
     *
     * @param bytesPerSecond how fast the image is read at most
     */
    public Outcome run(Repair side, long bytesPerSecond) {
        repair = side;
        comparedBytes = 0;
        unloadedBytes = 0;
        busyBytes = 0;
        unreadableBytes = 0;
        lastError = null;
        differingBytes = 0;
        repairedBytes = 0;
        differences.clear();
        differenceCount = 0;
        differenceEnd = -1;
        progress = new Progress(0, 0);
        long begin = 0;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment buffer = arena.allocate(WINDOW_BYTES, BUFFER_ALIGNMENT);
            long pacedNanos = clock.nanoTime();
            while (begin < layout.sizeBytes() && !isStopped) {
                long end = Math.min(layout.sizeBytes(), begin + WINDOW_BYTES);
                long readBytes = window(begin, end, buffer);
                pacedNanos = Math.max(pacedNanos, clock.nanoTime() - PAUSE_NANOS_MAX)
                        + (long) (readBytes * 1e9 / bytesPerSecond);
                pauseUntil(pacedNanos);
                begin = end;
                progress = new Progress(begin, differingBytes);
            }
        } finally {
            image.unwatch();
            progress = null;
        }
        return new Outcome(
                comparedBytes,
                unloadedBytes,
                busyBytes,
                unreadableBytes,
                lastError,
                differingBytes,
                repairedBytes,
                List.copyOf(differences),
                differenceCount,
                begin < layout.sizeBytes());
    }

    private void pauseUntil(long nanos) {
        while (clock.nanoTime() < nanos && !isStopped) {
            clock.park(this, Math.min(nanos, clock.nanoTime() + PAUSE_NANOS_MAX));
        }
    }

    /** Compares a window; returns how much was read for it. */
    private long window(long begin, long end, MemorySegment buffer) {
        long first = begin >>> layout.chunkShift();
        long last = (end - 1) >>> layout.chunkShift();
        MemorySegment bytes = buffer.asSlice(0, end - begin);
        long readBytes = 0;
        boolean isHole = false;
        boolean isSettled = false;
        clearMasks();
        for (int attempt = 0; attempt < ATTEMPT_COUNT_MAX && !isSettled && !isStopped; attempt++) {
            clearMasks();
            // From here on: what is clean now and becomes so again after a change was written to the image in between.
            image.watch(begin, end - begin);
            if (!noteClean(first, last)) {
                break;
            }
            try {
                isHole = image.nextDataOffset(begin) >= end;
                if (!isHole) {
                    image.read(begin, bytes);
                    readBytes += end - begin;
                }
            } catch (IOException e) {
                lastError = e.getMessage();
                account(first, last, bytes, false);
                return readBytes;
            }
            compare(first, last, isHole ? null : bytes);
            isSettled = !image.isTouched();
        }
        if (!isSettled) {
            clearMasks();
        }
        if (isHole && repair == Repair.IMAGE && hasDifferences()) {
            bytes.fill((byte) 0);
        }
        account(first, last, bytes, true);
        return readBytes;
    }

    private boolean hasDifferences() {
        for (long word : differing) {
            if (word != 0) {
                return true;
            }
        }
        return false;
    }

    /**
     * Only these count: of what becomes clean later the image may have been read before it was written, by a write that began before
     * the window was watched.
     */
    private boolean noteClean(long first, long last) {
        long firstWord = ChunkTable.wordOf(first);
        boolean isAny = false;
        for (long word = firstWord; word <= ChunkTable.wordOf(last); word++) {
            long clean = store.clean(word) & ChunkTable.maskOf(word, first, last);
            cleanBefore[(int) (word - firstWord)] = clean;
            isAny |= clean != 0;
        }
        return isAny;
    }

    private void clearMasks() {
        Arrays.fill(compared, 0);
        Arrays.fill(differing, 0);
    }

    private void compare(long first, long last, @Nullable MemorySegment bytes) {
        long firstWord = ChunkTable.wordOf(first);
        for (long word = firstWord; word <= ChunkTable.wordOf(last); word++) {
            store.compare(backoff, word, cleanBefore[(int) (word - firstWord)], bytes, first, comparison);
            compared[(int) (word - firstWord)] = comparison.compared();
            differing[(int) (word - firstWord)] = comparison.differing();
        }
    }

    /** What a window's masks mean, and the repair of what differs. */
    private void account(long first, long last, MemorySegment bytes, boolean isReadable) {
        long firstWord = ChunkTable.wordOf(first);
        for (long chunk = first; chunk <= last; chunk++) {
            long word = ChunkTable.wordOf(chunk);
            long bit = 1L << chunk;
            int at = (int) (word - firstWord);
            long length = lengthOf(chunk);
            if ((compared[at] & bit) != 0) {
                comparedBytes += length;
                if ((differing[at] & bit) != 0) {
                    note(chunk, length);
                    mend(chunk, length, first, bytes);
                }
            } else if ((table.loaded(word) & bit) == 0) {
                unloadedBytes += length;
            } else if (!isReadable && (store.clean(word) & bit) != 0) {
                unreadableBytes += length;
            } else {
                busyBytes += length;
            }
        }
    }

    private void note(long chunk, long length) {
        long begin = chunk << layout.chunkShift();
        differingBytes += length;
        if (begin == differenceEnd) {
            if (differenceCount <= DIFFERENCE_COUNT_MAX) {
                Difference before = differences.removeLast();
                differences.add(new Difference(before.offsetBytes(), before.lengthBytes() + length));
            }
        } else {
            differenceCount++;
            if (differenceCount <= DIFFERENCE_COUNT_MAX) {
                differences.add(new Difference(begin, length));
            }
        }
        differenceEnd = begin + length;
    }

    private void mend(long chunk, long length, long first, MemorySegment bytes) {
        if (repair == Repair.NONE || !admitted()) {
            return;
        }
        boolean isImageRight = repair == Repair.IMAGE;
        long at = (chunk - first) << layout.chunkShift();
        long epoch = store.mend(worker, chunk, isImageRight ? bytes : null, at);
        // Changed by a client meanwhile: then what RAM holds now is on its way to the image.
        if (epoch >= 0 || (epoch == ChunkStore.NOT_CLEAN && !isImageRight)) {
            repairedBytes += length;
        }
    }

    private boolean admitted() {
        long until = admission.admit(1, false);
        while (until != Admission.GO && !isStopped) {
            boolean isDelayed = until > 0;
            pauseUntil(Math.abs(until));
            until = admission.admit(1, isDelayed);
        }
        return until == Admission.GO;
    }

    private long lengthOf(long chunk) {
        return Math.min(layout.chunkBytes(), layout.sizeBytes() - (chunk << layout.chunkShift()));
    }
}
