package ramback.image;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * Payload of writes that must wait, as a ring of bytes: taken in order, given back in any order, free again in order.
 * Its memory is taken when it is first needed. Guarded by the session's lock.
 */
final class ParkedPayload {

    private static final int BYTES_MIN = 1 << 20;
    private static final int PART_COUNT_MAX = 1024;

    private final int capacityBytes;
    private @Nullable MemorySegment memory;

    // The parts in the ring, oldest first: where each begins, and whether it has been given back.
    private final int[] begins = new int[PART_COUNT_MAX];
    private final int[] lengths = new int[PART_COUNT_MAX];
    private final boolean[] freed = new boolean[PART_COUNT_MAX];
    private int oldest;
    private int count;

    /** Room for at least four chunks, at least 1 MiB. */
    ParkedPayload(int chunkBytes) {
        capacityBytes = Math.max(BYTES_MIN, 4 * chunkBytes);
    }

    /** Returns whether {@link #take} would find room now. */
    boolean hasRoom(int lengthBytes) {
        return findRoom(lengthBytes) >= 0;
    }

    /** Where contiguous room begins, or -1 when there is none now. */
    private int findRoom(int lengthBytes) {
        if (count == PART_COUNT_MAX) {
            return -1;
        }
        if (count == 0) {
            return 0;
        }
        int newest = (oldest + count - 1) % PART_COUNT_MAX;
        int head = begins[newest] + lengths[newest];
        int tail = begins[oldest];
        if (head <= tail) {
            return tail - head >= lengthBytes ? head : -1;
        }
        if (capacityBytes - head >= lengthBytes) {
            return head;
        }
        return tail >= lengthBytes ? 0 : -1;
    }

    /** Takes contiguous room; returns the part's number, or -1 when there is none now. */
    int take(int lengthBytes) {
        int begin = findRoom(lengthBytes);
        if (begin < 0) {
            return -1;
        }
        int part = (oldest + count) % PART_COUNT_MAX;
        begins[part] = begin;
        lengths[part] = lengthBytes;
        freed[part] = false;
        count++;
        return part;
    }

    /** The memory of all parts; a part begins at {@link #begin}. */
    MemorySegment memory() {
        MemorySegment present = memory;
        if (present == null) {
            present = Arena.ofAuto().allocate(capacityBytes, 4096);
            memory = present;
        }
        return present;
    }

    int begin(int part) {
        return begins[part];
    }

    /** Gives a part back. */
    void free(int part) {
        freed[part] = true;
        while (count > 0 && freed[oldest]) {
            oldest = (oldest + 1) % PART_COUNT_MAX;
            count--;
        }
    }
}
