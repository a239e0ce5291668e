package ramback.model;

import java.util.ArrayList;
import java.util.List;
import ramback.model.Request.Kind;

/** Stores a run of chunks, or makes them zeroes: {@code ChunkStore.store} and {@code zeroRun}, by one client. */
final class Store {

    private enum Step {
        IDLE,
        HOLD_MEMORY,
        TAKE_MEMORY,
        TAKEN_MEMORY,
        ENTER,
        LOCK,
        EPOCH,
        CAPTURE,
        CAPTURED,
        SLOT,
        MARK,
        COUNT,
        FILL,
        COPY,
        LOADED,
        DATA,
        ZERO,
        CANDIDATE,
        FREE_SLOT,
        UNLOCK,
        LEAVE,
        // Only mutants come here.
        SLOT_EARLY,
        SLOT_FIELDS,
        FREE_SLOT_LATE,
        COUNT_LATE,
        CANDIDATE_LATE
    }

    private static final Step[] STEPS = Step.values();

    /** The order in which a run of data is stored once it is locked and captured. It is the protocol. */
    private final List<Step> dataOrder;

    /** The same for zeroes. */
    private final List<Step> zeroOrder;

    private final World world;
    private final Mutant mutant;
    private final Sealer sealer;
    private final int index;
    private final int who;

    // What is stored: the request under way, so no part of the state.
    private Request request = Request.flush();
    private int id;

    private Step step = Step.IDLE;
    /** Chunks being stored. */
    private int run;
    /** The word, the chunk or the half that a step has come to. */
    private int cursor;
    /** The open epoch as it was read; 0 when it has not been. */
    private int epoch;
    /** Chunks that were not dirty before, to be counted, and those that were not in this epoch. */
    private int counted;

    private int newly;

    Store(World world, Sealer sealer, int index) {
        this.world = world;
        this.mutant = world.mutant;
        this.sealer = sealer;
        this.index = index;
        this.who = 1 + index;
        this.dataOrder = dataOrder(mutant);
        this.zeroOrder = mutant == Mutant.Z_BEFORE_DIRTY
                ? List.of(Step.ZERO, Step.MARK, Step.COUNT, Step.LOADED, Step.CANDIDATE, Step.UNLOCK)
                : List.of(Step.MARK, Step.COUNT, Step.ZERO, Step.LOADED, Step.CANDIDATE, Step.UNLOCK);
    }

    private static List<Step> dataOrder(Mutant mutant) {
        List<Step> order = new ArrayList<>(List.of(
                Step.SLOT,
                Step.MARK,
                Step.COUNT,
                Step.FILL,
                Step.COPY,
                Step.LOADED,
                Step.DATA,
                Step.FREE_SLOT,
                Step.UNLOCK));
        switch (mutant) {
            case BYTES_BEFORE_DIRTY -> move(order, Step.LOADED, Step.MARK, Step.COUNT);
            case V_BEFORE_COPY -> move(order, Step.FILL, Step.LOADED);
            case Z_CLEARED_BEFORE_COPY -> move(order, Step.FILL, Step.DATA);
            case SLOT_SET_AFTER_COPY -> move(order, Step.LOADED, Step.SLOT);
            case SLOT_FREED_BEFORE_COPY -> move(order, Step.COPY, Step.FREE_SLOT);
            case SLOT_SET_AFTER_DIRTY -> move(order, Step.FILL, Step.SLOT);
            case SLOT_FREED_BEFORE_PUBLISHED -> move(order, Step.LOADED, Step.FREE_SLOT);
            case SLOT_SET_BEFORE_LOCK -> order.remove(Step.SLOT);
            case SLOT_FREED_AFTER_UNLOCK -> order.remove(Step.FREE_SLOT);
            default -> {}
        }
        return List.copyOf(order);
    }

    /** Puts steps before another one. */
    private static void move(List<Step> order, Step before, Step... moved) {
        order.removeAll(List.of(moved));
        order.addAll(order.indexOf(before), List.of(moved));
    }

