package ramback.model;

import java.util.ArrayList;
import java.util.List;

/**
 * The attach of the next process to the RAM that a killed one has left, by one thread, before anything else runs. It can be
 * killed between any two of its steps; then it is begun again.
 */
final class Attach implements Process {

    private enum Step {
        /** No attach is under way. */
        IDLE,
        BEGIN,
        // Redo, slot after slot.
        REDO,
        REDO_DIRTY,
        REDO_FILL,
        REDO_COPY,
        REDO_LOADED,
        REDO_DATA,
        REDO_FREE_SLOT,
        // Planes, word after word. Chunks that are not loaded hold nothing.
        FORGET_ZERO,
        FORGET_DIRTY_EVEN,
        FORGET_DIRTY_ODD,
        FORGET_STALE,
        FORGET_LOCK,
        // Of those that are loaded, whatever the image may lack is dirty.
        MARK,
        CLEAR_OTHER,
        UNLOCK,
        // Memory of a sparse device.
        PUNCH,
        NOTE_CANDIDATE,
        // The process.
        COUNT,
        OPEN
    }

    private static final Step[] STEPS = Step.values();

    /** One slot is done again in these steps. It is the protocol. */
    private final List<Step> redoOrder;

    /** What is done about a word of the planes. */
    private final List<Step> wordOrder;

    /** What is done in the end. */
    private final List<Step> endOrder = List.of(Step.PUNCH, Step.NOTE_CANDIDATE, Step.COUNT, Step.OPEN);

    private final World world;
    private final Mutant mutant;

    private Step step = Step.IDLE;
    /** The parity of the epoch that is opened. */
    private int parity;
    /** The redo slot that is looked at, and what it says. */
    private int slot;

    private int write;
    private int run;
    /** The word, or the half, that a step has come to. */
    private int cursor;

    Attach(World world) {
        this.world = world;
        this.mutant = world.mutant;
        redoOrder = mutant == Mutant.ATTACH_FREES_SLOT_FIRST
                ? List.of(
                        Step.REDO_FREE_SLOT,
                        Step.REDO_DIRTY,
                        Step.REDO_FILL,
                        Step.REDO_COPY,
                        Step.REDO_LOADED,
                        Step.REDO_DATA)
                : List.of(
                        Step.REDO_DIRTY,
                        Step.REDO_FILL,
                        Step.REDO_COPY,
                        Step.REDO_LOADED,
                        Step.REDO_DATA,
                        Step.REDO_FREE_SLOT);
        List<Step> loadedOrder = switch (mutant) {
            case ATTACH_CLEARS_BEFORE_IT_MARKS -> List.of(Step.CLEAR_OTHER, Step.MARK, Step.UNLOCK);
            case ATTACH_UNLOCKS_FIRST -> List.of(Step.UNLOCK, Step.MARK, Step.CLEAR_OTHER);
            default -> List.of(Step.MARK, Step.CLEAR_OTHER, Step.UNLOCK);
        };
        List<Step> order = new ArrayList<>(List.of(
                Step.FORGET_ZERO, Step.FORGET_DIRTY_EVEN, Step.FORGET_DIRTY_ODD, Step.FORGET_STALE, Step.FORGET_LOCK));
        order.addAll(loadedOrder);
        wordOrder = List.copyOf(order);
    }

    @Override
    public void layout(Bits bits) {
        step = bits.constant(step, STEPS);
        parity = bits.field(parity, 1);
        slot = bits.field(slot, 2);
        write = bits.field(write, 3);
        run = bits.field(run, World.CHUNK_COUNT);
        cursor = bits.field(cursor, 3);
    }

    /** It may open an epoch of either parity. */
    @Override
    public int choiceCount() {
        return world.scenario.hasKill() ? 2 : 0;
    }

    @Override
    public String describe(int choice) {
        return "attach: " + step + (step == Step.BEGIN ? " for an epoch of parity " + choice : "");
    }

    boolean isOver() {
        return step == Step.IDLE;
    }

    boolean hasBegun() {
        return step != Step.BEGIN;
    }

    /** A process begins. */
    void begin() {
        reset();
        go(Step.BEGIN);
    }

    private void reset() {
        parity = 0;
        slot = 0;
        write = 0;
        run = 0;
        go(Step.IDLE);
    }

