package ramback.journal;

import java.util.Arrays;
import ramback.mutant.Mutant;

/**
 * The newest version of each chunk of an index, in ascending order of the chunks: a sweep over the extents sorted by their first
 * chunk, with those that cover the present chunk in a heap, the newest on top. One that ends no later than a newer one on top is
 * never seen, so that a thousand versions of a chunk take one place.
 *
 * <p>Takes 8 bytes an extent outside the heap until it is closed, and 16 while it sorts.
 */
final class NewestVersions implements AutoCloseable {
    private static final int INDEX_BITS = 30;
    private static final long INDEX_MASK = (1L << INDEX_BITS) - 1;

    private final VersionIndex index;

    /** First chunk (at most 2^32) and extent, in one number that sorts. */
    private final SortedNumbers sorted;

    private int next;
    private int[] heap = new int[64];
    private int heapSize;
    private long chunk;

    // The present run.
    private long firstChunk;
    private long chunkCount;
    private int extent;

    /** @param extentCount how many of the index's extents count, from the oldest on; at most 2^30 */
    NewestVersions(VersionIndex index, int extentCount) {
        if (extentCount > INDEX_MASK) {
            throw new IllegalArgumentException(extentCount + " extents");
        }
        this.index = index;
        this.sorted = new SortedNumbers(extentCount, i -> index.firstChunk(i) << INDEX_BITS | i);
    }

    /** Begins again. */
    void rewind() {
        next = 0;
        heapSize = 0;
        chunk = 0;
    }

    /** Goes to the next run of chunks whose newest version is in the same extent; false at the end. */
    boolean advance() {
        while (true) {
            if (heapSize == 0) {
                if (next == sorted.count()) {
                    return false;
                }
                chunk = Math.max(chunk, firstChunk(next));
            }
            while (next < sorted.count() && firstChunk(next) <= chunk) {
                push((int) (sorted.get(next++) & INDEX_MASK));
            }
            int top = heap[0];
            long end = end(top);
            if (end <= chunk) {
                pop();
                continue;
            }
            firstChunk = chunk;
            extent = top;
            chunk = Math.min(end, next < sorted.count() ? firstChunk(next) : Long.MAX_VALUE);
            chunkCount = chunk - firstChunk;
            return true;
        }
    }

    /** The run's first chunk. */
    long firstChunk() {
        return firstChunk;
    }

    /** How many chunks the run has. */
    long chunkCount() {
        return chunkCount;
    }

    /** The extent that holds it. */
    int extent() {
        return extent;
    }

    private long firstChunk(int at) {
        return sorted.get(at) >>> INDEX_BITS;
    }

    private long end(int ofExtent) {
        return index.firstChunk(ofExtent) + index.chunkCount(ofExtent);
    }

    /** Gives the memory back. */
    @Override
    public void close() {
        sorted.close();
    }

    // ---------------------------------------------------------------------------------------------- heap

    private static boolean isNewer(int extent, int than) {
        return Mutant.OLDEST_VERSION_WINS.isOn() ? extent < than : extent > than;
    }

    private void push(int newExtent) {
        long newEnd = end(newExtent);
        while (heapSize > 0 && isNewer(newExtent, heap[0]) && end(heap[0]) <= newEnd) {
            pop();
        }
        if (heapSize > 0 && isNewer(heap[0], newExtent) && newEnd <= end(heap[0])) {
            return;
        }
        if (heapSize == heap.length) {
            heap = Arrays.copyOf(heap, heapSize * 2);
        }
        int at = heapSize++;
        while (at > 0 && isNewer(newExtent, heap[(at - 1) / 2])) {
            heap[at] = heap[(at - 1) / 2];
            at = (at - 1) / 2;
        }
        heap[at] = newExtent;
    }

    private void pop() {
        int last = heap[--heapSize];
        int at = 0;
        while (true) {
            int child = 2 * at + 1;
            if (child >= heapSize) {
                break;
            }
            if (child + 1 < heapSize && isNewer(heap[child + 1], heap[child])) {
                child++;
            }
            if (!isNewer(heap[child], last)) {
                break;
            }
            heap[at] = heap[child];
            at = child;
        }
        heap[at] = last;
    }
}