    void layout(Bits bits) {
        step = bits.constant(step, STEPS);
        run = bits.field(run, World.CHUNK_COUNT);
        cursor = bits.field(cursor, 3);
        epoch = bits.field(epoch, 4);
        counted = bits.field(counted, World.CHUNK_COUNT);
        newly = bits.field(newly, World.CHUNK_COUNT);
    }

    @Override
    public String toString() {
        return step.toString();
    }

    /** Whether what a request stores is data in memory: bytes, or zeroes byte by byte in part of a chunk. */
    static boolean isData(Request request) {
        return request.kind() == Kind.WRITE || request.wholeChunks() == 0;
    }

    private boolean isData() {
        return isData(request);
    }

    /** Room that is reserved and not yet used, in chunks. */
    int reservedCount(Request underWay) {
        return switch (step) {
            case HOLD_MEMORY, TAKE_MEMORY, TAKEN_MEMORY, ENTER, SLOT_EARLY, LOCK, EPOCH, CAPTURE, CAPTURED, LEAVE ->
                isData(underWay) && (step != Step.LEAVE || epoch == 0) ? Integer.bitCount(run) : 0;
            default -> 0;
        };
    }

    /** Begins to store chunks; room for them is reserved. */
    void begin(Request newRequest, int newId, int chunks) {
        request = newRequest;
        id = newId;
        run = chunks;
        if (mutant == Mutant.EPOCH_READ_BEFORE_ENTER) {
            epoch = world.open;
        }
        go(isData() && world.scenario.isSparse() ? Step.HOLD_MEMORY : Step.ENTER);
    }

    /** The process is killed. */
    void kill() {
        run = 0;
        epoch = 0;
        counted = 0;
        newly = 0;
        go(Step.IDLE);
    }

    boolean isOver() {
        return step == Step.IDLE;
    }

    /** When it is over: the chunks that were stored. */
    int takeRun() {
        int stored = run;
        run = 0;
        return stored;
    }

    /** When it is over: the epoch they belong to. */
    int takeEpoch() {
        int stored = epoch;
        epoch = 0;
        return stored;
    }

    /** The next step of storing what a request writes; false when it can't be made now. */
    boolean act(Request underWay, int underWayId) {
        request = underWay;
        id = underWayId;
        return act();
    }

    private boolean act() {
        return switch (step) {
            case IDLE -> throw new IllegalStateException();
            case HOLD_MEMORY -> go(world.granuleTaken ? Step.ENTER : Step.TAKE_MEMORY);
            case TAKE_MEMORY -> takeMemory();
            case TAKEN_MEMORY -> takenMemory();
            case ENTER -> enter();
            case LOCK -> lock();
            case EPOCH -> readEpoch();
            case CAPTURE -> capture();
            case CAPTURED -> captured();
            case SLOT -> makeSlotValid();
            case MARK -> mark();
            case COUNT -> count();
            case FILL -> fill();
            case COPY -> copy();
            case LOADED -> publishLoaded();
            case DATA -> publishData();
            case ZERO -> markZero();
            case CANDIDATE -> noteCandidate();
            case FREE_SLOT -> freeSlot();
            case UNLOCK -> unlock();
            case LEAVE -> leave();
            case SLOT_EARLY -> makeSlotValidEarly();
            case SLOT_FIELDS -> fillSlot();
            case FREE_SLOT_LATE -> freeSlotLate();
            case COUNT_LATE -> countLate();
            case CANDIDATE_LATE -> noteCandidateLate();
        };
    }

    private boolean go(Step next) {
        step = next;
        cursor = 0;
        return true;
    }

    private boolean goOn(Step done) {
        List<Step> order = isData() ? dataOrder : zeroOrder;
        return go(order.get(order.indexOf(done) + 1));
    }

    /** The chunks of the run in the word the cursor is at; steps that change words of planes change one at a time. */
    private int word() {
        return world.scenario.isSplit() ? run & 1 << cursor : run;
    }

