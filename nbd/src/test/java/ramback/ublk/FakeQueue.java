package ramback.ublk;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import ramback.posix.Errno;
import ramback.posix.PosixException;

/**
 * The driver as the header and its document describe it, for tests: hands requests out to tags that were fetched,
 * takes results only when it is told of them, insists on one thread, and keeps what was not committed.
 */
final class FakeQueue implements KernelQueue {

    private static final int WOKEN_EVENT = -1;
    private static final int ENDED_EVENT = -2;

    /** A request of the block layer, and its result once it has one. */
    static final class Request {
        final int operation;
        final long offsetBytes;
        final long lengthBytes;
        final MemorySegment payload;
        final CompletableFuture<Integer> result = new CompletableFuture<>();

        Request(int operation, long offsetBytes, long lengthBytes) {
            this.operation = operation;
            this.offsetBytes = offsetBytes;
            this.lengthBytes = lengthBytes;
            int op = operation & Uapi.OP_MASK;
            boolean hasPayload = op == Uapi.OP_READ || op == Uapi.OP_WRITE;
            this.payload = Arena.ofAuto().allocate(hasPayload ? Math.max(lengthBytes, 1) : 1);
        }

        static Request write(long offsetBytes, byte[] bytes) {
            Request request = new Request(Uapi.OP_WRITE, offsetBytes, bytes.length);
            MemorySegment.copy(bytes, 0, request.payload, JAVA_BYTE, 0, bytes.length);
            return request;
        }

        int await() throws Exception {
            return result.get(60, TimeUnit.SECONDS);
        }

        byte[] bytes() {
            return payload.asSlice(0, lengthBytes).toArray(JAVA_BYTE);
        }
    }

    private final int depth;
    private final @Nullable Request[] requests;
    private final boolean[] isFetched;
    private final int[] results;
    private final boolean[] isCommitted;
    private final int[] preparedTags;
    private int preparedCount;

    /** Tags that the driver may hand a request out to. */
    final BlockingQueue<Integer> free = new LinkedBlockingQueue<>();

    private final BlockingQueue<Integer> inbox = new LinkedBlockingQueue<>();
    private final int[] events;
    private int eventCount;
    private int eventAt;
    private int error = Errno.ENODEV;

    private @Nullable Thread owner;
    final AtomicInteger awaitCount = new AtomicInteger();
    final AtomicInteger committedCount = new AtomicInteger();
    volatile boolean isClosed;

    /** The errno with which fetching fails, or 0. */
    volatile int fetchError;

    /** The errno with which payloads are neither given nor taken, or 0. */
    volatile int payloadError;

    FakeQueue(int depth) {
        this.depth = depth;
        this.requests = new Request[depth];
        this.isFetched = new boolean[depth];
        this.isCommitted = new boolean[depth];
        this.results = new int[depth];
        this.preparedTags = new int[depth];
        this.events = new int[4 * depth + 64];
    }

    // ----------------------------------------------------------------------------------------------- the block layer

    /** Hands a request out, as soon as a tag is free. */
    Request submit(Request request) throws InterruptedException {
        Integer tag = free.poll(60, TimeUnit.SECONDS);
        if (tag == null) {
            throw new AssertionError("no tag was free for a minute");
        }
        hand(tag, request);
        return request;
    }

    /** Without allocating anything. */
    void hand(Integer tag, Request request) {
        requests[tag] = request;
        inbox.add(tag);
    }

    /** Waits until the server has nothing more to do with what was handed out: it asks for more. */
    void awaitServed() {
        int before = awaitCount.get();
        wake();
        while (awaitCount.get() == before) {
            Thread.onSpinWait();
        }
    }

    /** Takes all tags out of service, each when it is free. */
    void end() throws InterruptedException {
        for (int i = 0; i < depth; i++) {
            if (free.poll(60, TimeUnit.SECONDS) == null) {
                throw new AssertionError(i + " of " + depth + " tags are free");
            }
        }
        for (int i = 0; i < depth; i++) {
            inbox.add(ENDED_EVENT);
        }
    }

    // ---------------------------------------------------------------------------------------------------- the server

    private void checkOwner() {
        if (Thread.currentThread() != owner || isClosed) {
            throw new AssertionError(Thread.currentThread() + " instead of " + owner + ", closed: " + isClosed);
        }
    }

    private Request request(int tag) {
        checkOwner();
        Request request = requests[tag];
        if (request == null) {
            throw new AssertionError("tag " + tag + " has no request");
        }
        return request;
    }

    @Override
    public int depth() {
        return depth;
    }

    @Override
    public void begin() {
        owner = Thread.currentThread();
    }

    @Override
    public void fetch(int tag) {
        checkOwner();
        if (isFetched[tag]) {
            throw new AssertionError("tag " + tag + " is fetched twice");
        }
        isFetched[tag] = true;
        preparedTags[preparedCount++] = tag;
    }

    @Override
    public void commit(int tag, int result) {
        request(tag);
        if (isCommitted[tag]) {
            throw new AssertionError("tag " + tag + " is committed twice");
        }
        isCommitted[tag] = true;
        results[tag] = result;
        preparedTags[preparedCount++] = tag;
    }

    @Override
    public void await() {
        checkOwner();
        awaitCount.incrementAndGet();
        for (int i = 0; i < preparedCount; i++) {
            told(preparedTags[i]);
        }
        preparedCount = 0;
        try {
            eventAt = 0;
            eventCount = 0;
            for (Integer event = inbox.take(); event != null; event = inbox.poll()) {
                events[eventCount++] = event;
            }
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    private void told(int tag) {
        Request request = requests[tag];
        if (request == null) {
            if (fetchError != 0) {
                error = fetchError;
                inbox.add(ENDED_EVENT);
                return;
            }
        } else {
            requests[tag] = null;
            isCommitted[tag] = false;
            committedCount.incrementAndGet();
            request.result.complete(results[tag]);
        }
        free.add(tag);
    }

    @Override
    public int next() {
        checkOwner();
        if (eventAt == eventCount) {
            return NONE;
        }
        int event = events[eventAt++];
        return event == WOKEN_EVENT ? WOKEN : event == ENDED_EVENT ? ENDED : event;
    }

    @Override
    public int error() {
        return error;
    }

    @Override
    public int operation(int tag) {
        return request(tag).operation;
    }

    @Override
    public long offsetBytes(int tag) {
        return request(tag).offsetBytes;
    }

    @Override
    public long lengthBytes(int tag) {
        return request(tag).lengthBytes;
    }

    @Override
    public void receive(int tag, long payloadOffsetBytes, MemorySegment into, long intoOffsetBytes, long lengthBytes)
            throws PosixException {
        Request request = request(tag);
        if (payloadError != 0) {
            throw new PosixException("pread", payloadError, null);
        }
        MemorySegment.copy(request.payload, payloadOffsetBytes, into, intoOffsetBytes, lengthBytes);
    }

    @Override
    public void send(int tag, long payloadOffsetBytes, MemorySegment from, long fromOffsetBytes, long lengthBytes)
            throws PosixException {
        Request request = request(tag);
        if (payloadError != 0) {
            throw new PosixException("pwrite", payloadError, null);
        }
        MemorySegment.copy(from, fromOffsetBytes, request.payload, payloadOffsetBytes, lengthBytes);
    }

    @Override
    public void wake() {
        if (!isClosed) {
            inbox.add(WOKEN_EVENT);
        }
    }

    @Override
    public void close() {
        Thread thread = owner;
        if (thread != null && thread.isAlive()) {
            throw new AssertionError("closed while its thread lives: the driver hands out to it what nobody takes");
        }
        isClosed = true;
    }
}
