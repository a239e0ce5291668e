package ramback.image;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import ramback.clock.Clock;
import ramback.device.DeviceSession;
import ramback.device.Mode;
import ramback.device.Outcome;
import ramback.device.TooManySessionsException;
import ramback.memory.TemporarySegment;
import ramback.trace.Trace;

/** A session's requests, with everything they may wait for in the test's hands. */
class ImageSessionTest {
    private static final int CHUNK = 4096;
    private static final int SIZE = 1024 * CHUNK + 100;

    private final List<Demand> demands = Collections.synchronizedList(new ArrayList<>());
    private final AtomicLong committed = new AtomicLong(-1);
    private final AtomicLong demanded = new AtomicLong(-1);
    private final AtomicBoolean overdue = new AtomicBoolean();
    private final AtomicLong flushCount = new AtomicLong();
    private final DirtyCount dirty = new DirtyCount();
    private TemporarySegment temporary;
    private ImageDevice device;
    private Epochs epochs;
    private ChunkStore store;
    private DeviceSession session;

    @BeforeEach
    void open() throws TooManySessionsException {
        temporary = new TemporarySegment(SIZE, CHUNK, 2, false);
        epochs = new Epochs(ImageDevice.workerCount(2), Clock.SYSTEM, () -> {});
        Trace trace = new Trace(Clock.SYSTEM);
        store = new ChunkStore(temporary.segment(), epochs, Captures.NONE, dirty, trace);
        device = new ImageDevice(
                "test", false, Mode.WRITEBACK, temporary.segment(), store, epochs, dirty, Clock.SYSTEM, trace);
        Promises promises = new Promises() {
            @Override
            public long committed() {
                return committed.get();
            }

            @Override
            public void demand(long epoch) {
                demanded.accumulateAndGet(epoch, Math::max);
            }

            @Override
            public boolean isOverdue() {
                return overdue.get();
            }

            @Override
            public void flushed() {
                flushCount.incrementAndGet();
            }

            @Override
            public boolean isEverythingDurable() {
                return dirty.chunkCount() == 0;
            }
        };
        device.connect(demands::add, promises, (chunkCount, isDelayed) -> {
            dirty.reserve(chunkCount, Long.MAX_VALUE, Long.MAX_VALUE);
            return Admission.GO;
        });
        session = device.openSession();
    }

    @AfterEach
    void close() {
        temporary.close();
    }

    private Outcome write(long offset, int length, boolean force, long token) {
        Outcome begun = session.beginWrite(offset, length, force, token);
        if (begun != Outcome.DONE) {
            return begun;
        }
        int stored = 0;
        while (stored < length) {
            int piece = Math.min(length - stored, (int) session.staging().byteSize());
            int taken = session.store(0, piece);
            assertThat(taken).isPositive();
            stored += taken;
        }
        return session.endWrite();
    }

    private void load(Demand demand) {
        store.installHole(new ramback.clock.Backoff(), demand.firstChunk, demand.lastChunk);
        demand.finished(true);
    }

    private boolean isZero(long chunk) {
        return (store.table().zero(chunk >>> 6) >>> chunk & 1) != 0;
    }

    private void detectZeroes() throws TooManySessionsException {
        device.detectZeroes();
        session = device.openSession();
        store.installHole(new ramback.clock.Backoff(), 0, (SIZE - 1) / CHUNK);
    }

    @Test
    void writtenZeroesAreDataUnlessTheyAreLookedFor() {
        session.staging().asSlice(0, CHUNK).fill((byte) 0);
        assertThat(write(0, CHUNK, false, 1)).isEqualTo(Outcome.DONE);
        assertThat(isZero(0)).isFalse();
    }

    @Test
    void onlyWholeChunksOfZeroesAreTakenForZeroes() throws TooManySessionsException {
        detectZeroes();
        session.staging().asSlice(0, 8 * CHUNK).fill((byte) 7);
        assertThat(write(0, 8 * CHUNK, false, 1)).isEqualTo(Outcome.DONE);
        long dataCount = dirty.dataChunkCount();
        // Half a chunk, two whole ones, one with a single other byte at its end, one whole, half of one.
        session.staging().asSlice(0, 5 * CHUNK).fill((byte) 0);
        session.staging().set(ValueLayout.JAVA_BYTE, 4 * CHUNK - CHUNK / 2 - 1, (byte) 1);
        assertThat(write(CHUNK / 2, 5 * CHUNK, true, 2)).isEqualTo(Outcome.DEFERRED);
        assertThat(demanded.get()).isEqualTo(epochs.open());
        boolean[] zero = new boolean[6];
        for (int chunk = 0; chunk < zero.length; chunk++) {
            zero[chunk] = isZero(chunk);
        }
        assertThat(zero).containsExactly(false, true, true, false, true, false);
        assertThat(dirty.dataChunkCount()).isEqualTo(dataCount - 3);
        byte[] expected = new byte[8 * CHUNK];
        Arrays.fill(expected, (byte) 7);
        Arrays.fill(expected, CHUNK / 2, 5 * CHUNK + CHUNK / 2, (byte) 0);
        expected[4 * CHUNK - 1] = 1;
        byte[] read = new byte[expected.length];
        session.copy(0, read.length, MemorySegment.ofArray(read), 0);
        assertThat(read).isEqualTo(expected);
    }

