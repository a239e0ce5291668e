package ramback.nbd;

import java.util.function.BooleanSupplier;
import ramback.device.Outcome;

/**
 * An export as the fuzzer knows it: what the handshake must tell, what the device must hold, and how it behaves.
 *
 * @param generation what {@code NAME@GENERATION} asks for
 * @param chunkBytes what TRIM drops wholly or not at all
 * @param trims whether TRIM zeroes the chunks that lie wholly in its range; otherwise it changes nothing
 * @param ordered whether requests in flight together take effect in the order in which they were sent
 * @param faults which requests fail or have to wait
 * @param keptBegin the first byte that only the good client changes while {@code beside} a conversation
 * @param keptEnd the byte behind the last one
 * @param beside whether the good client works at the same time
 * @param isView whether it only shows what another export's device holds
 */
record FuzzExport(
        String name,
        String description,
        long generation,
        int chunkBytes,
        boolean readOnly,
        boolean trims,
        boolean ordered,
        DiskModel disk,
        Faults faults,
        int keptBegin,
        int keptEnd,
        BooleanSupplier beside,
        boolean isView) {

    /** The faults of a device, by what a request asks for, so that the fuzzer knows them beforehand. */
    record Faults(boolean failing, boolean deferring, boolean anythingMayWait) {

        static final Faults NONE = new Faults(false, false, false);

        /** A device of which nothing is known but that it does not fail. */
        static final Faults WAITS = new Faults(false, false, true);

        private static final Outcome[] FAILURES = {
            Outcome.IO_ERROR, Outcome.NO_SPACE, Outcome.INVALID, Outcome.SHUTTING_DOWN, Outcome.READ_ONLY
        };

        /** What a request comes to before anything is changed: DONE unless it fails at once. */
        Outcome atOnce(long offsetBytes, long lengthBytes) {
            long draw = mixed(offsetBytes, lengthBytes) & 255;
            return failing && !isGood(lengthBytes) && draw < FAILURES.length ? FAILURES[(int) draw] : Outcome.DONE;
        }

        boolean isDeferred(long offsetBytes, long lengthBytes) {
            return deferring && !isGood(lengthBytes) && (mixed(offsetBytes, lengthBytes) >>> 8 & 7) == 0;
        }

        /** What a deferred request comes to in the end. */
        Outcome atLast(long offsetBytes, long lengthBytes) {
            long draw = mixed(offsetBytes, lengthBytes) >>> 16 & 31;
            return draw < FAILURES.length ? FAILURES[(int) draw] : Outcome.DONE;
        }

        /** The good client's requests have a length of their own, and are spared. */
        private static boolean isGood(long lengthBytes) {
            return lengthBytes == Campaign.GOOD_BYTES;
        }

        private static long mixed(long offsetBytes, long lengthBytes) {
            long mixed = (offsetBytes * 31 + lengthBytes + 12345) * 0x9E3779B97F4A7C15L;
            return mixed >>> 20;
        }
    }

    /** The name of what it is since it last came back without something, for who would not go on with anything else. */
    String generationName() {
        return name + "@" + generation;
    }

    /** The same device, as clients see it that may not change it. */
    FuzzExport view() {
        return new FuzzExport(
                name + "-ro",
                description.isEmpty() ? "(read-only, live)" : description + " (read-only, live)",
                generation,
                chunkBytes,
                true,
                trims,
                ordered,
                disk,
                faults,
                keptBegin,
                keptEnd,
                beside,
                true);
    }

    int sizeBytes() {
        return disk.sizeBytes();
    }

    /** "Transmission flags", by bit: FLUSH, FUA, MULTI_CONN and CACHE always, the changing ones where changes are taken. */
    int transmissionFlags() {
        int always = 1 | 1 << 2 | 1 << 3 | 1 << 8 | 1 << 10;
        return readOnly ? always | 1 << 1 : always | 1 << 5 | 1 << 6 | 1 << 11;
    }
}