    @Override
    public boolean act(int choice) {
        if (step == Step.IDLE) {
            return false;
        }
        if (step == Step.BEGIN) {
            parity = choice;
            if (mutant == Mutant.ATTACH_COUNTS_FIRST) {
                world.countDirty();
            }
            return go(mutant == Mutant.ATTACH_REDOES_LAST ? wordOrder.getFirst() : Step.REDO);
        }
        if (choice != 0) {
            return false;
        }
        // Steps that change nothing are none.
        boolean isDone;
        do {
            isDone = perform();
        } while (!isDone);
        return true;
    }

    private boolean go(Step next) {
        step = next;
        cursor = 0;
        return true;
    }

    /** Makes a step; returns whether it changed something. */
    private boolean perform() {
        return switch (step) {
            case IDLE, BEGIN -> throw new IllegalStateException();
            case REDO -> nextSlot();
            case REDO_DIRTY -> markRunDirty();
            case REDO_FILL -> fill();
            case REDO_COPY -> copy();
            case REDO_LOADED -> publishLoaded();
            case REDO_DATA -> publishData();
            case REDO_FREE_SLOT -> freeSlot();
            case FORGET_ZERO -> forgetZero();
            case FORGET_DIRTY_EVEN -> forgetDirty(0);
            case FORGET_DIRTY_ODD -> forgetDirty(1);
            case FORGET_STALE -> forgetStale();
            case FORGET_LOCK -> unlock(~world.loaded);
            case MARK -> markDirty();
            case CLEAR_OTHER -> clearOther();
            case UNLOCK -> unlock(-1);
            case PUNCH -> punch();
            case NOTE_CANDIDATE -> noteCandidate();
            case COUNT -> count();
            case OPEN -> open();
        };
    }

    // -------------------------------------------------------------------------------------------------------- redo

    private boolean nextSlot() {
        boolean isLast = slot == World.CLIENT_COUNT_MAX || mutant == Mutant.ATTACH_WITHOUT_REDO;
        if (isLast) {
            slot = 0;
            go(mutant == Mutant.ATTACH_REDOES_LAST ? endOrder.getFirst() : wordOrder.getFirst());
            return false;
        }
        if (!World.has(world.slotsValid, slot) || world.slotRun[slot] == 0) {
            slot++;
            return false;
        }
        write = world.slotWrite[slot];
        run = world.slotRun[slot];
        go(redoOrder.getFirst());
        return false;
    }

    private void goOnRedo(Step done) {
        int next = redoOrder.indexOf(done) + 1;
        if (next < redoOrder.size()) {
            go(redoOrder.get(next));
            return;
        }
        write = 0;
        run = 0;
        slot++;
        go(Step.REDO);
    }

    /** The chunks of the run in the word the cursor is at; a step changes one word of a plane. */
    private int word(Step then) {
        int word = world.scenario.isSplit() ? run & 1 << cursor : run;
        boolean isMore = world.scenario.isSplit() && run >>> (cursor + 1) != 0;
        if (isMore) {
            cursor++;
        } else {
            goOnRedo(then);
        }
        return word;
    }

    private boolean markRunDirty() {
        int before = world.dirty[parity];
        world.dirty[parity] |= word(Step.REDO_DIRTY);
        return before != world.dirty[parity];
    }

    /** Marked zeroes around a part become real ones. */
    private boolean fill() {
        int parts = run & ~Request.wholeChunksOf(world.ledger.halvesOf(write));
        int filled = mutant == Mutant.ATTACH_REDO_WITHOUT_FILL ? 0 : parts & world.zero;
        for (int half = 0; half < World.HALF_COUNT; half++) {
            if (World.has(filled, half / 2)) {
                world.change(half, World.ZEROES);
            }
        }
        goOnRedo(Step.REDO_FILL);
        return filled != 0;
    }

    private boolean copy() {
        int halves = world.ledger.halvesOf(write) & Request.halvesOf(run) & -1 << cursor;
        int half = Integer.numberOfTrailingZeros(halves);
        world.change(half, world.ledger.valueOf(write));
        cursor = half + 1;
        if ((halves & -1 << cursor) == 0) {
            goOnRedo(Step.REDO_COPY);
        }
        return true;
    }

