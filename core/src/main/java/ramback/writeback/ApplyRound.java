package ramback.writeback;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.ReentrantLock;
import ramback.image.ChunkStore;
import ramback.image.ChunkTable;

/**
 * One carrying of everything stale to the image: hands out the words in ascending order, in batches, to as many appliers
 * as take part, and remembers what failed. Nothing is captured while a round runs, so the stale chunks are the same from
 * its beginning to its end. Safe for use by many threads.
 */
final class ApplyRound {

    /** A batch: at most this many words, so that several appliers share the work without losing the order. */
    private static final int BATCH_WORD_COUNT = 16;

    /** More failed ranges than this are not told apart: then all of the round is taken as failed. */
    private static final int FAILED_COUNT_MAX = 1024;

    private record Range(long first, long last) {}

    private final ChunkTable table;
    private final ReentrantLock lock = new ReentrantLock();
    private final List<Range> failed = new ArrayList<>();
    private boolean allFailed;
    private long cursorWord;
    private int activeCount;
    private long writtenBytes;

    ApplyRound(ChunkStore store) {
        table = store.table();
    }

    /** Begins a round. */
    void begin() {
        lock.lock();
        try {
            cursorWord = 0;
            failed.clear();
            allFailed = false;
            writtenBytes = 0;
        } finally {
            lock.unlock();
        }
    }

    /**
     * Takes the next batch.
     *
     * @param words where the words' numbers go
     * @return how many there are; 0 when nothing is left to take
     */
    int take(long[] words) {
        lock.lock();
        try {
            int count = 0;
            while (count < Math.min(words.length, BATCH_WORD_COUNT) && cursorWord >= 0) {
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

    /** Whether all batches have been taken and written. */
    boolean isOver() {
        lock.lock();
        try {
            return cursorWord < 0 && activeCount == 0;
        } finally {
            lock.unlock();
        }
    }

    void noteWritten(long bytes) {
        lock.lock();
        try {
            writtenBytes += bytes;
        } finally {
            lock.unlock();
        }
    }

    long writtenBytes() {
        lock.lock();
        try {
            return writtenBytes;
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
            for (Range range : failed) {
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
