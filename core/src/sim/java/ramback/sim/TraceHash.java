package ramback.sim;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** A hash over everything that a simulation did, in order: two runs of one seed must come to the same. */
final class TraceHash {

    private static final long MULTIPLIER = 0x9e3779b97f4a7c15L;
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED;

    private long value;

    void add(long number) {
        value = mix(value ^ number);
    }

    /** Adds every byte of a segment. */
    void add(MemorySegment bytes) {
        long whole = bytes.byteSize() & -8L;
        long sum = bytes.byteSize();
        for (long at = 0; at < whole; at += 8) {
            sum = sum * MULTIPLIER + bytes.get(LONG, at);
        }
        for (long at = whole; at < bytes.byteSize(); at++) {
            sum = sum * MULTIPLIER + bytes.get(ValueLayout.JAVA_BYTE, at);
        }
        add(sum);
    }

    long value() {
        return value;
    }

    /** Scatters a number's bits. */
    static long mix(long number) {
        long mixed = (number ^ (number >>> 30)) * 0xbf58476d1ce4e5b9L;
        mixed = (mixed ^ (mixed >>> 27)) * 0x94d049bb133111ebL;
        return mixed ^ (mixed >>> 31);
    }
}