    private boolean publishLoaded() {
        int before = world.loaded;
        world.loaded |= word(Step.REDO_LOADED);
        return before != world.loaded;
    }

    private boolean publishData() {
        int before = world.zero;
        world.zero &= ~word(Step.REDO_DATA);
        return before != world.zero;
    }

    private boolean freeSlot() {
        if (mutant != Mutant.ATTACH_LEAVES_SLOTS) {
            world.freeSlot(slot);
        }
        goOnRedo(Step.REDO_FREE_SLOT);
        return true;
    }

    // ------------------------------------------------------------------------------------------------------ planes

    private int word() {
        return world.scenario.isSplit() ? 1 << cursor : World.ALL_CHUNKS;
    }

    private void goOnWord() {
        int next = wordOrder.indexOf(step) + 1;
        if (next < wordOrder.size()) {
            step = wordOrder.get(next);
        } else if (world.scenario.isSplit() && cursor == 0) {
            step = wordOrder.getFirst();
            cursor = 1;
        } else {
            go(mutant == Mutant.ATTACH_REDOES_LAST ? Step.REDO : endOrder.getFirst());
        }
    }

    private int unloaded() {
        return word() & ~world.loaded;
    }

    private boolean forgetZero() {
        int before = world.zero;
        world.zero &= mutant == Mutant.ATTACH_KEEPS_ZERO_OF_UNLOADED ? -1 : ~unloaded();
        goOnWord();
        return before != world.zero;
    }

    private boolean forgetDirty(int plane) {
        int before = world.dirty[plane];
        world.dirty[plane] &= mutant == Mutant.ATTACH_DIRTIES_UNLOADED ? -1 : ~unloaded();
        goOnWord();
        return before != world.dirty[plane];
    }

    private boolean forgetStale() {
        int before = world.stale;
        world.stale &= ~unloaded();
        goOnWord();
        return before != world.stale;
    }

    private boolean markDirty() {
        int before = world.dirty[parity];
        int stale = mutant == Mutant.ATTACH_FORGETS_STALE ? 0 : world.stale;
        int held = mutant == Mutant.ATTACH_FORGETS_LOCKED ? 0 : world.held();
        int kept = mutant == Mutant.ATTACH_DIRTIES_UNLOADED ? -1 : world.loaded;
        world.dirty[parity] |= word() & kept & (world.dirty[0] | world.dirty[1] | stale | held);
        goOnWord();
        return before != world.dirty[parity];
    }

    private boolean clearOther() {
        int other = parity ^ 1;
        int before = world.dirty[other];
        world.dirty[other] &= mutant == Mutant.ATTACH_LEAVES_OTHER_PARITY ? -1 : ~word();
        goOnWord();
        return before != world.dirty[other];
    }

    private boolean unlock(int chunks) {
        int held = world.held() & word() & chunks;
        world.unlock(held);
        goOnWord();
        return held != 0;
    }

    // --------------------------------------------------------------------------------------------------------- end

    private void goOnEnd() {
        go(endOrder.get(endOrder.indexOf(step) + 1));
    }

    /** Memory that was being taken, or given back, when the process was killed: no bit says that it is there. */
    private boolean punch() {
        goOnEnd();
        boolean isUnknown = world.scenario.isSparse() && world.granuleThere && !world.granuleTaken;
        if (!isUnknown || mutant == Mutant.ATTACH_PUNCHES_NOTHING) {
            return false;
        }
        world.punch();
        return true;
    }

    /** What was to be given back was noted by the process alone. */
    private boolean noteCandidate() {
        goOnEnd();
        boolean isZero = (world.zero & world.loaded) == World.ALL_CHUNKS;
        if (world.scenario.isSparse() && world.granuleTaken && mutant != Mutant.ATTACH_NOTES_NO_CANDIDATE) {
            world.candidate = isZero;
        }
        return world.candidate;
    }

    private boolean count() {
        goOnEnd();
        if (mutant != Mutant.ATTACH_COUNTS_FIRST) {
            world.countDirty();
        }
        return world.dirtyAll != 0;
    }

    private boolean open() {
        world.openFirst(parity);
        reset();
        return true;
    }
}
