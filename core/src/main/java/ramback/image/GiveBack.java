package ramback.image;

import java.util.concurrent.atomic.AtomicLongArray;

/**
 * The granules that may have become all zeroes since somebody looked, as bits to be searched by the one who gives
 * memory back. Many threads note, one takes.
 */
final class GiveBack {

    private static final int TAKEN_COUNT_MAX = 256;
    private static final int SHIFT = 21;

    private final AtomicLongArray bits;
    private final AtomicLongArray summary;
    private final long[] taken = new long[TAKEN_COUNT_MAX];
    private int takenCount;

    GiveBack(long granuleCount) {
        int words = Math.toIntExact((granuleCount + 63) >>> 6);
        bits = new AtomicLongArray(words);
        summary = new AtomicLongArray((words + 63) >>> 6);
    }

    /** Notes that chunks of a range were zeroed. */
    void note(long offsetBytes, long lengthBytes) {
        for (long granule = offsetBytes >>> SHIFT; granule <= (offsetBytes + lengthBytes - 1) >>> SHIFT; granule++) {
            int word = (int) (granule >>> 6);
            if ((bits.get(word) >>> granule & 1) == 0) {
                bits.getAndAccumulate(word, 1L << granule, (a, b) -> a | b);
            }
            if ((summary.get(word >>> 6) >>> word & 1) == 0) {
                summary.getAndAccumulate(word >>> 6, 1L << word, (a, b) -> a | b);
            }
        }
    }

    /** Returns whether a granule was noted since it was taken, if it was. */
    boolean isNoted(long granule) {
        return (bits.get((int) (granule >>> 6)) >>> granule & 1) != 0;
    }

    boolean hasCandidates() {
        for (int i = 0; i < summary.length(); i++) {
            if (summary.get(i) != 0) {
                return true;
            }
        }
        return false;
    }

    /** Takes a batch of candidates, which are then no candidates any more; returns whether there were any. */
    boolean take() {
        takenCount = 0;
        for (int i = 0; i < summary.length(); i++) {
            long words = summary.getAndSet(i, 0);
            while (words != 0) {
                int word = (i << 6) + Long.numberOfTrailingZeros(words);
                words &= words - 1;
                takeWord(word);
            }
            if (takenCount == TAKEN_COUNT_MAX) {
                break;
            }
        }
        return takenCount > 0;
    }

    private void takeWord(int word) {
        long granules = bits.getAndSet(word, 0);
        while (granules != 0 && takenCount < TAKEN_COUNT_MAX) {
            taken[takenCount++] = ((long) word << 6) + Long.numberOfTrailingZeros(granules);
            granules &= granules - 1;
        }
        if (granules != 0) {
            long left = granules;
            bits.getAndAccumulate(word, left, (a, b) -> a | b);
            summary.getAndAccumulate(word >>> 6, 1L << word, (a, b) -> a | b);
        }
    }

    int takenCount() {
        return takenCount;
    }

    long taken(int index) {
        return taken[index];
    }
}
