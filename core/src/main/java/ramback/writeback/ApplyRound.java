package ramback.writeback;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.ReentrantLock;
import ramback.clock.Rate;
import ramback.image.ChunkStore;
import ramback.image.ChunkTable;

/**
 * One carrying of everything stale to the image: hands out the words in ascending order, in batches, to as many appliers
 * as take part, and remembers what failed. Without a journal nothing is captured while a round runs; with one, what is captured
 * meanwhile is told apart by plane N and left to the next round.
 *
 * <p>A long round has parts: when one has written enough, no more is handed out until it has been made durable and clean,
 * so that a round of minutes gives room back, and shows progress, all along. Safe for use by many threads.
 */
final class ApplyRound {

    /** A batch: at most this many words, so that several appliers share the work without losing the order. */
    private static final int BATCH_WORD_COUNT = 16;

    /** More failed ranges than this are not told apart: then all of the round is taken as failed. */
    private static final int FAILED_COUNT_MAX = 1024;

    /** A part has written enough with so much. */
    private static final long PART_BYTES_MAX = 64L << 20;

    private record Range(long first, long last) {}

    private final ChunkTable table;
    private final ReentrantLock lock = new ReentrantLock();
    private final List<Range> failed = new ArrayList<>();
    private boolean allFailed;
    private final Rate rate;
    private boolean besideCaptures;
    private long cursorWord;
    private int activeCount;
    private long partFirstWord;
    private long partBytes;
    private boolean partClosed;

    ApplyRound(ChunkStore store, Rate rate) {
        table = store.table();
        this.rate = rate;
    }

    /**
     * Begins a round.
     *
     * @param isBesideCaptures whether epochs are captured while it runs, so that what they capture is not the round's
     */
    void begin(boolean isBesideCaptures) {
        lock.lock();
        try {
            besideCaptures = isBesideCaptures;
            cursorWord = 0;
            failed.clear();
            allFailed = false;
            beginPart(0);
        } finally {
            lock.unlock();
        }
    }

    /** Whether epochs are captured while the round runs. */
    boolean isBesideCaptures() {
        lock.lock();
        try {
            return besideCaptures;
        } finally {
            lock.unlock();
        }
    }

    private void beginPart(long firstWord) {
        partFirstWord = firstWord;
        partBytes = 0;
        partClosed = false;
    }

    /**
     * Takes the next batch.
     *
     * @param words where the words' numbers go
     * @return how many there are; 0 when nothing is left to take in this part
     */
    int take(long[] words) {
        lock.lock();
        try {
            int count = 0;
            while (!partClosed && count < Math.min(words.length, BATCH_WORD_COUNT) && cursorWord >= 0) {
                long word = table.nextStaleWord(cursorWord);
                if (word < 0) {
                    cursorWord = -1;
                } else {
                    words[count++] = word;
                    cursorWord = word + 1;
                }
            }
            if (count > 0) {
                activeCount++;
            }
            return count;
        } finally {
            lock.unlock();
        }
    }

    /** Says that a batch has been written. */
    void done() {
        lock.lock();
        try {
            activeCount--;
        } finally {
            lock.unlock();
        }
    }

    /** Hands nothing more out in this part. */
    void closePart() {
        lock.lock();
        try {
            partClosed = true;
        } finally {
            lock.unlock();
        }
    }

    /** Whether what was handed out in this part has been written, and no more is going to be. */
    boolean isPartOver() {
        lock.lock();
        try {
            return (partClosed || cursorWord < 0) && activeCount == 0;
        } finally {
            lock.unlock();
        }
    }

    /** The first word of the part; with {@link #partEndWord}, what must become durable before it is clean. */
    long partFirstWord() {
        lock.lock();
        try {
            return partFirstWord;
        } finally {
            lock.unlock();
        }
    }

    /** The word behind the last one of the part. */
    long partEndWord() {
        lock.lock();
        try {
            return cursorWord < 0 ? table.wordCount() : cursorWord;
        } finally {
            lock.unlock();
        }
    }

    /** Goes on to the next part; false when there is none. */
    boolean nextPart() {
        lock.lock();
        try {
            if (cursorWord < 0) {
                return false;
            }
            beginPart(cursorWord);
            return true;
        } finally {
            lock.unlock();
        }
    }

    void noteWritten(long bytes) {
        rate.add(bytes);
        lock.lock();
        try {
            partBytes += bytes;
            partClosed |= partBytes >= PART_BYTES_MAX;
        } finally {
            lock.unlock();
        }
    }

    void noteFailed(long firstChunk, long lastChunk) {
        lock.lock();
        try {
            if (failed.size() == FAILED_COUNT_MAX) {
                allFailed = true;
            } else {
                failed.add(new Range(firstChunk, lastChunk));
            }
        } finally {
            lock.unlock();
        }
    }

    /** Takes all of the round under way for not written: what it would clean may have become stale behind its cursor. */
    void failAll() {
        lock.lock();
        try {
            allFailed = true;
        } finally {
            lock.unlock();
        }
    }

    boolean hasFailed() {
        lock.lock();
        try {
            return allFailed || !failed.isEmpty();
        } finally {
            lock.unlock();
        }
    }

    /** The chunks of a word that were not written. */
    long failedMask(long word) {
        lock.lock();
        try {
            if (allFailed) {
                return -1L;
            }
            long mask = 0;
            for (int i = 0;
                    i < failed.size();
                    i++) { // for each word of a round: an iterator would be an object each time
                Range range = failed.get(i);
                if (ChunkTable.wordOf(range.first) <= word && word <= ChunkTable.wordOf(range.last)) {
                    mask |= ChunkTable.maskOf(word, range.first, range.last);
                }
            }
            return mask;
        } finally {
            lock.unlock();
        }
    }
}
