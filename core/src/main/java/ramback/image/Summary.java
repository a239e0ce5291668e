package ramback.image;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/**
 * Which words of a plane may have a bit set: a bit a word, in the segment, and above it, on heap, a bit for each word of those. So whoever
 * looks for the words of a tebibyte in which something is passes over the rest of it by 1,024 longs, not by the 65,536 of the bits
 * themselves, which would be half a mebibyte that no cache has, for each epoch and each round.
 *
 * <p>A bit that is up may stand for nothing; one that is down never hides something from who may search: see {@link #lower}. What is
 * above is rebuilt by {@link #rebuildAbove}, since whoever takes memory over goes through all of its words. Safe for use by many threads.
 */
final class Summary {

    private static final VarHandle WORD = ValueLayout.JAVA_LONG.varHandle();
    private static final VarHandle ABOVE = MethodHandles.arrayElementVarHandle(long[].class);

    private final MemorySegment bits;
    private final long[] above;

    /**
     * A summary of a plane in which nothing is, or of which what is above is going to be rebuilt.
     *
     * @param bits a bit for each word of the plane
     * @param wordCount how many words that has, at least 1
     */
    Summary(MemorySegment bits, long wordCount) {
        this.bits = bits;
        long longCount = (wordCount + 63) >>> 6;
        this.above = new long[Math.toIntExact((longCount + 63) >>> 6)];
    }

    /** Says that a word has a bit set; after that was set. */
    void raise(long word) {
        long at = word >>> 6 << 3;
        long bit = 1L << word;
        // Read first: the word is usually summarised already, and a shared line that is only read stays shared.
        if (((long) WORD.getVolatile(bits, at) & bit) == 0) {
            WORD.getAndBitwiseOr(bits, at, bit);
        }
        // In any case: whoever raised the bit may not have come so far yet.
        raiseAbove(word >>> 6);
    }

    private void raiseAbove(long index) {
        int at = (int) (index >>> 6);
        long bit = 1L << index;
        if (((long) ABOVE.getVolatile(above, at) & bit) == 0) {
            ABOVE.getAndBitwiseOr(above, at, bit);
        }
    }

    /**
     * Says that a word has no bit set; only while nobody may be setting one in it. Other words may be raised meanwhile.
     *
     * <p>Dekker, above: who raises sets the lower bit before he looks at the upper one, and here the upper one goes before the lower
     * ones are looked at again. So at least one of the two sees the other, and when both are done the upper bit is right.
     */
    void lower(long word) {
        long bit = 1L << word;
        long before = (long) WORD.getAndBitwiseAnd(bits, word >>> 6 << 3, ~bit);
        if ((before & ~bit) == 0) {
            lowerAbove(word >>> 6);
        }
    }

    private void lowerAbove(long index) {
        ABOVE.getAndBitwiseAnd(above, (int) (index >>> 6), ~(1L << index));
        if ((long) WORD.getVolatile(bits, index << 3) != 0) {
            raiseAbove(index);
        }
    }

    /** The first word at or after {@code from} that may have a bit set, or -1. */
    long next(long from) {
        long index = from >>> 6;
        if (index >= bits.byteSize() >>> 3) {
            return -1;
        }
        long found = (long) WORD.getVolatile(bits, index << 3) & -1L << from;
        while (found == 0) {
            index = nextIndex(index + 1);
            if (index < 0) {
                return -1;
            }
            found = (long) WORD.getVolatile(bits, index << 3);
        }
        return (index << 6) + Long.numberOfTrailingZeros(found);
    }

    private long nextIndex(long from) {
        int at = (int) (from >>> 6);
        if (at >= above.length) {
            return -1;
        }
        long found = (long) ABOVE.getVolatile(above, at) & -1L << from;
        while (found == 0) {
            if (++at == above.length) {
                return -1;
            }
            found = (long) ABOVE.getVolatile(above, at);
        }
        return ((long) at << 6) + Long.numberOfTrailingZeros(found);
    }

    /** The bits of 64 words, for a picture. Opaque: of one moment, and nothing is concluded from it. Untouched where none is up. */
    long glance(long index) {
        boolean mayHave = ((long) ABOVE.getOpaque(above, (int) (index >>> 6)) >>> index & 1) != 0;
        return mayHave ? (long) WORD.getOpaque(bits, index << 3) : 0;
    }

    /** The 64 bits in which a word's is, as they shall be. */
    long with(long word, boolean isSet) {
        long before = (long) WORD.getVolatile(bits, word >>> 6 << 3);
        return isSet ? before | 1L << word : before & ~(1L << word);
    }

    /** Where those bits lie. */
    MemorySegment bits() {
        return bits;
    }

    /** Rebuilds what is above 64 bits, once they are as they shall be; while nobody else uses the table. */
    void rebuildAbove(long word) {
        long index = word >>> 6;
        if ((long) WORD.getVolatile(bits, index << 3) == 0) {
            ABOVE.getAndBitwiseAnd(above, (int) (index >>> 6), ~(1L << index));
        } else {
            raiseAbove(index);
        }
    }
}
