package ramback.model;

import java.util.List;

/** The applier: {@code WriteBehind.Applier}, {@code Runs}, {@code ApplyRound}; the one that ends its rounds, alone. */
final class Applier implements Process {

    private enum Step {
        IDLE,
        LOCK,
        COPY,
        UNLOCK,
        WRITE,
        SYNC,
        CLEAN,
        UNSTALE,
        UNCOUNT,
        CLEANED,
        COMMIT,
        END,
        WAKE
    }

    private static final Step[] STEPS = Step.values();
    private static final int WHO = World.CLIENT_COUNT_MAX + 3;
    private static final int WELL = 0;

    /** How a round goes on when everything has been written. */
    private final List<Step> endOrder;

    private final World world;
    private final Mutant mutant;

    private Step step = Step.IDLE;
    /** Stale chunks that have not been written in this round. */
    private int todo;
    /** Chunks written since the image was synced. */
    private int part;
    /** The first chunk of the part. */
    private int partFirst;
    /** Chunks being copied, then written. */
    private int run;

    private int zeroes;
    private int cursor;
    private int failed;
    private boolean synced;
    private int toClean;
    private int held;
    private final int[] bounce = new int[World.HALF_COUNT];

    Applier(World world) {
        this.world = world;
        this.mutant = world.mutant;
        this.endOrder = switch (mutant) {
            case H_CLEARED_BEFORE_SYNC -> List.of(Step.CLEAN, Step.SYNC, Step.COMMIT, Step.END, Step.WAKE);
            case WAKES_BEFORE_COMMIT -> List.of(Step.SYNC, Step.CLEAN, Step.WAKE, Step.COMMIT, Step.END);
            default -> List.of(Step.SYNC, Step.CLEAN, Step.COMMIT, Step.END, Step.WAKE);
        };
    }

    @Override
    public void layout(Bits bits) {
        step = bits.constant(step, STEPS);
        todo = bits.field(todo, World.CHUNK_COUNT);
        part = bits.field(part, World.CHUNK_COUNT);
        partFirst = bits.field(partFirst, World.CHUNK_COUNT);
        run = bits.field(run, World.CHUNK_COUNT);
        zeroes = bits.field(zeroes, World.CHUNK_COUNT);
        cursor = bits.field(cursor, 3);
        failed = bits.field(failed, World.CHUNK_COUNT);
        synced = bits.flag(synced);
        toClean = bits.field(toClean, World.CHUNK_COUNT);
        held = bits.field(held, World.CHUNK_COUNT);
        bits.fields(bounce, 3);
    }

    @Override
    public int choiceCount() {
        return world.scenario.failureCount() == 0 ? 1 : 2;
    }

    @Override
    public String describe(int choice) {
        return "applier: " + step + (choice == WELL ? "" : " fails");
    }

    /** Is about to wake those who wait. */
    boolean isWaking() {
        return endOrder.indexOf(step) >= 0 && endOrder.indexOf(step) <= endOrder.indexOf(Step.WAKE);
    }

    @Override
    public boolean act(int choice) {
        if (choice != WELL) {
            return fail();
        }
        return switch (step) {
            case IDLE -> begin();
            case LOCK -> lock();
            case COPY -> copy();
            case UNLOCK -> unlock();
            case WRITE -> write();
            case SYNC -> sync();
            case CLEAN -> clean();
            case UNSTALE -> unstale();
            case UNCOUNT -> uncount();
            case CLEANED -> cleaned();
            case COMMIT -> commit();
            case END -> end();
            case WAKE -> wake();
        };
    }

    private boolean go(Step next) {
        step = next;
        return true;
    }

    private boolean goOn(Step done) {
        if (done == Step.CLEAN && todo != 0) {
            // The end of a part, not of the round.
            partFirst = Integer.numberOfTrailingZeros(todo);
            synced = false;
            return go(Step.LOCK);
        }
        int next = endOrder.indexOf(done) + 1;
        return next == endOrder.size() ? reset() : enter(endOrder.get(next));
    }

    private boolean enter(Step next) {
        if (next == Step.CLEAN) {
            boolean isSafe = synced || mutant == Mutant.H_CLEARED_BEFORE_SYNC;
            // As in the code: whatever is stale in the words of the part, which reaches to the next word to be written.
            int from = mutant == Mutant.PART_CLEANS_THE_ROUND ? 0 : partFirst;
            int to = todo == 0 || mutant == Mutant.PART_CLEANS_THE_ROUND ? 0 : Integer.lowestOneBit(todo);
            int written = World.ALL_CHUNKS & -(1 << from) & (to - 1);
            part = 0;
            toClean = isSafe ? world.stale & written & ~(mutant == Mutant.FAILED_WRITE_CLEANED ? 0 : failed) : 0;
        }
        return go(next);
    }

    private boolean reset() {
        failed = 0;
        synced = false;
        return go(Step.IDLE);
    }