    @Test
    void zeroesAreFoundWhereTheyAreNotAlignedAndAtTheDevicesEnd() throws TooManySessionsException {
        detectZeroes();
        long last = (SIZE - 1) / CHUNK;
        int length = (int) (SIZE - last * CHUNK);
        session.staging().asSlice(0, CHUNK + 3).fill((byte) 7);
        assertThat(write(last * CHUNK, length, false, 1)).isEqualTo(Outcome.DONE);
        assertThat(isZero(last)).isFalse();
        session.staging().asSlice(3, length).fill((byte) 0);
        assertThat(session.beginWrite(last * CHUNK, length, false, 2)).isEqualTo(Outcome.DONE);
        assertThat(session.store(3, length)).isEqualTo(length);
        assertThat(session.endWrite()).isEqualTo(Outcome.DONE);
        assertThat(isZero(last)).isTrue();
    }

    @Test
    void rangesAreCheckedToTheByte() {
        assertThat(session.prepareRead(SIZE, 1, 1)).isEqualTo(Outcome.INVALID);
        assertThat(session.prepareRead(-1, 1, 1)).isEqualTo(Outcome.INVALID);
        assertThat(session.prepareRead(1, -1, 1)).isEqualTo(Outcome.INVALID);
        assertThat(session.prepareRead(Long.MAX_VALUE, Long.MAX_VALUE, 1)).isEqualTo(Outcome.INVALID);
        assertThat(session.prepareRead(5, Long.MAX_VALUE, 1)).isEqualTo(Outcome.INVALID);
        assertThat(session.prepareRead(SIZE, 0, 1)).isEqualTo(Outcome.DONE);
        assertThat(session.beginWrite(SIZE - 1, 2, false, 1)).isEqualTo(Outcome.NO_SPACE);
        assertThat(session.beginWrite(0, (32 << 20) + 1, false, 1)).isEqualTo(Outcome.INVALID);
        assertThat(session.zero(SIZE, 1, true, false, 1)).isEqualTo(Outcome.NO_SPACE);
        assertThat(session.trim(0, SIZE + 1L, false, 1)).isEqualTo(Outcome.INVALID);
        assertThat(session.trim(0, 0, false, 1)).isEqualTo(Outcome.DONE);
        assertThat(write(7, 0, true, 1)).isEqualTo(Outcome.DONE);
        assertThat(demands).isEmpty();
    }

    @Test
    void theRequestBeyondTheBoundWaitsUntilOneIsCollected() throws InterruptedException {
        int max = session.deferredCountMax();
        for (int i = 0; i < max; i++) {
            assertThat(session.prepareRead((long) i * CHUNK, 1, i)).isEqualTo(Outcome.DEFERRED);
        }
        assertThat(device.waitingCount()).isEqualTo(max);
        AtomicBoolean returned = new AtomicBoolean();
        Thread request = Thread.ofPlatform().start(() -> {
            assertThat(session.prepareRead((long) max * CHUNK, 1, max)).isEqualTo(Outcome.DEFERRED);
            returned.set(true);
        });
        load(demands.getFirst());
        while (request.getState() != Thread.State.WAITING) {
            Thread.onSpinWait();
        }
        // Loaded is not enough: its reply must have been collected.
        assertThat(returned).isFalse();
        assertThat(demands).hasSize(max);
        assertThat(session.awaitDeferred()).isZero();
        request.join();
        assertThat(returned).isTrue();
        assertThat(demands).hasSize(max + 1);
        session.close();
        session.release();
        session.release();
        assertThat(device.waitingCount()).isZero();
    }

    @Test
    void everyRequestOfTheBoundMayWaitForItsFirstAndItsLastChunk() {
        int max = session.deferredCountMax();
        for (int i = 0; i < max; i++) {
            assertThat(write(i * 4L * CHUNK + 4000, 200, false, i)).isEqualTo(Outcome.DEFERRED);
        }
        assertThat(demands).hasSize(2 * max);
        session.close();
        assertThat(session.awaitDeferred()).isEqualTo(DeviceSession.CLOSED);
        session.release();
        session.release();
        assertThat(device.waitingCount()).isZero();
        assertThat(device.sessionCount()).isZero();
    }

    @Test
    void closingLetsBothThreadsGo() throws InterruptedException {
        int max = session.deferredCountMax();
        for (int i = 0; i < max; i++) {
            session.prepareRead((long) i * CHUNK, 1, i);
        }
        AtomicInteger out = new AtomicInteger();
        Thread request = Thread.ofPlatform().start(() -> {
            if (session.prepareRead((long) max * CHUNK, 1, max) == Outcome.SHUTTING_DOWN) {
                out.incrementAndGet();
            }
        });
        Thread reply = Thread.ofPlatform().start(() -> {
            if (session.awaitDeferred() == DeviceSession.CLOSED) {
                out.incrementAndGet();
            }
        });
        session.close();
        session.close();
        request.join();
        reply.join();
        assertThat(out).hasValue(2);
        // A load that ends after its session is nobody's business.
        session.release();
        session.release();
        demands.forEach(this::load);
        assertThat(device.waitingCount()).isZero();
        assertThat(device.sessionCount()).isZero();
    }