    /** Moves on to the run's next word; false if this was the last one. */
    private boolean nextWord() {
        boolean isThere = world.scenario.isSplit() && (run >>> (cursor + 1)) != 0;
        cursor += isThere ? 1 : 0;
        return isThere;
    }

    private boolean takeMemory() {
        if (world.granuleBusy) {
            return false;
        }
        if (world.granuleTaken) {
            return go(Step.ENTER);
        }
        world.granuleBusy = true;
        world.granuleThere = true;
        return go(Step.TAKEN_MEMORY);
    }

    private boolean takenMemory() {
        world.granuleTaken = true;
        world.granuleBusy = false;
        return go(Step.ENTER);
    }

    private boolean enter() {
        world.inside |= 1 << index;
        if (mutant == Mutant.EPOCH_READ_BEFORE_LOCK) {
            epoch = world.open;
        }
        return go(mutant == Mutant.SLOT_SET_BEFORE_LOCK && isData() ? Step.SLOT_EARLY : Step.LOCK);
    }

    private boolean lock() {
        if (word() == 0) {
            cursor++;
        }
        if (!world.tryLock(word(), who)) {
            return false;
        }
        return nextWord() || go(Step.EPOCH);
    }

    private boolean readEpoch() {
        if (isData() && !world.granuleTaken && mutant != Mutant.MEMORY_NOT_CHECKED_AGAIN) {
            epoch = 0;
            world.unlock(run);
            return go(Step.LEAVE);
        }
        if (mutant != Mutant.EPOCH_READ_BEFORE_LOCK && mutant != Mutant.EPOCH_READ_BEFORE_ENTER) {
            epoch = world.open;
        }
        return go(Step.CAPTURE);
    }

    /** The sealed epoch's version of a chunk is captured before it is changed. */
    private boolean capture() {
        int sealed = world.dirty[~epoch & 1] & run;
        if (sealed == 0) {
            go((isData() ? dataOrder : zeroOrder).getFirst());
            return act();
        }
        cursor = Integer.numberOfTrailingZeros(sealed);
        if (mutant == Mutant.CLEAR_DIRTY_BEFORE_STALE) {
            world.dirty[~epoch & 1] &= ~(1 << cursor);
        } else {
            world.stale |= 1 << cursor;
        }
        step = Step.CAPTURED;
        return true;
    }

    private boolean captured() {
        world.dirty[~epoch & 1] &= ~(1 << cursor);
        world.stale |= 1 << cursor;
        world.noteCaptured(cursor, epoch - 1);
        return go(Step.CAPTURE);
    }

    /** What a next process would do again, once bytes have begun to change. */
    private boolean makeSlotValid() {
        if (!world.scenario.hasKill()) {
            goOn(Step.SLOT);
            return act();
        }
        if (mutant == Mutant.SLOT_VALID_BEFORE_ITS_FIELDS) {
            world.slotsValid |= 1 << index;
            return go(Step.SLOT_FIELDS);
        }
        world.makeSlotValid(index, id, run);
        return goOn(Step.SLOT);
    }

    private boolean fillSlot() {
        world.makeSlotValid(index, id, run);
        return goOn(Step.SLOT);
    }

    private boolean makeSlotValidEarly() {
        world.makeSlotValid(index, id, run);
        return go(Step.LOCK);
    }

    private boolean mark() {
        if (word() == 0) {
            return nextWord() && mark();
        }
        int before = world.dirtyChunks();
        counted = word() & ~before;
        newly = word() & ~world.dirty[epoch & 1];
        world.dirty[epoch & 1] |= word();
        for (int chunk = 0; chunk < World.CHUNK_COUNT; chunk++) {
            world.markEpoch[chunk] = World.has(newly, chunk) ? epoch : world.markEpoch[chunk];
        }
        step = Step.COUNT;
        return true;
    }

