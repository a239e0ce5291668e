package ramback.journal;

import java.util.ArrayList;
import java.util.List;

/**
 * The epochs that are in a journal and may be retired, oldest first: where each ends. 16 bytes an epoch on the heap, since a journal
 * of 16 GiB may hold 1.4 million of them. One thread.
 */
final class LiveEpochs {
    private static final int PART_COUNT = 1 << 11;

    /** Epoch and end, epoch and end; the first part's beginning may be retired already. */
    private final List<long[]> parts = new ArrayList<>();

    /** Where in the first part the oldest is. */
    private int first;

    private int count;

    boolean isEmpty() {
        return count == 0;
    }

    /** @param endPosition behind the epoch's commit record */
    void add(long epoch, long endPosition) {
        int at = first + count;
        if (at / PART_COUNT == parts.size()) {
            parts.add(new long[2 * PART_COUNT]);
        }
        long[] part = parts.get(at / PART_COUNT);
        part[at % PART_COUNT * 2] = epoch;
        part[at % PART_COUNT * 2 + 1] = endPosition;
        count++;
    }

    /** The epoch with a number, 0 being the oldest. */
    long epoch(int number) {
        int at = first + number;
        return parts.get(at / PART_COUNT)[at % PART_COUNT * 2];
    }

    /** Where it ends. */
    long endPosition(int number) {
        int at = first + number;
        return parts.get(at / PART_COUNT)[at % PART_COUNT * 2 + 1];
    }

    long oldestEpoch() {
        return epoch(0);
    }

    long newestEpoch() {
        return epoch(count - 1);
    }

    long newestEndPosition() {
        return endPosition(count - 1);
    }

    /** How many are not newer than an epoch. */
    int countUpTo(long epoch) {
        int found = 0;
        while (found < count && epoch(found) <= epoch) {
            found++;
        }
        return found;
    }

    /** Forgets the oldest ones. */
    void removeOldest(int removedCount) {
        first += removedCount;
        count -= removedCount;
        parts.subList(0, first / PART_COUNT).clear();
        first %= PART_COUNT;
    }

    /** Forgets all. */
    void clear() {
        removeOldest(count);
    }
}