    @Test
    void aSessionsPlaceIsTakenUntilBothThreadsReleasedIt() throws TooManySessionsException {
        DeviceSession second = device.openSession();
        assertThatThrownBy(device::openSession)
                .isInstanceOf(TooManySessionsException.class)
                .hasMessageContaining("all 2 client sessions");
        second.close();
        second.release();
        assertThatThrownBy(device::openSession).isInstanceOf(TooManySessionsException.class);
        second.release();
        assertThat(device.openSession().staging().address())
                .isEqualTo(second.staging().address());
        device.refuseRequests();
        assertThatThrownBy(device::openSession).isInstanceOf(IllegalStateException.class);
        assertThat(session.prepareRead(0, 1, 1)).isEqualTo(Outcome.SHUTTING_DOWN);
        assertThat(session.flush(1)).isEqualTo(Outcome.SHUTTING_DOWN);
        assertThat(session.beginWrite(0, 1, false, 1)).isEqualTo(Outcome.SHUTTING_DOWN);
    }

    @Test
    void aFailedLoadIsAnErrorOfExactlyItsRequest() {
        assertThat(write(100, 10, false, 1)).isEqualTo(Outcome.DEFERRED);
        assertThat(session.prepareRead(5 * CHUNK, CHUNK, 2)).isEqualTo(Outcome.DEFERRED);
        demands.get(0).finished(false);
        assertThat(session.awaitDeferred()).isEqualTo(1);
        assertThat(session.deferredOutcome()).isEqualTo(Outcome.IO_ERROR);
        load(demands.get(1));
        assertThat(session.awaitDeferred()).isEqualTo(2);
        assertThat(session.deferredOutcome()).isEqualTo(Outcome.DONE);
        assertThat(dirty.chunkCount()).isZero();
        assertThat(dirty.dataChunkCount()).isZero();
    }

    @Test
    void aForcedWriteWaitsForItsEpochAndAPlainOneDoesNot() {
        assertThat(write(0, CHUNK, false, 1)).isEqualTo(Outcome.DONE);
        assertThat(write(0, CHUNK, true, 2)).isEqualTo(Outcome.DEFERRED);
        assertThat(demanded).hasValue(0);
        assertThat(session.flush(3)).isEqualTo(Outcome.DEFERRED);
        epochs.cut();
        committed.set(0);
        device.wakeSessions();
        Set<Long> tokens = new HashSet<>();
        tokens.add(session.awaitDeferred());
        tokens.add(session.awaitDeferred());
        assertThat(tokens).containsExactlyInAnyOrder(2L, 3L);
        long before = flushCount.get();
        assertThat(session.flush(4)).as("the open epoch is empty").isEqualTo(Outcome.DONE);
        assertThat(flushCount).as("flushes that asked for nothing").hasValue(before + 1);
        write(0, 1, false, 5);
        assertThat(session.flush(6)).isEqualTo(Outcome.DEFERRED);
        assertThat(demanded).hasValue(1);
    }

    @Test
    void whatWaitsForAModeIsReleasedByAnother() {
        device.setMode(Mode.WRITETHROUGH);
        assertThat(write(0, CHUNK, false, 1)).isEqualTo(Outcome.DEFERRED);
        assertThat(session.flush(2)).isEqualTo(Outcome.DEFERRED);
        device.setMode(Mode.WRITEBACK);
        assertThat(session.awaitDeferred()).isEqualTo(1);
        assertThat(session.deferredOutcome()).isEqualTo(Outcome.DONE);
        device.setMode(Mode.UNSAFE);
        assertThat(session.awaitDeferred()).isEqualTo(2);
    }

    @Test
    void aPayloadComesInAnyPieces() {
        assertThat(session.beginWrite(0, 3 * CHUNK + 10, false, 1)).isEqualTo(Outcome.DONE);
        assertThat(session.store(0, CHUNK - 1)).isZero();
        assertThat(session.store(0, CHUNK + 1)).isEqualTo(CHUNK);
        assertThat(session.store(CHUNK, 2 * CHUNK + 9)).isEqualTo(2 * CHUNK);
        assertThat(session.store(5, 10)).isEqualTo(10);
        assertThat(session.endWrite()).isEqualTo(Outcome.DEFERRED);
        assertThat(demands).as("its last chunk is partly covered").hasSize(1);
    }

    @Test
    void aShortLastChunkThatIsCoveredToTheEndNeedsNoLoad() {
        assertThat(write(1023 * CHUNK, CHUNK + 100, false, 1)).isEqualTo(Outcome.DONE);
        assertThat(write(1024 * CHUNK, 99, false, 2)).isEqualTo(Outcome.DONE);
        assertThat(demands).isEmpty();
        assertThat(session.trim(1024 * CHUNK, 100, false, 3)).isEqualTo(Outcome.DONE);
        assertThat(store.table().zero(16) & 1).isEqualTo(1);
    }
}
