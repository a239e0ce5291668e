package ramback.model.journal;

import ramback.device.Mode;
import ramback.model.Bits;
import ramback.model.Process;

/**
 * The sealer: cuts when the epoch before is committed, waits for grace, captures; between two captures it declares the
 * boundary of the next round, and takes the journal out of use and into use again.
 */
final class Sealer implements Process {

    private enum Step {
        IDLE,
        FILE,
        CARRY,
        CUT,
        GRACE,
        SCAN,
        COPY,
        LOCK,
        STALE,
        CLEAR,
        UNLOCK
    }

    private static final Step[] STEPS = Step.values();
    private static final int WHO = World.CLIENT_COUNT_MAX + 1;
    private static final int SEAL = 0;
    private static final int DECLARE = 1;

    private final World world;
    private final Mutant mutant;

    private Step step = Step.IDLE;
    /** The chunk or the client that a step has come to. */
    private int cursor;
    /** What was copied of the chunk at the cursor, in two halves. */
    private int copied;
    /** The mutant's: stale chunks are carried into the epoch behind the cut. */
    private boolean carriesLate;

    Sealer(World world) {
        this.world = world;
        this.mutant = world.mutant;
    }

    @Override
    public void layout(Bits bits) {
        step = STEPS[bits.field(step.ordinal(), 4)];
        cursor = bits.field(cursor, 2);
        copied = bits.field(copied, World.VALUE_BITS);
        carriesLate = bits.flag(carriesLate);
    }

    @Override
    public int choiceCount() {
        return 2;
    }

    @Override
    public String describe(int choice) {
        return choice == SEAL ? "sealer: " + step : "sealer: declares a boundary";
    }

    @Override
    public boolean act(int choice) {
        if (choice == DECLARE) {
            return declare();
        }
        return switch (step) {
            case IDLE -> idle();
            case FILE -> file();
            case CARRY -> carry();
            case CUT -> cut();
            case GRACE -> grace();
            case SCAN -> scan();
            case COPY -> copy();
            case LOCK -> lock();
            case STALE -> markStale();
            case CLEAR -> clearDirty();
            case UNLOCK -> unlock();
        };
    }

    private boolean go(Step next) {
        step = next;
        cursor = 0;
        return true;
    }

    private int sealed() {
        return world.open - 1;
    }

    private int sealedParity() {
        return sealed() & 1;
    }

    /** The process is killed. */
    void kill() {
        dropCopy();
        go(Step.IDLE);
    }

    /** Whether epochs are being captured now, so that the agent must wait with the commit. */
    boolean isCapturing() {
        return step.compareTo(Step.SCAN) >= 0;
    }

    // -------------------------------------------------------------------------------------------------- boundaries

    /** Nothing is captured now, so whatever is captured from here on is newer. */
    private boolean declare() {
        boolean isBetween = step == Step.IDLE || mutant == Mutant.BOUNDARY_DURING_CAPTURE;
        boolean isWanted = world.stale != 0 || world.hasLog();
        if (!isBetween || !isWanted || world.boundary != 0 || sealed() == 0) {
            return false;
        }
        world.boundary = sealed();
        if (mutant != Mutant.N_NOT_CLEARED) {
            world.newer = 0;
        }
        return true;
    }

    // ------------------------------------------------------------------------------------------------------- seal

    private boolean idle() {
        boolean isCommitted = world.committed == sealed() || mutant == Mutant.CUT_BEFORE_COMMIT;
        if (!isCommitted) {
            return false;
        }
        boolean isDue = world.demanded >= world.open || world.dirty[world.open & 1] != 0;
        boolean writesFirst = mutant == Mutant.SUSPEND_AFTER_WRITE_IN_PLACE && (world.keepsVersions || isDue);
        if (world.wantsSuspended && !writesFirst) {
            return suspend();
        }
        if (world.wantsSuspended) {
            world.keepsVersions = false; // Only the mutant comes here.
        } else if (world.wantsVersions) {
            return takeIntoUse();
        }
        return isDue && cut();
    }

    /** First the journal says that the image may be torn, and only then anything is written to it without a version. */
    private boolean suspend() {
        world.suspend();
        return go(Step.FILE);
    }

    private boolean file() {
        world.filed = Mode.UNSAFE;
        world.keepsVersions = false;
        world.wantsSuspended = false;
        return go(Step.IDLE);
    }