    /** The process is killed. */
    void kill() {
        todo = 0;
        part = 0;
        partFirst = 0;
        run = 0;
        zeroes = 0;
        cursor = 0;
        toClean = 0;
        held = 0;
        java.util.Arrays.fill(bounce, 0);
        reset();
    }

    // ------------------------------------------------------------------------------------------------------ write

    private boolean begin() {
        if (world.applying == 0) {
            return false;
        }
        todo = world.stale;
        partFirst = 0;
        return nextRun();
    }

    private boolean nextRun() {
        boolean isPartOver = part != 0 && world.scenario.hasParts();
        return (todo == 0 || isPartOver) ? enter(endOrder.getFirst()) : go(Step.LOCK);
    }

    /** Neighbours in one word are locked and copied together. */
    private boolean lock() {
        int next = world.scenario.firstWord(todo);
        if (mutant != Mutant.APPLY_WITHOUT_LOCK && !world.tryLock(next, WHO)) {
            return false;
        }
        run = next;
        zeroes = world.zero & run;
        int data = run & ~zeroes;
        if (data == 0) {
            return go(Step.UNLOCK);
        }
        cursor = 2 * Integer.numberOfTrailingZeros(data);
        if ((world.changing & data) != 0) {
            world.accuse("COPY: half of a write is copied for the image");
        }
        world.copying = data;
        return go(Step.COPY);
    }

    private boolean copy() {
        bounce[cursor] = world.touch(cursor);
        do {
            cursor++;
        } while (cursor < World.HALF_COUNT && !World.has(run & ~zeroes, cursor / 2));
        if (cursor < World.HALF_COUNT) {
            return true;
        }
        world.copying = 0;
        cursor = 0;
        return go(Step.UNLOCK);
    }

    private boolean unlock() {
        if (mutant != Mutant.APPLY_WITHOUT_LOCK) {
            world.unlock(run);
        }
        return go(Step.WRITE);
    }

    /** Writes a chunk. That a loss of power may leave half of it is in what survives. */
    private boolean write() {
        int chunk = Integer.numberOfTrailingZeros(run);
        writeHalf(2 * chunk);
        writeHalf(2 * chunk + 1);
        return written(chunk);
    }

    private void writeHalf(int half) {
        world.writeImage(half, World.has(zeroes, half / 2) ? World.ZEROES : bounce[half]);
        bounce[half] = 0;
    }

    private boolean written(int chunk) {
        todo &= ~(1 << chunk);
        part |= 1 << chunk;
        run &= ~(1 << chunk);
        zeroes &= run;
        return run != 0 || nextRun();
    }

    /** A write that fails half way, or a sync that fails. */
    private boolean fail() {
        boolean canFail = step == Step.WRITE || step == Step.SYNC;
        if (!canFail || world.failuresLeft == 0) {
            return false;
        }
        world.failuresLeft--;
        if (step == Step.SYNC) {
            world.failSync();
            synced = mutant == Mutant.SYNC_FAILURE_IGNORED;
            failed |= synced || mutant == Mutant.PART_FAILURE_FORGOTTEN ? 0 : part;
            return goOn(Step.SYNC);
        }
        int chunk = Integer.numberOfTrailingZeros(run);
        writeHalf(2 * chunk);
        bounce[2 * chunk + 1] = 0;
        failed |= 1 << chunk;
        return written(chunk);
    }

    // -------------------------------------------------------------------------------------------------------- end

    private boolean sync() {
        world.syncImage();
        synced = true;
        return goOn(Step.SYNC);
    }

    /** {@code ChunkStore.cleanWord}, word after word. */
    private boolean clean() {
        if (toClean == 0) {
            goOn(Step.CLEAN);
            return act(WELL);
        }
        int word = world.scenario.firstWord(toClean);
        held = mutant == Mutant.H_CLEARED_WITHOUT_LOCK ? word : world.tryLockSome(word, WHO);
        return held != 0 && go(Step.UNSTALE);
    }

    private boolean unstale() {
        world.stale &= ~held;
        return go(Step.UNCOUNT);
    }

    private boolean uncount() {
        int clean = held & ~(world.dirty[0] | world.dirty[1]);
        world.dirtyAll -= Integer.bitCount(clean);
        world.dirtyData -= Integer.bitCount(clean & ~world.zero);
        return go(Step.CLEANED);
    }

    private boolean cleaned() {
        if (mutant != Mutant.H_CLEARED_WITHOUT_LOCK) {
            world.unlock(held);
        }
        toClean &= ~held;
        held = 0;
        return go(Step.CLEAN);
    }

    private boolean commit() {
        boolean isWhole = synced && (failed == 0 || mutant == Mutant.COMMITS_DESPITE_FAILURE);
        if (isWhole) {
            world.committed = world.applying;
        } else if (mutant != Mutant.FAILURE_NOT_RETRIED) {
            world.retry = true;
        }
        return goOn(Step.COMMIT);
    }

    private boolean end() {
        world.applying = 0;
        return goOn(Step.END);
    }

    private boolean wake() {
        world.wakeSessions();
        return goOn(Step.WAKE);
    }
}
