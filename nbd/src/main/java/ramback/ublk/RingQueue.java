package ramback.ublk;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import org.jspecify.annotations.Nullable;
import ramback.posix.Errno;
import ramback.posix.EventCounter;
import ramback.posix.IoUring;
import ramback.posix.Posix;
import ramback.posix.PosixException;

/**
 * A queue of the ublk driver, through an io_uring of its own. Allocates nothing in the steady state, and makes one
 * io_uring_enter for as many requests as are there, besides one call to copy a payload.
 *
 * <pre>
 *   descriptor (24 bytes a tag)   0 operation and flags u32   4 sectors u32   8 first sector u64   16 address u64
 *   command (16 bytes)            0 queue u16   2 tag u16   4 result s32   8 address u64, 0 with USER_COPY
 * </pre>
 */
final class RingQueue implements KernelQueue {

    /** The most tags of a queue (UBLK_MAX_QUEUE_DEPTH). */
    static final int DEPTH_MAX = 4096;

    private static final int DESCRIPTOR_BYTES = 24;

    private static final int COMMAND_BYTES = 16;
    private static final int FETCH_REQ = Uapi.iowr(0x20, COMMAND_BYTES);
    private static final int COMMIT_AND_FETCH_REQ = Uapi.iowr(0x21, COMMAND_BYTES);

    /** Where payloads are in the character device: at this offset, 32 MiB a tag, 2^16 tags a queue. */
    private static final long PAYLOADS_AT = 0x8000_0000L;

    private static final int TAG_BITS = 25;
    private static final int QUEUE_BITS = 41;

    /** The user data of the read that {@link #wake} ends; others are tags. */
    private static final long WAKE = -1;

    /** Where those reads put what nobody looks at: it must outlive them, and a ring's end does not wait for them. */
    private static final MemorySegment UNREAD = Arena.global().allocate(JAVA_LONG);

    /** For how long a thread that has nothing more to do is waited for. */
    private static final Duration END_PATIENCE = Duration.ofSeconds(5);

    private static final Logger LOG = System.getLogger(RingQueue.class.getPackageName());

    private final int deviceFd;
    private final int queue;
    private final int depth;
    private final MemorySegment descriptors;
    private final EventCounter wakes;

    private @Nullable IoUring ring;
    private @Nullable KernelThread thread;
    private int error;

    /**
     * @param deviceFd {@code /dev/ublkcN}, open for reading and writing; stays the caller's
     * @param queue the queue's number, from 0
     * @param depth the queue's tags, as the driver was told
     */
    RingQueue(int deviceFd, int queue, int depth) throws PosixException {
        this.deviceFd = deviceFd;
        this.queue = queue;
        this.depth = depth;
        long pageBytes = Posix.pageBytes();
        this.descriptors = Posix.mmapReadOnly(
                deviceFd,
                queue * roundUp((long) DEPTH_MAX * DESCRIPTOR_BYTES, pageBytes),
                roundUp((long) depth * DESCRIPTOR_BYTES, pageBytes));
        try {
            this.wakes = new EventCounter();
        } catch (PosixException e) {
            Posix.munmap(descriptors);
            throw e;
        }
    }

    private static long roundUp(long bytes, long pageBytes) {
        return (bytes + pageBytes - 1) & -pageBytes;
    }

    @Override
    public int depth() {
        return depth;
    }

    @Override
    public void begin() throws PosixException {
        thread = KernelThread.current();
        // One entry a tag, and one for the read that waits to be woken.
        ring = new IoUring(depth + 1, IoUring.SINGLE_ISSUER | IoUring.DEFERRED_WORK);
        awaitWake();
    }

    private IoUring ring() {
        IoUring own = ring;
        if (own == null) {
            throw new IllegalStateException("the queue has no thread yet");
        }
        return own;
    }

    private void awaitWake() {
        ring().prepareRead(wakes.fd(), UNREAD, WAKE);
    }

    @Override
    public void fetch(int tag) {
        prepare(FETCH_REQ, tag, 0);
    }

    @Override
    public void commit(int tag, int result) {
        prepare(COMMIT_AND_FETCH_REQ, tag, result);
    }

    private void prepare(int command, int tag, int result) {
        IoUring own = ring();
        long at = own.prepareCommand(deviceFd, command, tag) + IoUring.COMMAND_OFFSET;
        MemorySegment entries = own.entries();
        entries.set(JAVA_SHORT, at, (short) queue);
        entries.set(JAVA_SHORT, at + 2, (short) tag);
        entries.set(JAVA_INT, at + 4, result);
    }

    @Override
    public void await() throws PosixException {
        ring().submitAndWait(IoUring.FOREVER);
    }

    @Override
    public int next() {
        IoUring own = ring();
        if (!own.hasCompletion()) {
            return NONE;
        }
        long userData = own.userData();
        int result = own.result();
        own.take();
        if (userData == WAKE) {
            awaitWake();
            return WOKEN;
        }
        if (result < 0) {
            error = -result;
            return ENDED;
        }
        return (int) userData;
    }

    @Override
    public int error() {
        return error;
    }

    @Override
    public int operation(int tag) {
        return descriptors.get(JAVA_INT, (long) tag * DESCRIPTOR_BYTES);
    }

    @Override
    public long lengthBytes(int tag) {
        return Integer.toUnsignedLong(descriptors.get(JAVA_INT, (long) tag * DESCRIPTOR_BYTES + 4)) << Uapi.SECTOR_BITS;
    }

    @Override
    public long offsetBytes(int tag) {
        return descriptors.get(JAVA_LONG, (long) tag * DESCRIPTOR_BYTES + 8) << Uapi.SECTOR_BITS;
    }

    @Override
    public void receive(int tag, long payloadOffsetBytes, MemorySegment into, long intoOffsetBytes, long lengthBytes)
            throws PosixException {
        long position = payloadAt(tag) + payloadOffsetBytes;
        long doneBytes = 0;
        while (doneBytes < lengthBytes) {
            long readBytes = Posix.pread(
                    deviceFd, into, intoOffsetBytes + doneBytes, lengthBytes - doneBytes, position + doneBytes);
            if (readBytes == 0) {
                throw new PosixException("pread", Errno.EIO, null);
            }
            doneBytes += readBytes;
        }
    }

    @Override
    public void send(int tag, long payloadOffsetBytes, MemorySegment from, long fromOffsetBytes, long lengthBytes)
            throws PosixException {
        long position = payloadAt(tag) + payloadOffsetBytes;
        long doneBytes = 0;
        while (doneBytes < lengthBytes) {
            long writtenBytes = Posix.pwrite(
                    deviceFd, from, fromOffsetBytes + doneBytes, lengthBytes - doneBytes, position + doneBytes);
            if (writtenBytes == 0) {
                throw new PosixException("pwrite", Errno.EIO, null);
            }
            doneBytes += writtenBytes;
        }
    }

    private long payloadAt(int tag) {
        return PAYLOADS_AT + ((long) queue << QUEUE_BITS | (long) tag << TAG_BITS);
    }

    @Override
    public void wake() throws PosixException {
        wakes.raise();
    }

    /** The ring and the descriptors' mapping hold the character device open, so they go before it can be closed. */
    @Override
    public void close() throws PosixException {
        IoUring own = ring;
        KernelThread owner = thread;
        if (owner != null && !owner.awaitEnd(END_PATIENCE)) {
            LOG.log(Level.WARNING, "the thread of queue " + queue + " of a block device has not ended");
        }
        try {
            if (own != null) {
                own.close();
            }
        } finally {
            Posix.munmap(descriptors);
            wakes.close();
        }
    }
}
