package ramback.writeback;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import ramback.backing.BackingIoException.Operation;
import ramback.backing.MemoryBacking;
import ramback.clock.Agent;
import ramback.clock.ManualClock;
import ramback.clock.Signal;
import ramback.image.ChunkStore;
import ramback.image.DirtyCount;
import ramback.image.Epochs;
import ramback.image.Worker;
import ramback.memory.TemporarySegment;
import ramback.posix.Errno;
import ramback.trace.Trace;

/** When the sealer cuts and how it captures, step by step under a clock that the test moves. */
class SealerTest {
    private static final int CHUNK = 4096;
    private static final int CHUNK_COUNT = 4096;
    private static final int RUN_CHUNKS = 16;
    private static final long INTERVAL = 1_000_000_000L;
    private static final long LAG = 5_000_000_000L;

    private final ManualClock clock = new ManualClock();
    private final TemporarySegment segment = new TemporarySegment((long) CHUNK_COUNT * CHUNK, CHUNK, 1, false);
    private final Signal signal = new Signal(clock);
    private final Epochs epochs = new Epochs(1, clock, signal::raise);
    private final DirtyCount dirty = new DirtyCount();
    private final Trace trace = new Trace(clock);
    private final Versions versions = new Versions(clock, CHUNK, 2L * CHUNK_COUNT * CHUNK);
    private final ChunkStore store = new ChunkStore(segment.segment(), epochs, versions, dirty, trace);
    private final MemoryBacking backing = new MemoryBacking(CHUNK_COUNT * CHUNK);
    private final MemoryLog log = new MemoryLog(CHUNK, 64 << 20);
    private final WriteBehind writeBehind = new WriteBehind(new WriteBehind.Plan(
            store,
            epochs,
            dirty,
            backing,
            log,
            versions,
            clock,
            trace,
            new Faults(trace),
            LAG,
            1L << 30,
            () -> {},
            signal));
    private final Worker worker = new Worker(0);
    private final Agent sealer = writeBehind.agents().getLast();
    private final Standing standing = writeBehind.standing;

    SealerTest() throws IOException {
        assertThat(sealer.name()).isEqualTo("sealer");
        writeBehind.promiseInterval(INTERVAL);
    }

    @AfterEach
    void close() {
        writeBehind.stop();
        segment.close();
    }

