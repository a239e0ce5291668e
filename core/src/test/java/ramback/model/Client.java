package ramback.model;

import java.util.List;
import ramback.device.Mode;
import ramback.model.Request.Kind;

/**
 * One client: its requests one after the other, each as {@code ImageSession}, {@code Deferrals} and {@code ChunkStore}
 * carry it out. What happens within one step nobody can come between; a request is issued with its first step.
 */
final class Client implements Process {

    private enum Step {
        BEGIN,
        // A run of chunks is stored: ChunkStore.tryStore, tryZero.
        PIECE,
        HOLD_MEMORY,
        TAKE_MEMORY,
        TAKEN_MEMORY,
        ENTER,
        LOCK,
        EPOCH,
        CAPTURE,
        CAPTURED,
        MARK,
        COUNT,
        FILL,
        COPY,
        LOADED,
        DATA,
        ZERO,
        CANDIDATE,
        UNLOCK,
        LEAVE,
        COUNT_LATE,
        CANDIDATE_LATE,
        ZERO_ALREADY,
        // A promise is kept: ImageSession.endWrite, flush; Deferrals.
        END,
        QUEUE,
        WAIT,
        FLUSH_FIRST,
        FLUSH_AGAIN,
        FLUSH_DIRTY,
        // A read: ImageSession.prepareRead, ChunkStore.copy.
        READ_ENTER,
        READ_ZERO,
        READ_CHUNK,
        READ_COPY,
        READ_LEAVE,
        MODE_WAKE
    }

    private static final Step[] STEPS = Step.values();

    /** The order in which a run of data is stored once it is locked and captured. It is the protocol. */
    private final List<Step> storeOrder;

    /** The same for zeroes. */
    private final List<Step> zeroOrder;

    private final World world;
    private final Mutant mutant;
    private final Sealer sealer;
    private final int index;
    private final int who;
    private final List<Request> script;
    private final int[] ids;

    private int at;
    private Step step = Step.BEGIN;
    /** Chunks that the request has still to store. */
    private int left;
    /** Chunks being stored, or read. */
    private int run;
    /** The word, or the half, that a step has come to. */
    private int cursor;
    /** The open epoch as it was read. */
    private int epoch;
    /** The newest epoch the request belongs to, or the one a flush waits for. */
    private int target;
    private int counted;
    private int newly;
    private boolean isEmpty;
    /** A read goes chunk by chunk. */
    private boolean isByChunk;
    /** For a flush: the writes acknowledged before it; the observer's. */
    private int snapshot;
    /** For a read: the writes whose value each half may have; the observer's. */
    private final int[] legal = new int[World.HALF_COUNT];

    Client(World world, Sealer sealer, int index) {
        this.world = world;
        this.mutant = world.mutant;
        this.sealer = sealer;
        this.index = index;
        this.who = 1 + index;
        this.script = world.scenario.scripts().get(index);
        this.ids = script.stream().mapToInt(world.scenario::idOf).toArray();
        this.storeOrder = switch (mutant) {
            case BYTES_BEFORE_DIRTY ->
                List.of(Step.FILL, Step.COPY, Step.MARK, Step.COUNT, Step.LOADED, Step.DATA, Step.UNLOCK);
            case V_BEFORE_COPY ->
                List.of(Step.MARK, Step.COUNT, Step.LOADED, Step.FILL, Step.COPY, Step.DATA, Step.UNLOCK);
            case Z_CLEARED_BEFORE_COPY ->
                List.of(Step.MARK, Step.COUNT, Step.DATA, Step.FILL, Step.COPY, Step.LOADED, Step.UNLOCK);
            default -> List.of(Step.MARK, Step.COUNT, Step.FILL, Step.COPY, Step.LOADED, Step.DATA, Step.UNLOCK);
        };
        this.zeroOrder = mutant == Mutant.Z_BEFORE_DIRTY
                ? List.of(Step.ZERO, Step.MARK, Step.COUNT, Step.LOADED, Step.CANDIDATE, Step.UNLOCK)
                : List.of(Step.MARK, Step.COUNT, Step.ZERO, Step.LOADED, Step.CANDIDATE, Step.UNLOCK);
    }

