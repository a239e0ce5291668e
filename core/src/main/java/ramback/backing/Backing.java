package ramback.backing;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * A slow disk of fixed size that holds an image. Offsets and lengths are bytes; any range within the size is served
 * correctly, whatever its alignment.
 *
 * <p>All methods but {@link #close} may be called by many threads at once. Writes (and zeroes) of disjoint ranges never
 * disturb each other, also within one sector; where two overlap at the same time, each byte of the overlap is one of
 * the two. A range outside the size is an {@link IndexOutOfBoundsException}, memory that is not off heap an
 * {@link IllegalArgumentException}, any call after {@link #close} an {@link IllegalStateException}: errors of the
 * program, before anything was touched. Everything that a device does wrong is a {@link BackingIoException}.
 */
public interface Backing extends AutoCloseable {

    /** What and where it is, for messages and status: {@code file:///srv/disk.img}, {@code nbd://host/export}. */
    String uri();

    /** Size in bytes, at least 1, the same for as long as it is open. */
    long sizeBytes();

    /**
     * A power of two: ranges and memory that are aligned to it go the fast way, without a copy. 1 where nothing is gained
     * by aligning.
     */
    int alignmentBytes();

    /** Whether {@link #write} and {@link #zero} are refused, with {@link IllegalStateException}. */
    boolean readOnly();

    /**
     * Fills a segment.
     *
     * @throws BackingIoException if any of it could not be read; what the segment then holds is undefined
     */
    void read(long offsetBytes, MemorySegment into) throws IOException;

    /**
     * Writes a whole segment. Durable only after the next {@link #sync}.
     *
     * @throws BackingIoException if any of it could not be written; each byte of the range is then either old or new
     */
    void write(long offsetBytes, MemorySegment from) throws IOException;

    /**
     * Makes a range read as zeroes: a hole where the medium has them, written zeroes otherwise. Durable only after the
     * next {@link #sync}.
     *
     * @throws BackingIoException if any of it could not be done; each byte of the range is then either old or zero
     */
    void zero(long offsetBytes, long lengthBytes) throws IOException;

    /**
     * Returns when every write and zero that returned before this call is durable.
     *
     * @throws BackingIoException when that is not certain. Whatever was written since the last successful call must then
     *     be written again before it is called again: systems forget what they failed to write, and report it once
     */
    void sync() throws IOException;

    /**
     * The first offset from {@code fromBytes} on that may hold data; {@link #sizeBytes()} when only holes follow. Holes read
     * as zeroes and need not be read. A medium that knows no holes answers {@code fromBytes}.
     *
     * @param fromBytes 0 to the size
     */
    long nextDataOffset(long fromBytes) throws IOException;

    /**
     * The first offset from {@code fromBytes} on that is in a hole; {@link #sizeBytes()} when none follows.
     *
     * @param fromBytes 0 to the size
     */
    long nextHoleOffset(long fromBytes) throws IOException;

    /**
     * Looks at the disk as a whole: whether it still is what was opened, where it was opened, with the size that it had. Takes as
     * long as the disk takes.
     *
     * @return what has become of it, or null if all is well
     * @throws BackingIoException when that can't be seen
     */
    default @Nullable Damage damage() throws IOException {
        return null;
    }

    /**
     * Up to where it has had all its bytes ever since it was opened. What lay behind that was cut off once, as far as has been seen: it
     * is never read, whatever is there now, and must be written again to be there again. Only falls; no call of the disk.
     */
    default long intactBytes() {
        return sizeBytes();
    }

    /** How often it was found shorter than it was before; each time all behind {@link #intactBytes} may be lost anew. */
    default long cutCount() {
        return 0;
    }

    /**
     * Gives it back; not a barrier. Waits for calls in progress. A second call does nothing.
     *
     * @throws IOException if the system reports an error only now; it is closed all the same
     */
    @Override
    void close() throws IOException;
}
