package ramback.writeback;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import ramback.backing.Backing;
import ramback.backing.BackingIoException;
import ramback.backing.BackingIoException.Operation;
import ramback.posix.Errno;

/** Another disk whose writes a test holds up, or whose room it ends. */
final class HeldBacking implements Backing {
    private final Backing backing;
    private final CountDownLatch arrived = new CountDownLatch(1);
    private volatile CountDownLatch gate = new CountDownLatch(0);
    private final AtomicLong roomBytes = new AtomicLong(Long.MAX_VALUE);

    HeldBacking(Backing backing) {
        this.backing = backing;
    }

    /** Holds writes up from now on. */
    void hold() {
        gate = new CountDownLatch(1);
    }

    /** Waits until a write is held up. */
    void awaitHeld() {
        try {
            if (!arrived.await(Gate.HANG_SECONDS, TimeUnit.SECONDS)) {
                throw new AssertionError("no write came");
            }
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    void letGo() {
        gate.countDown();
    }

    /** Takes no more than this from now on. */
    void roomBytes(long bytes) {
        roomBytes.set(bytes);
    }

    @Override
    public void write(long offsetBytes, MemorySegment from) throws IOException {
        CountDownLatch before = gate;
        if (before.getCount() > 0) {
            arrived.countDown();
        }
        try {
            before.await();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
        if (roomBytes.addAndGet(-from.byteSize()) < 0) {
            throw new BackingIoException(
                    Operation.WRITE,
                    uri(),
                    offsetBytes,
                    from.byteSize(),
                    Errno.ENOSPC,
                    "No space left on device (ENOSPC)",
                    null);
        }
        backing.write(offsetBytes, from);
    }

    @Override
    public String uri() {
        return backing.uri();
    }

    @Override
    public long sizeBytes() {
        return backing.sizeBytes();
    }

    @Override
    public int alignmentBytes() {
        return backing.alignmentBytes();
    }

    @Override
    public boolean readOnly() {
        return backing.readOnly();
    }

    @Override
    public void read(long offsetBytes, MemorySegment into) throws IOException {
        backing.read(offsetBytes, into);
    }

    @Override
    public void zero(long offsetBytes, long lengthBytes) throws IOException {
        backing.zero(offsetBytes, lengthBytes);
    }

    @Override
    public void sync() throws IOException {
        backing.sync();
    }

    @Override
    public long nextDataOffset(long fromBytes) throws IOException {
        return backing.nextDataOffset(fromBytes);
    }

    @Override
    public long nextHoleOffset(long fromBytes) throws IOException {
        return backing.nextHoleOffset(fromBytes);
    }

    @Override
    public void close() throws IOException {
        backing.close();
    }
}