    @Override
    public void layout(Bits bits) {
        at = bits.field(at, 3);
        step = bits.constant(step, STEPS);
        left = bits.field(left, World.CHUNK_COUNT);
        run = bits.field(run, World.CHUNK_COUNT);
        cursor = bits.field(cursor, 3);
        epoch = bits.field(epoch, 4);
        target = bits.field(target, 4);
        counted = bits.field(counted, World.CHUNK_COUNT);
        newly = bits.field(newly, World.CHUNK_COUNT);
        isEmpty = bits.flag(isEmpty);
        isByChunk = bits.flag(isByChunk);
        snapshot = bits.field(snapshot, Ledger.ID_COUNT);
        bits.fields(legal, Ledger.ID_COUNT);
    }

    @Override
    public int choiceCount() {
        return 1;
    }

    @Override
    public String describe(int choice) {
        return "client " + index + ": " + (isDone() ? "done" : request() + " " + step);
    }

    boolean isDone() {
        return at == script.size();
    }

    private Request request() {
        return script.get(at);
    }

    private boolean isData() {
        return request().kind() == Kind.WRITE
                || request().wholeChunks() == 0; // part of a chunk is zeroed byte by byte
    }

    /** Room that is reserved and not yet used, in chunks. */
    int reservedCount() {
        return switch (step) {
            case HOLD_MEMORY, TAKE_MEMORY, TAKEN_MEMORY, ENTER, LOCK, EPOCH, CAPTURE, CAPTURED, LEAVE ->
                isData() && (step != Step.LEAVE || epoch == 0) ? Integer.bitCount(run) : 0;
            default -> 0;
        };
    }

    @Override
    public boolean act(int choice) {
        return !isDone() && actNow();
    }

    private boolean actNow() {
        return switch (step) {
            case BEGIN -> begin();
            case PIECE -> piece();
            case HOLD_MEMORY -> go(world.granuleTaken ? Step.ENTER : Step.TAKE_MEMORY);
            case TAKE_MEMORY -> takeMemory();
            case TAKEN_MEMORY -> takenMemory();
            case ENTER -> enter();
            case LOCK -> lock();
            case EPOCH -> readEpoch();
            case CAPTURE -> capture();
            case CAPTURED -> captured();
            case MARK -> mark();
            case COUNT -> count();
            case FILL -> fill();
            case COPY -> copy();
            case LOADED -> publishLoaded();
            case DATA -> publishData();
            case ZERO -> markZero();
            case CANDIDATE -> noteCandidate();
            case UNLOCK -> unlock();
            case LEAVE -> leave();
            case COUNT_LATE -> countLate();
            case CANDIDATE_LATE -> candidateLate();
            case ZERO_ALREADY -> zeroAlready();
            case END -> isKept() ? acknowledge() : go(Step.QUEUE);
            case QUEUE -> queue();
            case WAIT -> await();
            case FLUSH_FIRST -> flushFirst();
            case FLUSH_AGAIN -> flushAgain();
            case FLUSH_DIRTY -> world.dirtyAll == 0 || isKept() ? acknowledge() : go(Step.QUEUE);
            case READ_ENTER -> readEnter();
            case READ_ZERO -> readZero();
            case READ_CHUNK -> readChunk();
            case READ_COPY -> readCopy();
            case READ_LEAVE -> readLeave();
            case MODE_WAKE -> wake();
        };
    }

    private boolean go(Step next) {
        step = next;
        cursor = 0;
        return true;
    }

