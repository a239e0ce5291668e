package ramback.journal;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.function.IntToLongFunction;

/** Numbers in ascending order, 8 bytes each outside the heap; 16 while they are being sorted. One thread. */
final class SortedNumbers implements AutoCloseable {

    /** So many are sorted on the heap at a time, in 2 MiB; the parts are merged outside it. */
    private static final int PART_COUNT = 1 << 18;

    private final int count;
    private Arena arena = Arena.ofConfined();
    private MemorySegment numbers;

    /** @param number gives each of them, from 0 on */
    SortedNumbers(int count, IntToLongFunction number) {
        this.count = count;
        this.numbers = arena.allocate(JAVA_LONG, count);
        long[] part = new long[Math.min(count, PART_COUNT)];
        for (int from = 0; from < count; from += part.length) {
            int length = Math.min(part.length, count - from);
            for (int i = 0; i < length; i++) {
                part[i] = number.applyAsLong(from + i);
            }
            Arrays.sort(part, 0, length);
            MemorySegment.copy(part, 0, numbers, JAVA_LONG, (long) from * Long.BYTES, length);
        }
        if (count > PART_COUNT) {
            mergeParts();
        }
    }

    @SuppressWarnings("MustBeClosedChecker") // of two arenas one is closed here, one by close()
    private void mergeParts() {
        Arena otherArena = Arena.ofConfined();
        MemorySegment other = otherArena.allocate(JAVA_LONG, count);
        for (long length = PART_COUNT; length < count; length *= 2) {
            for (long from = 0; from < count; from += 2 * length) {
                merge(from, Math.min(count, from + length), Math.min(count, from + 2 * length), other);
            }
            MemorySegment merged = other;
            other = numbers;
            numbers = merged;
            Arena mergedArena = otherArena;
            otherArena = arena;
            arena = mergedArena;
        }
        otherArena.close();
    }

    /** Merges the numbers from one place to a second with those from there to a third. */
    private void merge(long from, long middle, long to, MemorySegment into) {
        long left = from;
        long right = middle;
        for (long at = from; at < to; at++) {
            boolean isLeft = right == to
                    || (left < middle && numbers.getAtIndex(JAVA_LONG, left) <= numbers.getAtIndex(JAVA_LONG, right));
            into.setAtIndex(JAVA_LONG, at, numbers.getAtIndex(JAVA_LONG, isLeft ? left++ : right++));
        }
    }

    int count() {
        return count;
    }

    /** One of them; the first is the least. */
    long get(int at) {
        return numbers.getAtIndex(JAVA_LONG, at);
    }

    /** Gives the memory back. */
    @Override
    public void close() {
        arena.close();
    }
}