    private boolean count() {
        // Room for data is reserved already, and given back for what counted before.
        int refunded = word() & ~counted & ~world.zero;
        world.dirtyData -= Integer.bitCount(refunded);
        if (mutant != Mutant.DIRTY_COUNT_AFTER_UNLOCK) {
            world.dirtyAll += Integer.bitCount(counted);
            counted = 0;
        }
        if (newly != 0) {
            world.noteDirty(epoch);
            newly = 0;
        }
        if (nextWord()) {
            step = Step.MARK;
            return true;
        }
        return goOn(Step.COUNT);
    }

    /** Marked zeroes around a part become real ones. */
    private boolean fill() {
        int filled = run & world.zero & ~request.wholeChunks();
        if (filled == 0 || mutant == Mutant.ZEROES_NOT_FILLED) {
            goOn(Step.FILL);
            return act();
        }
        for (int half = 0; half < World.HALF_COUNT; half++) {
            if (World.has(filled, half / 2)) {
                world.change(half, World.ZEROES);
            }
        }
        return goOn(Step.FILL);
    }

    private boolean copy() {
        int halves = request.halves() & Request.halvesOf(run) & -1 << cursor;
        int half = Integer.numberOfTrailingZeros(halves);
        world.change(half, world.ledger.valueOf(id));
        cursor = half + 1;
        world.changing |= run;
        if ((halves & -1 << cursor) != 0) {
            return true;
        }
        world.changing &= ~run;
        return goOn(Step.COPY);
    }

    private boolean publishLoaded() {
        int missing = word() & ~world.loaded;
        world.loaded |= missing;
        boolean isMore = nextWord();
        if (!isMore) {
            goOn(Step.LOADED);
        }
        return missing != 0 || act();
    }

    private boolean publishData() {
        int marked = word() & world.zero;
        world.zero &= ~marked;
        boolean isMore = nextWord();
        if (!isMore) {
            goOn(Step.DATA);
        }
        return marked != 0 || act();
    }

    private boolean markZero() {
        world.zero |= run;
        return goOn(Step.ZERO);
    }

    /** Noted under the lock, so that whoever gives memory back and holds the locks knows of every zeroing. */
    private boolean noteCandidate() {
        goOn(Step.CANDIDATE);
        if (!world.scenario.isSparse() || mutant == Mutant.CANDIDATE_NOTED_AFTER_UNLOCK) {
            return act();
        }
        world.candidate = true;
        return true;
    }

    private boolean freeSlot() {
        goOn(Step.FREE_SLOT);
        if (!World.has(world.slotsValid, index)) {
            return act();
        }
        world.freeSlot(index);
        return true;
    }

    private boolean freeSlotLate() {
        world.freeSlot(index);
        return go(Step.IDLE);
    }

    private boolean unlock() {
        // The highest word first.
        int word = world.scenario.isSplit() ? Integer.highestOneBit(run) : run;
        if (cursor == 0 || word == run) {
            world.unlock(word);
            cursor = 1;
            return word != run || go(Step.LEAVE);
        }
        world.unlock(run & ~word);
        return go(Step.LEAVE);
    }

    private boolean leave() {
        world.inside &= ~(1 << index);
        sealer.noteLeft(index);
        if (epoch == 0) {
            // The memory was given back: taken again, and everything once more.
            return go(Step.HOLD_MEMORY);
        }
        if (mutant == Mutant.SLOT_FREED_AFTER_UNLOCK && isData()) {
            return go(Step.FREE_SLOT_LATE);
        }
        if (counted != 0) {
            return go(Step.COUNT_LATE);
        }
        boolean isLate = !isData() && world.scenario.isSparse() && mutant == Mutant.CANDIDATE_NOTED_AFTER_UNLOCK;
        return go(isLate ? Step.CANDIDATE_LATE : Step.IDLE);
    }

    private boolean countLate() {
        world.dirtyAll += Integer.bitCount(counted);
        counted = 0;
        return go(Step.IDLE);
    }

    private boolean noteCandidateLate() {
        world.candidate = true;
        return go(Step.IDLE);
    }
}