    private boolean goOn(Step done) {
        List<Step> order = isData() ? storeOrder : zeroOrder;
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

    private boolean end() {
        step = Step.BEGIN;
        at++;
        left = 0;
        run = 0;
        cursor = 0;
        epoch = 0;
        target = 0;
        snapshot = 0;
        return true;
    }

    private boolean begin() {
        return switch (request().kind()) {
            case WRITE, ZERO -> piece();
            case FLUSH -> {
                snapshot = world.ledger.acknowledged;
                epoch = world.open;
                yield go(Step.FLUSH_FIRST);
            }
            case READ -> read();
            case MODE -> {
                world.mode = request().mode();
                yield go(Step.MODE_WAKE);
            }
        };
    }

    private boolean wake() {
        if (mutant != Mutant.MODE_WAKES_NOBODY) {
            world.wakeSessions();
        }
        return end();
    }

    // ------------------------------------------------------------------------------------------------------ writes

    /** The next run: what can be stored at once. A part of a chunk that is not loaded waits for the loader. */
    private boolean piece() {
        boolean isFirst = step == Step.BEGIN;
        int missing = isFirst ? request().chunks() : left;
        int parts = missing & ~request().wholeChunks();
        int unloaded = mutant == Mutant.PARTIAL_WITHOUT_LOAD ? 0 : parts & ~world.loaded;
        int storable = isData() ? missing & ~unloaded : world.scenario.firstWord(missing);
        if (storable == 0) {
            return false;
        }
        left = missing;
        run = storable;
        if (isFirst) {
            world.noteIssued(ids[at]);
        }
        if (request().kind() == Kind.ZERO && isData() && World.has(world.zero & world.loaded, run - 1)) {
            left = 0;
            run = 0;
            return go(Step.ZERO_ALREADY);
        }
        if (isData()) {
            world.dirtyData += Integer.bitCount(run);
        }
        if (mutant == Mutant.EPOCH_READ_BEFORE_ENTER) {
            epoch = world.open;
        }
        return go(isData() && world.scenario.isSparse() ? Step.HOLD_MEMORY : Step.ENTER);
    }

    /** The part reads as zero already, perhaps since the open epoch: the request belongs to that. */
    private boolean zeroAlready() {
        target = Math.max(target, world.open);
        return go(Step.END);
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
        return go(Step.LOCK);
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
            go((isData() ? storeOrder : zeroOrder).getFirst());
            return actNow();
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
        int filled = run & world.zero & ~request().wholeChunks();
        if (filled == 0 || mutant == Mutant.ZEROES_NOT_FILLED) {
            goOn(Step.FILL);
            return actNow();
        }
        for (int half = 0; half < World.HALF_COUNT; half++) {
            if (World.has(filled, half / 2)) {
                world.change(half, World.ZEROES);
            }
        }
        return goOn(Step.FILL);
    }

    private boolean copy() {
        int halves = request().halves() & Request.halvesOf(run) & -1 << cursor;
        int half = Integer.numberOfTrailingZeros(halves);
        world.change(half, world.ledger.valueOf(ids[at]));
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
        return missing != 0 || actNow();
    }

    private boolean publishData() {
        int marked = word() & world.zero;
        world.zero &= ~marked;
        boolean isMore = nextWord();
        if (!isMore) {
            goOn(Step.DATA);
        }
        return marked != 0 || actNow();
    }

    private boolean markZero() {
        world.zero |= run;
        return goOn(Step.ZERO);
    }

    /** Noted under the lock, so that whoever gives memory back and holds the locks knows of every zeroing. */
    private boolean noteCandidate() {
        goOn(Step.CANDIDATE);
        if (!world.scenario.isSparse() || mutant == Mutant.CANDIDATE_NOTED_AFTER_UNLOCK) {
            return actNow();
        }
        world.candidate = true;
        return true;
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
            return go(Step.HOLD_MEMORY);
        }
        left &= ~run;
        run = 0;
        target = Math.max(target, epoch);
        epoch = 0;
        if (counted != 0) {
            return go(Step.COUNT_LATE);
        }
        boolean isLate = !isData() && world.scenario.isSparse() && mutant == Mutant.CANDIDATE_NOTED_AFTER_UNLOCK;
        return isLate ? go(Step.CANDIDATE_LATE) : nextPiece();
    }

    private boolean nextPiece() {
        return go(left == 0 ? Step.END : Step.PIECE);
    }

    private boolean countLate() {
        world.dirtyAll += Integer.bitCount(counted);
        counted = 0;
        return nextPiece();
    }

    private boolean candidateLate() {
        world.candidate = true;
        return nextPiece();
    }

    // ---------------------------------------------------------------------------------------------------- promises

    private boolean waits(Mode mode) {
        boolean isFlush = request().kind() == Kind.FLUSH || request().forced();
        return isFlush ? mode.flushesWait() : mode.writesWait() && mutant != Mutant.WRITETHROUGH_DOES_NOT_WAIT;
    }

    /** {@code Deferrals.isKept}. */
    private boolean isKept() {
        return !waits(world.mode) || world.committed >= target;
    }

    private boolean acknowledge() {
        boolean isFlush = request().kind() == Kind.FLUSH || request().forced();
        boolean isPromised = isFlush ? world.mode.flushesWait() : world.mode.writesWait();
        if (request().kind() == Kind.FLUSH) {
            world.ledger.promiseAll(isPromised ? snapshot : 0);
        } else {
            world.ledger.acknowledge(ids[at]);
            world.ledger.promiseAll(isPromised ? 1 << ids[at] : 0);
        }
        return end();
    }

    /** {@code Deferrals.queueForCommit}: the promise may have been kept since it was looked at, and nobody been told. */
    private boolean queue() {
        if (world.demanded < target && mutant != Mutant.WAITS_WITHOUT_DEMAND) {
            world.demanded = target;
        }
        if (mutant != Mutant.QUEUED_WITHOUT_SIGNAL) {
            world.signals |= 1 << index;
        }
        return go(Step.WAIT);
    }