    /** Once everything that the image lacks fits into the journal, it goes into one epoch. */
    private boolean takeIntoUse() {
        if (world.unitsSpoken() > world.scenario.journalUnits()) {
            return false;
        }
        world.keepsVersions = true;
        world.wantsVersions = false;
        carriesLate = mutant == Mutant.CARRIED_AFTER_CUT;
        return go(mutant == Mutant.STALE_NOT_CARRIED || carriesLate ? Step.CUT : Step.CARRY);
    }

    /** Chunk after chunk, under its lock. */
    private boolean carry() {
        int rest = world.stale & -1 << cursor;
        if (rest == 0) {
            boolean isLate = carriesLate;
            carriesLate = false;
            return go(isLate ? Step.GRACE : Step.CUT);
        }
        int chunk = Integer.numberOfTrailingZeros(rest);
        if (!world.isFree(chunk)) {
            return false;
        }
        world.dirty[world.open & 1] |= 1 << chunk;
        cursor = chunk + 1;
        return true;
    }

    private boolean cut() {
        world.open++;
        world.ledger.cut();
        if (carriesLate) {
            return go(Step.CARRY);
        }
        return go(mutant == Mutant.CAPTURE_WITHOUT_GRACE ? Step.SCAN : Step.GRACE);
    }

    /** Everybody who was inside leaves once: one client after the other. */
    private boolean grace() {
        if (World.has(world.inside, cursor)) {
            return false;
        }
        cursor++;
        return cursor < world.writers.length || go(Step.SCAN);
    }

    private boolean scan() {
        int rest = world.dirty[sealedParity()];
        if (rest == 0) {
            world.captured = sealed();
            return go(Step.IDLE);
        }
        for (int chunk = 0; chunk < World.CHUNK_COUNT; chunk++) {
            // That it is free stands for the wait of a sealer who had found it locked.
            boolean isAwaited = mutant == Mutant.SLOT_GIVEN_UP_FOR_LOCK && !world.isFree(chunk);
            if (World.has(rest, chunk) && !isAwaited && world.hasRoom(true)) {
                // The first half, without the lock: what is sealed stays as it is until a writer has captured it.
                world.isSlotClaimed = world.keepsVersions;
                copied = world.content(chunk);
                step = Step.COPY;
                cursor = chunk;
                return true;
            }
        }
        return false;
    }

    /** The second half, without the lock: bytes of two moments are half of a write. */
    private boolean copy() {
        copied = world.content(cursor) == copied ? copied : World.TORN;
        step = Step.LOCK;
        return true;
    }

    /**
     * Looks again, under the lock, before the copy becomes a version; one that a writer has captured meanwhile is
     * dropped. The sealer waits for the lock with a slot in hand: a writer who wants the slot lets go of the lock first.
     * If it gave the slot up instead, the two could do so for ever.
     */
    private boolean lock() {
        boolean isSealed =
                World.has(world.dirty[sealedParity()], cursor) || mutant == Mutant.CAPTURE_WITHOUT_SECOND_LOOK;
        boolean isLocked = !world.isFree(cursor) && mutant != Mutant.CAPTURE_WITHOUT_LOCK;
        if (!isSealed || (isLocked && mutant == Mutant.SLOT_GIVEN_UP_FOR_LOCK)) {
            dropCopy();
            return go(Step.SCAN);
        }
        if (isLocked) {
            return false;
        }
        world.holder[cursor] = world.isFree(cursor) ? WHO : world.holder[cursor];
        world.capture(cursor, sealed(), copied);
        dropCopy();
        step = mutant == Mutant.DIRTY_CLEARED_BEFORE_STALE ? Step.CLEAR : Step.STALE;
        return true;
    }

    private void dropCopy() {
        copied = 0;
        world.isSlotClaimed = false;
    }

    private boolean markStale() {
        world.stale |= 1 << cursor;
        world.newer |= mutant == Mutant.SEALER_LEAVES_N ? 0 : 1 << cursor;
        step = mutant == Mutant.DIRTY_CLEARED_BEFORE_STALE ? Step.UNLOCK : Step.CLEAR;
        return true;
    }

    private boolean clearDirty() {
        world.dirty[sealedParity()] &= ~(1 << cursor);
        step = mutant == Mutant.DIRTY_CLEARED_BEFORE_STALE ? Step.STALE : Step.UNLOCK;
        return true;
    }

    private boolean unlock() {
        world.unlockAll(WHO);
        return go(Step.SCAN);
    }
}
