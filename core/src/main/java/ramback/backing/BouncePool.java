package ramback.backing;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Aligned buffers for transfers whose own memory or range is not aligned. At most {@link #BUFFER_COUNT_MAX} exist,
 * each made when it is first needed; who finds none free waits for one, and holds at most one.
 */
final class BouncePool implements AutoCloseable {
    static final int BUFFER_COUNT_MAX = 4;
    static final int BUFFER_BYTES = 256 * 1024;

    private final int alignmentBytes;
    private final Arena arena = Arena.ofShared();
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition returned = lock.newCondition();
    private final ArrayDeque<MemorySegment> free = new ArrayDeque<>();
    private int bufferCount;

    /** @param alignmentBytes of the buffers' addresses; a power of two, at most {@link #BUFFER_BYTES} */
    BouncePool(int alignmentBytes) {
        if (Integer.bitCount(alignmentBytes) != 1 || alignmentBytes > BUFFER_BYTES) {
            throw new IllegalArgumentException("alignment " + alignmentBytes);
        }
        this.alignmentBytes = alignmentBytes;
    }

    /** A buffer of {@link #BUFFER_BYTES} with undefined content; to be given back. */
    MemorySegment take() {
        lock.lock();
        try {
            while (free.isEmpty() && bufferCount == BUFFER_COUNT_MAX) {
                returned.awaitUninterruptibly();
            }
            if (free.isEmpty()) {
                MemorySegment buffer = arena.allocate(BUFFER_BYTES, alignmentBytes);
                bufferCount++;
                return buffer;
            }
            return free.pop();
        } finally {
            lock.unlock();
        }
    }

    void giveBack(MemorySegment buffer) {
        lock.lock();
        try {
            free.push(buffer);
            returned.signal();
        } finally {
            lock.unlock();
        }
    }

    /** Frees all buffers; none may be taken any more. */
    @Override
    public void close() {
        arena.close();
    }
}
