package ramback.nbd;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;
import ramback.device.Device;
import ramback.device.DeviceSession;
import ramback.device.Extent;
import ramback.device.Outcome;
import ramback.device.TooManySessionsException;

/**
 * A device that is nothing but memory, for tests: keeps the contract of {@link DeviceSession} to the letter (whole runs,
 * bounded deferral, two releases) and lets a test defer, throttle and fail requests.
 */
public final class RamDevice implements Device {

    static final int STAGING_BYTES_MIN = 128 << 10;

    /** A request as the device sees it, for {@link #deferWhere} and {@link #failWith}. */
    public record Seen(String kind, long offsetBytes, long lengthBytes, boolean flag, boolean forceUnitAccess) {}

    /** A deferred request, waiting for the test to finish it. */
    public record Waiting(Session session, Seen request, long token) {
        public void finish(Outcome outcome) {
            session.finished.add(new Finished(token, outcome));
        }
    }

    private record Finished(long token, Outcome outcome) {}

    private final String name;
    private final long sizeBytes;
    private final int chunkBytes;
    private final boolean readOnly;
    private final int sessionCountMax;
    private final int deferredCountMax;
    public final MemorySegment memory;

    public final AtomicInteger openSessionCount = new AtomicInteger();
    public final BlockingQueue<Waiting> waiting = new LinkedBlockingQueue<>();
    public final BlockingQueue<Seen> log = new LinkedBlockingQueue<>();
    public volatile boolean logging = true;
    public volatile boolean direct = true;

    /** What a thread does that has given a session back: a test may keep it there. */
    public volatile Runnable afterRelease = () -> {};

    /** Whether chunks that hold nothing but zeroes are told to be zeroes, and now and then one to be not loaded. */
    public volatile boolean tellsStates;

    /** The states of each chunk, as {@link Extent} has them; null: all hold data, and nothing else is told of them. */
    public volatile int @Nullable [] chunkStates;

    volatile boolean stopping;
    public volatile @Nullable Predicate<Seen> deferWhere;
    public volatile java.util.function.@Nullable Function<Seen, @Nullable Outcome> failWith;
    public volatile @Nullable CountDownLatch storeGate;

    public RamDevice(
            String name, MemorySegment memory, int chunkBytes, boolean readOnly, int sessionCountMax, int deferredMax) {
        this.name = name;
        this.memory = memory;
        this.sizeBytes = memory.byteSize();
        this.chunkBytes = chunkBytes;
        this.readOnly = readOnly;
        this.sessionCountMax = sessionCountMax;
        this.deferredCountMax = deferredMax;
    }

