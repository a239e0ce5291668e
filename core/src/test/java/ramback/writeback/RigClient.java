package ramback.writeback;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Function;
import ramback.device.Device;
import ramback.device.DeviceSession;
import ramback.device.Outcome;
import ramback.device.TooManySessionsException;

/**
 * A client of a device: the calling thread issues requests, a thread of its own collects those that had to wait. Each
 * request is a future of its final outcome; {@code write}, {@code read}, … wait for it.
 */
final class RigClient implements AutoCloseable {

    private final Device device;
    private final DeviceSession session;
    private final Map<Long, CompletableFuture<Outcome>> waiting = new ConcurrentHashMap<>();
    private final CountDownLatch collecting = new CountDownLatch(1);
    private final Thread replies;
    private long nextToken;
    private boolean closed;

    RigClient(Device device) throws TooManySessionsException {
        this.device = device;
        this.session = device.openSession();
        this.replies = Thread.ofPlatform().name("rig-replies").start(this::collect);
        collecting.countDown();
    }

    /** A client that leaves its replies unread until {@link #readReplies()}. */
    static RigClient notReading(Device device) throws TooManySessionsException {
        return new RigClient(device, device.openSession());
    }

    private RigClient(Device device, DeviceSession session) {
        this.device = device;
        this.session = session;
        this.replies = Thread.ofPlatform().name("rig-replies").start(this::collect);
    }

    void readReplies() {
        collecting.countDown();
    }

    private void collect() {
        try {
            collecting.await();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
        for (long token = session.awaitDeferred(); token != DeviceSession.CLOSED; token = session.awaitDeferred()) {
            CompletableFuture<Outcome> request = waiting.remove(token);
            Outcome outcome = session.deferredOutcome();
            if (request == null || outcome == Outcome.DEFERRED) {
                throw new AssertionError("token " + token + " came back with " + outcome);
            }
            request.complete(outcome);
        }
        session.release();
    }

    DeviceSession session() {
        return session;
    }

    /** Requests that wait. */
    int waitingCount() {
        return waiting.size();
    }

    private CompletableFuture<Outcome> issue(Function<Long, Outcome> request) {
        long token = nextToken++;
        CompletableFuture<Outcome> result = new CompletableFuture<>();
        waiting.put(token, result);
        Outcome outcome = request.apply(token);
        if (outcome != Outcome.DEFERRED) {
            waiting.remove(token);
            result.complete(outcome);
        }
        return result;
    }

    static Outcome await(CompletableFuture<Outcome> request) {
        try {
            return request.get(Gate.HANG_SECONDS, TimeUnit.SECONDS);
        } catch (TimeoutException e) {
            throw new AssertionError("the request never came back", e);
        } catch (InterruptedException | ExecutionException e) {
            throw new AssertionError(e);
        }
    }

    CompletableFuture<Outcome> startWrite(long offset, byte[] bytes, boolean force) {
        return startWrite(offset, bytes, force, new Random(0), Integer.MAX_VALUE);
    }

    /** A write whose payload comes in pieces of random lengths. */
    CompletableFuture<Outcome> startWrite(long offset, byte[] bytes, boolean force, Random random, int pieceBytesMax) {
        return issue(token -> {
            Outcome begun = session.beginWrite(offset, bytes.length, force, token);
            if (begun != Outcome.DONE) {
                return begun;
            }
            MemorySegment staging = session.staging();
            int capacity = (int) staging.byteSize();
            int begin = 0;
            int end = 0;
            int sent = 0;
            int stored = 0;
            while (stored < bytes.length) {
                if (begin == end) {
                    begin = pieceBytesMax == Integer.MAX_VALUE ? 0 : random.nextInt(capacity / 2);
                    end = begin;
                }
                if (end == capacity) {
                    MemorySegment.copy(staging, begin, staging, 0, end - begin);
                    end -= begin;
                    begin = 0;
                }
                int piece = Math.min(Math.min(capacity - end, bytes.length - sent), 1 + random.nextInt(pieceBytesMax));
                if (pieceBytesMax == Integer.MAX_VALUE) {
                    piece = Math.min(capacity - end, bytes.length - sent);
                }
                MemorySegment.copy(bytes, sent, staging, ValueLayout.JAVA_BYTE, end, piece);
                sent += piece;
                end += piece;
                int available = end - begin;
                int taken = session.store(begin, available);
                assertThat(taken).isBetween(0, available);
                if (sent == bytes.length) {
                    assertThat(taken).as("taken of the last piece").isEqualTo(available);
                } else if (available >= device.chunkBytes() + (64 << 10)) {
                    assertThat(taken)
                            .as("taken of a piece of a chunk and 64 KiB")
                            .isPositive();
                }
                // What was taken may be overwritten at once.
                staging.asSlice(begin, taken).fill((byte) 0xee);
                begin += taken;
                stored += taken;
            }
            return session.endWrite();
        });
    }

    Outcome write(long offset, byte[] bytes) {
        return await(startWrite(offset, bytes, false));
    }

    CompletableFuture<Outcome> startZero(long offset, long length, boolean mayPunch, boolean force) {
        return issue(token -> session.zero(offset, length, mayPunch, force, token));
    }

    CompletableFuture<Outcome> startTrim(long offset, long length, boolean force) {
        return issue(token -> session.trim(offset, length, force, token));
    }

    Outcome trim(long offset, long length) {
        return await(startTrim(offset, length, false));
    }

    CompletableFuture<Outcome> startFlush() {
        return issue(session::flush);
    }

    Outcome flush() {
        return await(startFlush());
    }

    /** Asks for a range to be loaded. */
    CompletableFuture<Outcome> startRead(long offset, long length) {
        return issue(token -> session.prepareRead(offset, length, token));
    }

    /** The bytes of a range that is loaded; straight from memory where that may be done. */
    byte[] copy(long offset, int length) {
        if (length > 0 && session.memoryIsDirect(offset, length)) {
            return session.memory().asSlice(offset, length).toArray(ValueLayout.JAVA_BYTE);
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment into = arena.allocate(length + 3L, 1);
            session.copy(offset, length, into, 3);
            return into.asSlice(3, length).toArray(ValueLayout.JAVA_BYTE);
        }
    }

    byte[] read(long offset, int length) {
        assertThat(await(startRead(offset, length))).isEqualTo(Outcome.DONE);
        return copy(offset, length);
    }

    @Override
    public void close() {
        if (closed) {
            return;
        }
        closed = true;
        session.close();
        collecting.countDown();
        try {
            replies.join(TimeUnit.SECONDS.toMillis(Gate.HANG_SECONDS));
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
        assertThat(replies.isAlive()).as("the reply thread still runs").isFalse();
        session.release();
    }
}
