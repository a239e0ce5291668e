package ramback.model.journal;

import java.util.List;
import ramback.device.Mode;
import ramback.model.Bits;
import ramback.model.Process;
import ramback.model.journal.Request.Kind;

/**
 * One client: its requests one after the other, as {@code ImageSession}, {@code ChunkStore.store} and {@code zeroRun} and
 * {@code Deferrals} carry them out. A request is issued when it is admitted.
 */
final class Writer implements Process {

    private enum Step {
        BEGIN,
        LOCK,
        EPOCH,
        CAPTURE,
        STALE,
        CLEAR,
        MARK,
        COPY,
        COPIED,
        UNLOCK,
        LEAVE,
        // The ring is full: let go of everything, wait, begin again.
        BACK_UNLOCK,
        BACK_LEAVE,
        BACK_WAIT,
        // Deferrals: wait for a commit.
        WAIT
    }

    private static final Step[] STEPS = Step.values();

    private final World world;
    private final Mutant mutant;
    private final int index;
    private final int who;
    private final List<Request> script;
    private final int[] ids;

    private int at;
    private Step step = Step.BEGIN;
    /** The chunk that a step has come to. */
    private int cursor;
    /** The open epoch as it was read, or the one that is waited for. */
    private int epoch;
    /** For a flush: the writes acknowledged before it; the observer's. */
    private int covered;

    Writer(World world, int index) {
        this.world = world;
        this.mutant = world.mutant;
        this.index = index;
        this.who = 1 + index;
        this.script = world.scenario.scripts().get(index);
        this.ids = new int[script.size()];
        int id = world.scenario.firstId(index);
        for (int i = 0; i < ids.length; i++) {
            ids[i] = script.get(i).isStore() ? id++ : 0;
        }
    }

    @Override
    public void layout(Bits bits) {
        at = bits.field(at, 3);
        step = STEPS[bits.field(step.ordinal(), 4)];
        cursor = bits.field(cursor, 2);
        epoch = bits.field(epoch, 4);
        covered = bits.field(covered, Ledger.ID_MAX + 1);
    }

    @Override
    public int choiceCount() {
        return 1;
    }

    @Override
    public String describe(int choice) {
        return "client " + index + ": " + (isDone() ? "done" : request() + ", " + step);
    }

    boolean isDone() {
        return at == script.size();
    }

    private Request request() {
        return script.get(at);
    }

    private int run() {
        return request().chunks();
    }

    /** Room in the journal that is reserved and not yet counted as dirty. */
    int reservedCount() {
        return switch (step) {
            case LOCK, EPOCH, CAPTURE, STALE, CLEAR, MARK, BACK_UNLOCK, BACK_LEAVE, BACK_WAIT ->
                Integer.bitCount(run());
            default -> 0;
        };
    }

    @Override
    public boolean act(int choice) {
        if (isDone()) {
            return false;
        }
        return switch (step) {
            case BEGIN -> begin();
            case LOCK -> lock();
            case EPOCH -> readEpoch();
            case CAPTURE -> capture();
            case STALE -> markStale();
            case CLEAR -> clearDirty();
            case MARK -> mark();
            case COPY -> copy();
            case COPIED -> copied();
            case UNLOCK -> unlock(Step.LEAVE);
            case LEAVE -> leave();
            case BACK_UNLOCK -> unlock(Step.BACK_LEAVE);
            case BACK_LEAVE -> leaveAndWait();
            case BACK_WAIT -> world.hasRoom(false) && enter();
            case WAIT -> await();
        };
    }

    private boolean go(Step next) {
        step = next;
        return true;
    }

    // ------------------------------------------------------------------------------------------------------ issue

    private boolean begin() {
        if (request().kind() == Kind.FLUSH) {
            return beginFlush();
        }
        boolean isBounded = world.keepsVersions || world.wantsVersions;
        int units = world.unitsSpoken() + Integer.bitCount(run()) + world.unitsOfRun();
        if (isBounded && mutant != Mutant.SPACE_NOT_RESERVED && units > world.scenario.journalUnits()) {
            return false;
        }
        world.ledger.issue(ids[at]);
        return enter();
    }

    private boolean enter() {
        world.inside |= 1 << index;
        epoch = mutant == Mutant.EPOCH_READ_BEFORE_LOCK ? world.open : 0;
        cursor = 0;
        return go(Step.LOCK);
    }

    // ------------------------------------------------------------------------------------------------------ store

    /** In ascending order. */
    private boolean lock() {
        int rest = run() & ~held();
        boolean isDescending = mutant == Mutant.LOCKS_IN_ANY_ORDER && index == 1;
        int next = isDescending ? Integer.highestOneBit(rest) : Integer.lowestOneBit(rest);
        int chunk = Integer.numberOfTrailingZeros(next);
        if (!world.isFree(chunk)) {
            return false;
        }
        world.holder[chunk] = who;
        return rest != next || go(Step.EPOCH);
    }

    private int held() {
        return world.heldBy(who);
    }

    /** Waits for something slow and holds what others wait for. */
    boolean waitsWithLocks() {
        return step == Step.BACK_WAIT && (held() != 0 || World.has(world.inside, index));
    }