    public static RamDevice ofSize(long sizeBytes) {
        return new RamDevice("disk", Arena.ofAuto().allocate(sizeBytes), 4096, false, 16, 64);
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public long sizeBytes() {
        return sizeBytes;
    }

    @Override
    public int chunkBytes() {
        return chunkBytes;
    }

    @Override
    public boolean readOnly() {
        return readOnly;
    }

    @Override
    public int sessionCountMax() {
        return sessionCountMax;
    }

    @Override
    public DeviceSession openSession() throws TooManySessionsException {
        if (stopping) {
            throw new IllegalStateException("stopping");
        }
        if (openSessionCount.incrementAndGet() > sessionCountMax) {
            openSessionCount.decrementAndGet();
            throw new TooManySessionsException(sessionCountMax);
        }
        return new Session();
    }

    /** See {@link RamDevice}. */
    public final class Session implements DeviceSession {
        private static final long CLOSED_TOKEN = -1;

        private final BlockingQueue<Finished> finished = new LinkedBlockingQueue<>();
        private final Semaphore places = new Semaphore(deferredCountMax);
        private final AtomicInteger releaseCount = new AtomicInteger();
        private final MemorySegment staging =
                Arena.ofAuto().allocate(Math.max(STAGING_BYTES_MIN, chunkBytes + (64 << 10)));
        private volatile boolean closed;
        private Outcome deferredOutcome = Outcome.DONE;

        private @Nullable Seen write;
        private long writeToken;
        private long writeOffset;
        private long writeEnd;

        @Override
        public MemorySegment staging() {
            return staging;
        }

        @Override
        public int deferredCountMax() {
            return deferredCountMax;
        }

        private @Nullable Outcome decide(Seen request, long token) {
            if (write != null) {
                throw new AssertionError(request + " within " + write);
            }
            if (logging) {
                log.add(request);
            }
            var fails = failWith;
            if (fails != null) {
                Outcome outcome = fails.apply(request);
                if (outcome != null) {
                    return outcome;
                }
            }
            var defers = deferWhere;
            return defers != null && defers.test(request) ? defer(request, token) : null;
        }

        private Outcome defer(Seen request, long token) {
            try {
                while (!places.tryAcquire(10, java.util.concurrent.TimeUnit.MILLISECONDS)) {
                    if (closed) {
                        return Outcome.SHUTTING_DOWN;
                    }
                }
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
            waiting.add(new Waiting(this, request, token));
            return Outcome.DEFERRED;
        }

        private static Outcome orDone(@Nullable Outcome outcome) {
            return outcome == null ? Outcome.DONE : outcome;
        }

        private boolean isOutside(long offsetBytes, long lengthBytes) {
            return offsetBytes < 0
                    || lengthBytes < 0
                    || offsetBytes > sizeBytes
                    || lengthBytes > sizeBytes - offsetBytes;
        }

        @Override
        public Outcome prepareRead(long offsetBytes, long lengthBytes, long token) {
            if (isOutside(offsetBytes, lengthBytes)) {
                return Outcome.INVALID;
            }
            if (!logging && deferWhere == null && failWith == null) {
                return Outcome.DONE;
            }
            return orDone(decide(new Seen("read", offsetBytes, lengthBytes, false, false), token));
        }

        @Override
        public Outcome beginWrite(long offsetBytes, int lengthBytes, boolean forceUnitAccess, long token) {
            if (isOutside(offsetBytes, lengthBytes)) {
                return Outcome.NO_SPACE;
            }
            Seen request = null;
            if (logging || deferWhere != null || failWith != null) {
                request = new Seen("write", offsetBytes, lengthBytes, false, forceUnitAccess);
                var fails = failWith;
                Outcome outcome = fails == null ? null : fails.apply(request);
                if (outcome != null) {
                    return outcome;
                }
                if (logging) {
                    log.add(request);
                }
            }
            write = request;
            writeToken = token;
            writeOffset = offsetBytes;
            writeEnd = offsetBytes + lengthBytes;
            return Outcome.DONE;
        }

        @Override
        public int store(int stagingOffsetBytes, int availableBytes) {
            var gate = storeGate;
            if (gate != null) {
                try {
                    while (!closed && !gate.await(10, java.util.concurrent.TimeUnit.MILLISECONDS)) {
                        // the test holds this write up
                    }
                } catch (InterruptedException e) {
                    throw new AssertionError(e);
                }
            }
            long end = writeOffset + availableBytes;
            if (end > writeEnd) {
                throw new AssertionError("more payload than the request has");
            }
            if (end < writeEnd) {
                end -= end % chunkBytes;
            }
            int taken = (int) Math.max(0, end - writeOffset);
            MemorySegment.copy(staging, stagingOffsetBytes, memory, writeOffset, taken);
            writeOffset += taken;
            return taken;
        }

        @Override
        public Outcome endWrite() {
            if (writeOffset != writeEnd) {
                throw new AssertionError("payload is missing");
            }
            Seen request = write;
            write = null;
            var defers = deferWhere;
            if (request != null && defers != null && defers.test(request)) {
                return defer(request, writeToken);
            }
            return Outcome.DONE;
        }

        @Override
        public Outcome zero(long offsetBytes, long lengthBytes, boolean mayPunch, boolean fua, long token) {
            if (isOutside(offsetBytes, lengthBytes)) {
                return Outcome.NO_SPACE;
            }
            Outcome outcome = orDone(decide(new Seen("zero", offsetBytes, lengthBytes, mayPunch, fua), token));
            if (outcome == Outcome.DONE || outcome == Outcome.DEFERRED) {
                memory.asSlice(offsetBytes, lengthBytes).fill((byte) 0);
            }
            return outcome;
        }

        @Override
        public Outcome trim(long offsetBytes, long lengthBytes, boolean fua, long token) {
            if (isOutside(offsetBytes, lengthBytes)) {
                return Outcome.INVALID;
            }
            return orDone(decide(new Seen("trim", offsetBytes, lengthBytes, false, fua), token));
        }

        @Override
        public Outcome flush(long token) {
            return orDone(decide(new Seen("flush", 0, 0, false, false), token));
        }

        @Override
        public void copy(long offsetBytes, int lengthBytes, MemorySegment into, long intoOffsetBytes) {
            MemorySegment.copy(memory, offsetBytes, into, intoOffsetBytes, lengthBytes);
        }

        @Override
        public MemorySegment memory() {
            return memory;
        }

        @Override
        public boolean memoryIsDirect(long offsetBytes, long lengthBytes) {
            return direct;
        }

        @Override
        public long extent(long offsetBytes, long limitBytes, int interest) {
            if (offsetBytes < 0 || offsetBytes >= limitBytes || limitBytes > sizeBytes) {
                throw new AssertionError("extent at " + offsetBytes + " up to " + limitBytes);
            }
            long chunk = offsetBytes / chunkBytes;
            int states = states(chunk) & interest;
            long end = (chunk + 1) * chunkBytes;
            while (end < limitBytes && (states(++chunk) & interest) == states) {
                end += chunkBytes;
            }
            return Extent.of(Math.min(end, limitBytes), states);
        }

        private int states(long chunk) {
            int[] states = chunkStates;
            if (states != null) {
                return states[(int) chunk];
            }
            if (!tellsStates) {
                return 0;
            }
            return (isZero(chunk) ? Extent.ZERO : 0) | (chunk % 3 == 1 ? Extent.UNLOADED : 0);
        }

        private boolean isZero(long chunk) {
            long begin = chunk * chunkBytes;
            long end = Math.min(begin + chunkBytes, sizeBytes);
            for (long at = begin; at < end; at++) {
                if (memory.get(ValueLayout.JAVA_BYTE, at) != 0) {
                    return false;
                }
            }
            return true;
        }

        @Override
        public long awaitDeferred() {
            try {
                Finished next = finished.take();
                if (next.token == CLOSED_TOKEN) {
                    finished.add(next);
                    return CLOSED;
                }
                places.release();
                deferredOutcome = next.outcome;
                return next.token;
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
        }

        @Override
        public boolean hasDeferred() {
            return !finished.isEmpty();
        }

        @Override
        public Outcome deferredOutcome() {
            return deferredOutcome;
        }

        @Override
        public void close() {
            closed = true;
            finished.add(new Finished(CLOSED_TOKEN, Outcome.SHUTTING_DOWN));
        }

        @Override
        public void release() {
            int count = releaseCount.incrementAndGet();
            if (!closed || count > 2) {
                throw new AssertionError("release number " + count + ", closed: " + closed);
            }
            if (count == 2) {
                openSessionCount.decrementAndGet();
                afterRelease.run();
            }
        }
    }
}