    private boolean await() {
        if (!World.has(world.signals, index)) {
            return false;
        }
        world.signals &= ~(1 << index);
        return !isKept() || acknowledge();
    }

    /** Is in the queue that its reply thread looks through when it is signalled. */
    boolean isQueued() {
        return !isDone() && step == Step.WAIT;
    }

    /** Waits for what is there already, and nobody has told it. */
    boolean waitsInVain() {
        return isQueued() && isKept() && !World.has(world.signals, index);
    }

    /** Is about to wake those who wait. */
    boolean isWaking() {
        return step == Step.MODE_WAKE;
    }

    /** Nothing in the open epoch: then what was acknowledged is in the one before. */
    private boolean flushFirst() {
        isEmpty = (world.firstDirty >>> (epoch & 1) & 1) == 0 || mutant == Mutant.FLUSH_WAITS_PREVIOUS_EPOCH_ONLY;
        return go(Step.FLUSH_AGAIN);
    }

    /** If it has been cut meanwhile, the answer may have been about a later epoch. */
    private boolean flushAgain() {
        boolean isStill = world.open == epoch
                || mutant == Mutant.FLUSH_SHORTCUT_WITHOUT_RECHECK
                || mutant == Mutant.FLUSH_WAITS_PREVIOUS_EPOCH_ONLY;
        target = isEmpty && isStill ? epoch - 1 : epoch;
        epoch = 0;
        isEmpty = false;
        return go(Step.FLUSH_DIRTY);
    }

    // ------------------------------------------------------------------------------------------------------- reads

    private boolean read() {
        if ((request().chunks() & ~world.loaded) != 0) {
            return false;
        }
        run = request().chunks();
        for (int half = 0; half < World.HALF_COUNT; half++) {
            boolean isRead = (request().halves() >>> half & 1) != 0;
            legal[half] = isRead ? world.ledger.current[half] : 0;
        }
        return go(world.scenario.isSparse() ? Step.READ_ENTER : Step.READ_ZERO);
    }

    /** Somebody has issued a write: a read that is under way may see it. */
    void noteIssued(int id) {
        for (int half = 0; half < World.HALF_COUNT; half++) {
            legal[half] |= legal[half] == 0 ? 0 : world.ledger.current[half] & 1 << id;
        }
    }

    private boolean readEnter() {
        world.inside |= 1 << index;
        return go(Step.READ_ZERO);
    }

    private boolean readZero() {
        // No zeroes at all: one copy. Else chunk by chunk, and each is looked at again.
        return go((world.zero & run) == 0 ? Step.READ_COPY : Step.READ_CHUNK);
    }

    private boolean readChunk() {
        int chunk = Integer.numberOfTrailingZeros(run);
        if (World.has(world.zero, chunk)) {
            see(2 * chunk, World.ZEROES);
            see(2 * chunk + 1, World.ZEROES);
            return nextChunk(chunk);
        }
        isByChunk = true;
        return go(Step.READ_COPY);
    }

    private boolean readCopy() {
        int last = 31 - Integer.numberOfLeadingZeros(run);
        if (cursor == 0) {
            cursor = 2 * Integer.numberOfTrailingZeros(run);
        }
        int half = cursor;
        see(half, world.touch(half));
        cursor = half + 1;
        boolean isEndOfChunk = (half & 1) == 1;
        if (isByChunk && isEndOfChunk) {
            isByChunk = false;
            return nextChunk(half / 2);
        }
        return half < 2 * last + 1 || endRead();
    }

    private boolean nextChunk(int chunk) {
        run &= ~(1 << chunk);
        return run == 0 ? endRead() : go(Step.READ_CHUNK);
    }

    private void see(int half, int value) {
        if (legal[half] != 0 && !world.ledger.isAmong(value, legal[half], half)) {
            world.accuse("READ: half " + half + " reads " + World.nameOf(value));
        }
        if (legal[half] != 0 && world.scenario.readsAreAtomic()) {
            world.ledger.noteSeen(value, half);
        }
        legal[half] = 0;
    }

    private boolean endRead() {
        return world.scenario.isSparse() ? go(Step.READ_LEAVE) : end();
    }

    private boolean readLeave() {
        world.inside &= ~(1 << index);
        sealer.noteLeft(index);
        return end();
    }
}