    private void write(int chunkCount) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment bytes = arena.allocate(RUN_CHUNKS * CHUNK).fill((byte) 1);
            for (int chunk = 0; chunk < chunkCount; chunk += RUN_CHUNKS) {
                dirty.reserve(RUN_CHUNKS, Long.MAX_VALUE, Long.MAX_VALUE);
                store.store(worker, (long) chunk * CHUNK, RUN_CHUNKS * CHUNK, bytes, 0);
            }
        }
    }

    private boolean isCut() {
        return standing.sealed == epochs.open() - 1 && epochs.open() > 0 && standing.sealedNanos > 0;
    }

    private Agent agent(String name) {
        return writeBehind.agents().stream()
                .filter(agent -> agent.name().equals(name))
                .findFirst()
                .orElseThrow();
    }

    @Test
    void anEpochSealedWithoutVersionsIsNotTheJournalsWhenThatIsTakenUpAgain() throws IOException {
        log.suspend();
        versions.keep(false);
        backing.failWhile(call -> call.operation() == Operation.WRITE, Errno.EIO);
        write(RUN_CHUNKS);
        writeBehind.demand(epochs.open());
        while (standing.applying < 0) {
            sealer.step();
        }
        while (standing.applying >= 0) {
            agent("applier-0").step();
        }
        long failed = standing.sealed;
        assertThat(standing.committed).as("its round failed").isLessThan(failed);
        // The cut waits for company, after what is left has been carried.
        standing.committedNanos = clock.nanoTime();
        standing.commitNanos = INTERVAL;
        standing.carryWanted = true;
        sealer.step();
        assertThat(standing.carryWanted).isFalse();
        assertThat(standing.sealed).isEqualTo(failed);
        for (int i = 0; i < 5; i++) {
            agent("journal").step();
        }
        assertThat(log.isSuspended())
                .as("nothing was committed that the image lacks")
                .isTrue();
        clock.pass(INTERVAL);
        while (standing.committed <= failed) {
            sealer.step();
            agent("journal").step();
        }
        assertThat(log.isSuspended()).isFalse();
        assertThat(standing.committed).isEqualTo(standing.carried).isEqualTo(failed + 1);
        assertThat(log.epochCount()).isEqualTo(1);
    }

    private void beUnsafe() throws IOException {
        writeBehind.promiseInterval(ramback.clock.Clock.NEVER);
        log.suspend();
        versions.keep(false);
        writeBehind.carryLazily(true);
    }

    /** Writes once a tenth of the lag, and looks as often as the sealer asks to, for as long. */
    private void writeFor(long nanos) {
        long end = clock.nanoTime() + nanos;
        while (clock.nanoTime() < end && !isCut()) {
            write(RUN_CHUNKS);
            long dueNanos = sealer.step();
            clock.pass(LAG / 10);
            if (dueNanos <= clock.nanoTime()) {
                sealer.step();
            }
        }
    }

    @Test
    void inUnsafeTheImageIsLeftAloneWhileClientsWrite() throws IOException {
        beUnsafe();
        writeFor(5 * LAG);
        assertThat(isCut()).isFalse();
        // They rest.
        clock.pass(LAG / 5);
        sealer.step();
        clock.pass(LAG / 5);
        sealer.step();
        assertThat(isCut()).isTrue();
    }

    @Test
    void inUnsafeWhoeverWritesOnceWaitsNoLongerThanElsewhere() throws IOException {
        beUnsafe();
        write(RUN_CHUNKS);
        assertThat(sealer.step()).isEqualTo(clock.nanoTime() + LAG);
        clock.pass(LAG);
        sealer.step();
        assertThat(isCut()).isTrue();
    }

    @Test
    void inUnsafeWhoeverWritesAllTheTimeDoesNotPutTheImageOffForEver() throws IOException {
        beUnsafe();
        long begin = clock.nanoTime();
        writeFor(10 * LAG);
        assertThat(isCut()).isTrue();
        assertThat(clock.nanoTime() - begin).isBetween(6 * LAG, 7 * LAG);
    }

    @Test
    void inUnsafeAFlushIsNotPutOff() throws IOException {
        beUnsafe();
        write(RUN_CHUNKS);
        assertThat(sealer.step()).isGreaterThan(clock.nanoTime());
        writeBehind.demandAll();
        sealer.step();
        assertThat(isCut()).isTrue();
    }

    @Test
    void onBatteryNothingIsPutOff() throws IOException {
        beUnsafe();
        writeFor(2 * LAG);
        assertThat(isCut()).isFalse();
        writeBehind.holdApplying(true);
        sealer.step();
        assertThat(isCut()).isTrue();
    }

    @Test
    void whoLeavesUnsafePutsNothingOff() throws IOException {
        beUnsafe();
        writeFor(2 * LAG);
        assertThat(isCut()).isFalse();
        writeBehind.carryLazily(false);
        sealer.step();
        assertThat(isCut()).isTrue();
    }

    @Test
    void anEpochIsCutAtHalfTheInterval() {
        write(RUN_CHUNKS);
        clock.pass(INTERVAL / 2 - 1);
        assertThat(sealer.step()).isEqualTo(clock.nanoTime() + 1);
        assertThat(isCut()).isFalse();
        clock.pass(1);
        sealer.step();
        assertThat(isCut()).isTrue();
    }

    @Test
    void aFlushThatAsksForNothingBringsACutForwardThatIsNearlyDue() {
        write(RUN_CHUNKS);
        clock.pass(INTERVAL / 2 * 74 / 100);
        writeBehind.flushed();
        sealer.step();
        assertThat(isCut()).as("too early").isFalse();
        clock.pass(INTERVAL / 2 / 100);
        writeBehind.flushed();
        sealer.step();
        assertThat(isCut()).isTrue();
    }

    @Test
    void withoutAPromiseInTimeAFlushThatAsksForNothingDoesNothing() {
        writeBehind.promiseInterval(ramback.clock.Clock.NEVER);
        write(RUN_CHUNKS);
        clock.pass(LAG - 1);
        writeBehind.flushed();
        sealer.step();
        assertThat(isCut()).isFalse();
    }

    @Test
    void aCaptureThatNobodyWaitsForRestsAfterEachMebibyte() {
        write(1024);
        clock.pass(INTERVAL / 2);
        for (int step = 1; step < 4; step++) {
            assertThat(sealer.step()).as("rests").isGreaterThan(clock.nanoTime());
            assertThat(versions.ring().usedBytes()).isEqualTo(step * (1L << 20));
            clock.pass(1_000_000);
        }
        sealer.step();
        clock.pass(1_000_000);
        sealer.step();
        assertThat(standing.captured).isEqualTo(standing.sealed);
        assertThat(standing.isPaced).isTrue();
    }

    @Test
    void aCaptureThatSomebodyWaitsForDoesNotRest() {
        write(1024);
        clock.pass(INTERVAL / 2);
        assertThat(sealer.step()).isGreaterThan(clock.nanoTime());
        writeBehind.demand(standing.sealed);
        while (standing.captured < standing.sealed) {
            assertThat(sealer.step()).isLessThanOrEqualTo(clock.nanoTime());
        }
    }

    @Test
    void aCaptureRestsForAQuarterOfTheEpochsAgeAtMost() {
        write(2048);
        clock.pass(INTERVAL / 2);
        assertThat(sealer.step()).isGreaterThan(clock.nanoTime());
        clock.pass(INTERVAL / 8);
        while (standing.captured < standing.sealed) {
            assertThat(sealer.step()).isLessThanOrEqualTo(clock.nanoTime());
        }
    }
}
