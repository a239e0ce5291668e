package ramback.model;

import java.util.List;
import ramback.device.Mode;
import ramback.model.Request.Kind;

/**
 * One client: its requests one after the other, each as {@code ImageSession} and {@code Deferrals} carry it out. A
 * request is issued with its first step and answered with its last.
 */
final class Client implements Process {

    private enum Step {
        BEGIN,
        PIECE,
        STORE,
        ZEROED_ALREADY,
        READ,
        // ImageSession.flush
        FLUSH_FIRST,
        FLUSH_AGAIN,
        FLUSH_DIRTY,
        // ImageSession.endWrite, Deferrals
        END,
        QUEUE,
        WAIT,
        // ImageDevice.setMode
        MODE_WAKE
    }

    private static final Step[] STEPS = Step.values();

    private final World world;
    private final Mutant mutant;
    private final int index;
    private final List<Request> script;
    private final int[] ids;
    private final Store store;
    private final Read read;

    private int at;
    private Step step = Step.BEGIN;
    /** Chunks that the request has still to store. */
    private int left;
    /** The newest epoch the request belongs to, or the one a flush waits for. */
    private int target;
    /** For a flush: it found nothing in the open epoch. */
    private boolean isEmpty;
    /** For a flush: the writes acknowledged before it; the observer's. */
    private int snapshot;

    Client(World world, Sealer sealer, int index) {
        this.world = world;
        this.mutant = world.mutant;
        this.index = index;
        this.script = world.scenario.scripts().get(index);
        this.ids = new int[script.size()];
        int id = world.scenario.firstId(index);
        for (int i = 0; i < ids.length; i++) {
            ids[i] = script.get(i).isStore() ? id++ : 0;
        }
        this.store = new Store(world, sealer, index);
        this.read = new Read(world, sealer, index);
    }

    @Override
    public void layout(Bits bits) {
        at = bits.field(at, 3);
        step = bits.constant(step, STEPS);
        left = bits.field(left, World.CHUNK_COUNT);
        target = bits.field(target, 4);
        isEmpty = bits.flag(isEmpty);
        snapshot = bits.field(snapshot, Ledger.ID_COUNT);
        store.layout(bits);
        read.layout(bits);
    }

    @Override
    public int choiceCount() {
        return 1;
    }

    @Override
    public String describe(int choice) {
        if (isDone()) {
            return "client " + index + ": done";
        }
        String inner = step == Step.STORE ? " " + store : step == Step.READ ? " " + read : "";
        return "client " + index + ": " + request() + ": " + step + inner;
    }

    boolean isDone() {
        return at == script.size();
    }

    private Request request() {
        return script.get(at);
    }

    /** Room that is reserved and not yet used, in chunks. */
    int reservedCount() {
        return isDone() ? 0 : store.reservedCount(request());
    }

    /** Somebody has issued a write: a read that is under way may see it. */
    void noteIssued(int id) {
        read.noteIssued(id);
    }

    @Override
    public boolean act(int choice) {
        if (isDone()) {
            return false;
        }
        return switch (step) {
            case BEGIN -> begin();
            case PIECE -> storePiece();
            case STORE -> store();
            case ZEROED_ALREADY -> zeroedAlready();
            case READ -> read();
            case FLUSH_FIRST -> flushFirst();
            case FLUSH_AGAIN -> flushAgain();
            case FLUSH_DIRTY -> world.dirtyAll == 0 ? acknowledge() : go(Step.END);
            case END -> isKept() ? acknowledge() : go(Step.QUEUE);
            case QUEUE -> queue();
            case WAIT -> await();
            case MODE_WAKE -> wake();
        };
    }

    private boolean go(Step next) {
        step = next;
        return true;
    }

    private boolean end() {
        at++;
        left = 0;
        target = 0;
        snapshot = 0;
        return go(Step.BEGIN);
    }

    private boolean begin() {
        return switch (request().kind()) {
            case WRITE, ZERO -> storePiece();
            case FLUSH -> {
                snapshot = world.ledger.acknowledged;
                target = world.open;
                yield go(Step.FLUSH_FIRST);
            }
            case READ -> read.begin(request()) && go(Step.READ);
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

    private boolean read() {
        boolean canGo = read.act();
        return read.isOver() ? end() : canGo;
    }

    /**
     * The process is killed, and the connection with it: the request that was under way is never answered, and the client
     * goes on with its next one, on a new connection.
     *
     * @return the write that was under way, as a mask of ids
     */
    int kill() {
        boolean isUnderWay = step != Step.BEGIN;
        int lost = isUnderWay && request().isStore() ? 1 << ids[at] : 0;
        store.kill();
        read.kill();
        isEmpty = false;
        if (isUnderWay) {
            end();
        }
        return lost;
    }

    // ------------------------------------------------------------------------------------------------------ writes

    /** Stores what can be stored at once. A part of a chunk that is not loaded waits for the loader. */
    private boolean storePiece() {
        boolean isFirst = step == Step.BEGIN;
        boolean isData = Store.isData(request());
        int missing = isFirst ? request().chunks() : left;
        int parts = missing & ~request().wholeChunks();
        int unloaded = mutant == Mutant.PARTIAL_WITHOUT_LOAD ? 0 : parts & ~world.loaded;
        int run = isData ? missing & ~unloaded : world.scenario.firstWord(missing);
        if (run == 0) {
            return false;
        }
        if (isFirst) {
            world.noteIssued(ids[at]);
        }
        boolean isZero = (run & ~(world.zero & world.loaded)) == 0;
        if (request().kind() == Kind.ZERO && isData && isZero) {
            return go(Step.ZEROED_ALREADY);
        }
        left = missing;
        world.dirtyData += isData ? Integer.bitCount(run) : 0;
        store.begin(request(), ids[at], run);
        return go(Step.STORE);
    }

    private boolean store() {
        boolean canGo = store.act(request(), ids[at]);
        if (!canGo || !store.isOver()) {
            return canGo;
        }
        left &= ~store.takeRun();
        target = Math.max(target, store.takeEpoch());
        return go(left == 0 ? Step.END : Step.PIECE);
    }

    /** The part reads as zero already, perhaps since the open epoch: the request belongs to that. */
    private boolean zeroedAlready() {
        target = mutant == Mutant.ZEROED_ALREADY_WITHOUT_EPOCH ? 0 : world.open;
        return go(Step.END);
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

    // ----------------------------------------------------------------------------------------------------- flushes

    /** Nothing in the open epoch: then what was acknowledged is in the one before. */
    private boolean flushFirst() {
        isEmpty = (world.firstDirty >>> (target & 1) & 1) == 0 || mutant == Mutant.FLUSH_WAITS_PREVIOUS_EPOCH_ONLY;
        return go(Step.FLUSH_AGAIN);
    }

    /** If it has been cut meanwhile, the answer may have been about a later epoch. */
    private boolean flushAgain() {
        boolean isStill = world.open == target
                || mutant == Mutant.FLUSH_SHORTCUT_WITHOUT_RECHECK
                || mutant == Mutant.FLUSH_WAITS_PREVIOUS_EPOCH_ONLY;
        target -= isEmpty && isStill ? 1 : 0;
        isEmpty = false;
        return go(Step.FLUSH_DIRTY);
    }
}
