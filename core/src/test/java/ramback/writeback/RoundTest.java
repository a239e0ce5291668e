package ramback.writeback;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.time.Instant;
import java.util.List;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import ramback.backing.BackingIoException.Operation;
import ramback.backing.MemoryBacking;
import ramback.clock.Agent;
import ramback.clock.Clock;
import ramback.clock.Signal;
import ramback.image.ChunkStore;
import ramback.image.DirtyCount;
import ramback.image.Epochs;
import ramback.image.Worker;
import ramback.memory.TemporarySegment;
import ramback.trace.Trace;

/** Rounds of applying beside captures, agent by agent, in the order a test wants. */
class RoundTest {
    private static final int CHUNK = 4096;
    private static final int SIZE = 1024 * CHUNK;
    private static final long NEVER_LAG = 1L << 60;

    private final TemporarySegment segment = new TemporarySegment(SIZE, CHUNK, 1, false);
    private final MemoryBacking backing = new MemoryBacking(SIZE);
    private final MemoryLog log = new MemoryLog(CHUNK, 4 << 20);
    private final Signal signal = new Signal(Clock.SYSTEM);
    private final Epochs epochs = new Epochs(1, Clock.SYSTEM, signal::raise);
    private final DirtyCount dirty = new DirtyCount();
    private final Trace trace = new Trace(Clock.SYSTEM);
    private final Versions versions = new Versions(Clock.SYSTEM, CHUNK, 64 * CHUNK);
    private final ChunkStore store = new ChunkStore(segment.segment(), epochs, versions, dirty, trace);
    private Runnable whileWaiting = () -> {};
    private int waitCount;
    /** The system's, but whoever waits for another thread runs what a test wants instead. */
    private final Clock clock = new Clock() {
        @Override
        public long nanoTime() {
            return Clock.SYSTEM.nanoTime();
        }

        @Override
        public Instant now() {
            return Clock.SYSTEM.now();
        }

        @Override
        public void park(Object blocker, long deadlineNanos) {
            waitCount++;
            assertThat(waitCount).as("waits").isLessThan(10_000);
            whileWaiting.run();
        }
    };

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
            NEVER_LAG,
            SIZE,
            () -> {},
            signal));
    private final Worker worker = new Worker(0);
    private final List<Agent> agents = writeBehind.agents();

    RoundTest() throws IOException {}

    @AfterEach
    void close() {
        writeBehind.stop();
        segment.close();
    }

    private Agent agent(String name) {
        return agents.stream()
                .filter(agent -> agent.name().equals(name))
                .findFirst()
                .orElseThrow();
    }

    private void step(String name) {
        agent(name).step();
    }

    private void stepUntil(BooleanSupplier condition, String... names) {
        for (int i = 0; !condition.getAsBoolean(); i++) {
            assertThat(i).as("steps").isLessThan(10_000);
            for (String name : names) {
                step(name);
            }
        }
    }

    private void zero(long chunk) {
        store.zeroRun(worker, chunk, chunk);
    }

    /** Commits what is in the open epoch. */
    private void commit() {
        long open = epochs.open();
        writeBehind.demand(open);
        stepUntil(() -> writeBehind.standing.committed == open, "sealer", "journal");
    }

    private boolean isNewer(long chunk) {
        return (store.table().newer(chunk >>> 6) >>> chunk & 1) != 0;
    }

    @Test
    void aSecondBoundaryIsNotDeclaredInTheMiddleOfARound() {
        zero(5);
        commit();
        writeBehind.standing.boundaryWanted = true;
        step("sealer");
        long boundary = writeBehind.standing.boundary;
        assertThat(boundary).isEqualTo(writeBehind.standing.committed);
        zero(5);
        commit();
        assertThat(isNewer(5)).isTrue();
        // An applier that looked before the boundary was declared asks once more.
        writeBehind.standing.boundaryWanted = true;
        step("sealer");
        assertThat(isNewer(5)).isTrue();
        assertThat(writeBehind.standing.boundary).isEqualTo(boundary);
    }

    @Test
    void aRoundThatIsGivenUpRetiresNothingWhateverComesNext() {
        for (long word = 0; word < 16; word++) {
            zero(word << 6);
        }
        commit();
        writeBehind.standing.drainTo.set(writeBehind.standing.committed);
        stepUntil(() -> writeBehind.standing.applying >= 0, "applier-0", "sealer", "journal");
        // A mode switch wants rest when the first part ends, and gives up because the journal fails.
        writeBehind.standing.pauseWanted = true;
        stepUntil(() -> writeBehind.standing.applying < 0, "applier-0");
        writeBehind.standing.pauseWanted = false;
        assertThat(writeBehind.standing.retireReady).isEqualTo(-1);
        stepUntil(
                () -> writeBehind.standing.imaged == writeBehind.standing.committed, "applier-0", "sealer", "journal");
        assertThat(log.epochCount()).isZero();
        assertThat(dirty.chunkCount()).isZero();
        assertThat(backing.calls(Operation.SYNC)).isNotEmpty();
    }

    @Test
    void anAnswerToOnePauseIsNotTakenForOneToTheNext() throws Exception {
        whileWaiting = () -> List.of("sealer", "applier-0").forEach(this::step);
        for (int pause = 1; pause <= 3; pause++) {
            waitCount = 0;
            writeBehind.rest();
            // Between the pauses nobody was stepped: what the sealer said of the last one still stands there.
            assertThat(waitCount).as("waits in pause %d", pause).isPositive();
            writeBehind.goOn();
        }
    }

    @Test
    void aPauseWaitsUntilTheApplierHasSeenIt() throws Exception {
        // It may have looked before, and be about to begin a round.
        whileWaiting = () -> step(waitCount <= 5 ? "sealer" : "applier-0");
        writeBehind.rest();
        assertThat(waitCount).isGreaterThan(5);
    }

    @Test
    void whatIsLeftOutIsRetiredOnlyWhenItsNewerVersionIsCommitted() {
        zero(5);
        commit();
        writeBehind.standing.drainTo.set(writeBehind.standing.committed);
        stepUntil(() -> writeBehind.standing.applying >= 0, "applier-0", "sealer", "journal");
        zero(5);
        stepUntil(() -> writeBehind.standing.retireReady >= 0, "applier-0");
        for (int i = 0; i < 100; i++) {
            step("applier-0");
            step("journal");
        }
        assertThat(log.epochCount()).isEqualTo(1);
        // Somebody waits for the image, so the newer version is asked for, and then all goes on.
        stepUntil(() -> dirty.chunkCount() == 0 || log.tail() > 0, "sealer", "journal", "applier-0");
        assertThat(log.tail()).isNotEqualTo(0);
    }
}
