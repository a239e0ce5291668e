package ramback.image;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Looks whether bytes are zeroes. Of data the first word nearly always tells, so that a look costs next to nothing. */
final class Zeroes {

    private static final ValueLayout.OfLong WORD = ValueLayout.JAVA_LONG_UNALIGNED;

    private Zeroes() {}

    /** Returns whether a range holds nothing but zeroes; looks no further than the first word that is something else. */
    static boolean fill(MemorySegment bytes, long offsetBytes, long lengthBytes) {
        long end = offsetBytes + lengthBytes;
        long at = offsetBytes;
        for (; at <= end - Long.BYTES; at += Long.BYTES) {
            if (bytes.get(WORD, at) != 0) {
                return false;
            }
        }
        for (; at < end; at++) {
            if (bytes.get(ValueLayout.JAVA_BYTE, at) != 0) {
                return false;
            }
        }
        return true;
    }
}