    /**
     * The process is killed: what was under way is never answered. A write that had begun to change bytes is in its redo slot,
     * and the attach does it again.
     *
     * @return the write to be done again, or 0
     */
    int kill() {
        boolean isBegun = !isDone() && (step == Step.COPY || step == Step.COPIED);
        boolean isIdle = isDone() || step == Step.BEGIN;
        int redo = isBegun ? ids[at] : 0;
        at += isIdle ? 0 : 1;
        epoch = 0;
        cursor = 0;
        covered = 0;
        step = Step.BEGIN;
        return redo;
    }

    /** The chunks of one of this client's writes. */
    int chunksOf(int id) {
        for (int i = 0; i < ids.length; i++) {
            if (ids[i] == id) {
                return script.get(i).chunks();
            }
        }
        throw new IllegalArgumentException("not a write of this client: " + id);
    }

    private boolean readEpoch() {
        if (epoch == 0) {
            epoch = world.open;
        }
        return go(Step.CAPTURE);
    }

    private int sealedParity() {
        return ~epoch & 1;
    }

    /** Copy-on-write: the sealed epoch's version goes to the ring before it is overwritten. */
    private boolean capture() {
        int sealed = mutant == Mutant.NO_COPY_ON_WRITE ? 0 : world.dirty[sealedParity()] & run();
        if (sealed == 0) {
            cursor = 0;
            return mutant == Mutant.BYTES_BEFORE_DIRTY ? go(Step.COPY) : mark();
        }
        if (!world.hasRoom(false)) {
            return go(mutant == Mutant.WAITS_WITH_LOCKS ? Step.BACK_WAIT : Step.BACK_UNLOCK);
        }
        cursor = Integer.numberOfTrailingZeros(sealed);
        world.capture(cursor, epoch - 1, world.content(cursor));
        return go(mutant == Mutant.DIRTY_CLEARED_BEFORE_STALE ? Step.CLEAR : Step.STALE);
    }

    private boolean markStale() {
        world.stale |= 1 << cursor;
        if (mutant != Mutant.WRITER_LEAVES_N) {
            world.newer |= 1 << cursor;
        }
        return go(mutant == Mutant.DIRTY_CLEARED_BEFORE_STALE ? Step.CAPTURE : Step.CLEAR);
    }

    private boolean clearDirty() {
        world.dirty[sealedParity()] &= ~(1 << cursor);
        return go(mutant == Mutant.DIRTY_CLEARED_BEFORE_STALE ? Step.STALE : Step.CAPTURE);
    }

    private boolean mark() {
        world.dirty[epoch & 1] |= run();
        return go(mutant == Mutant.BYTES_BEFORE_DIRTY ? Step.UNLOCK : Step.COPY);
    }

    private boolean copy() {
        if (request().kind() == Kind.ZERO) {
            return copied();
        }
        for (int chunk = 0; chunk < World.CHUNK_COUNT; chunk++) {
            world.memory[chunk] = World.has(run(), chunk) ? World.TORN : world.memory[chunk];
        }
        return go(Step.COPIED);
    }

    private boolean copied() {
        int value = world.ledger.valueOf(ids[at]);
        if (request().kind() == Kind.ZERO) {
            world.zero |= run();
        } else {
            for (int chunk = 0; chunk < World.CHUNK_COUNT; chunk++) {
                world.memory[chunk] = World.has(run(), chunk) ? value : world.memory[chunk];
            }
            world.zero &= ~run();
        }
        world.ledger.store(ids[at], run(), epoch, world.open, world.committed);
        return go(mutant == Mutant.BYTES_BEFORE_DIRTY ? Step.MARK : Step.UNLOCK);
    }

    private boolean unlock(Step next) {
        world.unlockAll(who);
        return go(next);
    }

    private boolean leave() {
        world.inside &= ~(1 << index);
        return end();
    }

    private boolean leaveAndWait() {
        world.inside &= ~(1 << index);
        epoch = 0;
        return go(Step.BACK_WAIT);
    }

    // ---------------------------------------------------------------------------------------------------- promise

    private boolean end() {
        boolean waits = promisesToWait();
        if (!waits || world.committed >= epoch) {
            return acknowledge(waits);
        }
        world.demanded = Math.max(world.demanded, epoch);
        return go(Step.WAIT);
    }

    private boolean promisesToWait() {
        boolean isForced = request().kind() == Kind.FLUSH || request().forced();
        return isForced ? world.promising.flushesWait() : world.promising.writesWait();
    }

    /** All that was acknowledged is in the open epoch or before it; in the one before if nothing is in the open one. */
    private boolean beginFlush() {
        covered = world.ledger.acknowledged;
        boolean isEmpty = world.dirty[world.open & 1] == 0;
        epoch = isEmpty || mutant == Mutant.FLUSH_WAITS_PREVIOUS_EPOCH_ONLY ? world.open - 1 : world.open;
        return end();
    }

    private boolean await() {
        boolean waits = promisesToWait();
        boolean isThere = mutant == Mutant.FLUSH_AT_SEAL ? world.open > epoch : world.committed >= epoch;
        return (isThere || !waits) && acknowledge(waits);
    }

    /** A promise counts when it is the mode of which status speaks. */
    private boolean acknowledge(boolean waited) {
        boolean isPromise = waited && world.reported != Mode.UNSAFE;
        if (request().kind() == Kind.FLUSH) {
            world.ledger.promise(isPromise ? covered : 0);
        } else {
            world.ledger.acknowledge(ids[at]);
            world.ledger.promise(isPromise ? 1 << ids[at] : 0);
        }
        at++;
        epoch = 0;
        covered = 0;
        return go(Step.BEGIN);
    }
}
