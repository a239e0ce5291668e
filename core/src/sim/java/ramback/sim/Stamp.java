package ramback.sim;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/** What a request writes into a sector: its own number, the sector's, and what follows from both, so that no bit can change. */
final class Stamp {

    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED;
    private static final VarHandle LONGS = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.nativeOrder());
    private static final int LONG_COUNT = Write.SECTOR_BYTES / Long.BYTES;

    private Stamp() {}

    private static long number(int request, int sector, int index) {
        return index == 0
                ? (long) sector << 32 | request
                : TraceHash.mix(((long) request << 32) + ((long) sector << 7) + index);
    }

    /** Fills a sector. */
    static void write(MemorySegment into, long offsetBytes, int request, int sector) {
        for (int i = 0; i < LONG_COUNT; i++) {
            into.set(LONG, offsetBytes + i * Long.BYTES, number(request, sector, i));
        }
    }

    /** Fills a sector of a page. */
    static void write(byte[] page, int offsetBytes, int request, int sector) {
        for (int i = 0; i < LONG_COUNT; i++) {
            LONGS.set(page, offsetBytes + i * Long.BYTES, number(request, sector, i));
        }
    }

    /** What {@link #read} returns for a sector of zeroes. */
    static final int ZERO = -1;

    /** What {@link #read} returns for a sector that nobody can have written. */
    static final int TORN = -2;

    /** The request that wrote a sector of a page (null: of zeroes). */
    static int read(byte[] page, int offsetBytes, int sector) {
        long first = page == null ? 0 : (long) LONGS.get(page, offsetBytes);
        int request = (int) first;
        boolean isZero = first == 0;
        if (!isZero && (int) (first >>> 32) != sector) {
            return TORN;
        }
        for (int i = 1; i < LONG_COUNT; i++) {
            long expected = isZero ? 0 : number(request, sector, i);
            if (page != null && (long) LONGS.get(page, offsetBytes + i * Long.BYTES) != expected) {
                return TORN;
            }
        }
        return isZero ? ZERO : request;
    }
}
