package ramback.nbd;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;

/**
 * A device's memory as byte buffers for a socket. A buffer reaches 2 GiB at most, so the memory is seen through windows
 * that begin {@value #STRIDE_BYTES} bytes apart and overlap by a longest payload: every payload lies within one.
 * Windows are made when first used and kept, so sending allocates nothing. For one thread.
 *
 * <pre>
 *   memory    |0            1 GiB           2 GiB          3 GiB ...
 *   window 0  |---------------|--32 MiB
 *   window 1                  |--------------|--32 MiB
 * </pre>
 */
final class MemoryWindows {

    /** The distance of two windows' beginnings; with the longest payload still within a buffer's reach. */
    private static final long STRIDE_BYTES = 1L << 30;

    private final MemorySegment memory;
    private final int payloadBytesMax;
    private final @Nullable ByteBuffer[] windows;

    MemoryWindows(MemorySegment memory, int payloadBytesMax) {
        this.memory = memory;
        this.payloadBytesMax = payloadBytesMax;
        this.windows = new ByteBuffer[Math.toIntExact(memory.byteSize() / STRIDE_BYTES + 1)];
    }

    /** Returns a buffer whose remaining bytes are this range; good until the next call for the same window. */
    ByteBuffer range(long offsetBytes, int lengthBytes) {
        int index = (int) (offsetBytes / STRIDE_BYTES);
        ByteBuffer window = windows[index];
        if (window == null) {
            long beginBytes = index * STRIDE_BYTES;
            long reachBytes = Math.min(STRIDE_BYTES + payloadBytesMax, memory.byteSize() - beginBytes);
            window = memory.asSlice(beginBytes, reachBytes).asByteBuffer();
            windows[index] = window;
        }
        int position = (int) (offsetBytes % STRIDE_BYTES);
        return window.limit(position + lengthBytes).position(position);
    }
}
