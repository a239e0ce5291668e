package ramback.model.journal;

import ramback.model.Bits;
import ramback.model.Process;

/** The appliers, as one: a round carries what was captured up to its boundary to the image, and then retires it. */
final class Applier implements Process {

    private enum Step {
        IDLE,
        COPY,
        COPIED,
        LOOK,
        WRITE,
        SYNC,
        CLEAN,
        WAIT,
        RETIRE
    }

    private static final Step[] STEPS = Step.values();
    private static final int WELL = 0;

    private final World world;
    private final Mutant mutant;

    private Step step = Step.IDLE;
    private int cursor;
    /** The bytes of the chunk at the cursor. */
    private int bounce;
    /** Chunks were left out: the round retires when this epoch is committed; 0 if none were. */
    private int leftOut;
    /** Something was written since the image was synced. */
    private boolean isWritten;

    Applier(World world) {
        this.world = world;
        this.mutant = world.mutant;
    }

    @Override
    public void layout(Bits bits) {
        step = STEPS[bits.field(step.ordinal(), 4)];
        cursor = bits.field(cursor, 2);
        bounce = bits.field(bounce, World.VALUE_BITS);
        leftOut = bits.field(leftOut, 4);
        isWritten = bits.flag(isWritten);
    }

    @Override
    public int choiceCount() {
        return world.scenario.imageFailureCount() == 0 ? 1 : 2;
    }

    @Override
    public String describe(int choice) {
        return "applier: " + step + (choice == WELL ? "" : " fails");
    }

    @Override
    public boolean act(int choice) {
        if (choice != WELL) {
            return fail();
        }
        return switch (step) {
            case IDLE -> begin();
            case COPY -> copy();
            case COPIED -> copied();
            case LOOK -> look();
            case WRITE -> write();
            case SYNC -> sync();
            case CLEAN -> clean();
            case WAIT -> await();
            case RETIRE -> retire();
        };
    }

    private boolean go(Step next) {
        step = next;
        cursor = 0;
        return true;
    }

    private boolean begin() {
        boolean isCommitted = world.committed >= world.boundary || mutant == Mutant.ROUND_BEFORE_COMMIT;
        return world.boundary != 0 && isCommitted && go(Step.COPY);
    }

    /** Chunks whose memory is not the version the round is about: changed, or captured again. */
    private int notThese() {
        return switch (mutant) {
            case APPLY_DIRTY_RAM -> 0;
            case APPLY_RECAPTURED -> world.dirty[0] | world.dirty[1];
            default -> world.dirty[0] | world.dirty[1] | world.newer;
        };
    }

    /** Without its lock, and the first half of it: the version of the round is what nobody has marked since. */
    private boolean copy() {
        int rest = world.stale & -1 << cursor;
        if (rest == 0) {
            return go(isWritten ? mutant == Mutant.CLEAN_BEFORE_SYNC ? Step.CLEAN : Step.SYNC : Step.CLEAN);
        }
        cursor = Integer.numberOfTrailingZeros(rest);
        if (World.has(notThese(), cursor)) {
            return leaveOut();
        }
        bounce = world.content(cursor);
        step = Step.COPIED;
        return true;
    }

    /** The second half: bytes of two moments are half of a write. */
    private boolean copied() {
        bounce = world.content(cursor) == bounce ? bounce : World.TORN;
        step = mutant == Mutant.APPLY_WITHOUT_SECOND_LOOK ? Step.WRITE : Step.LOOK;
        return true;
    }

    /** Whoever changed the chunk while it was copied had marked it before. */
    private boolean look() {
        if (World.has(notThese(), cursor)) {
            return leaveOut();
        }
        step = Step.WRITE;
        return true;
    }

    private boolean leaveOut() {
        leftOut = Math.max(leftOut, awaited(cursor));
        bounce = 0;
        cursor++;
        step = Step.COPY;
        return true;
    }

    /** When this epoch is committed, the newer version of a chunk is in the journal. */
    private int awaited(int chunk) {
        boolean isInOpen = World.has(world.dirty[world.open & 1], chunk);
        return isInOpen || mutant != Mutant.WAITS_FOR_ITS_OWN_EPOCH ? world.open : world.open - 1;
    }

    private boolean write() {
        world.image.write(cursor, bounce);
        isWritten = true;
        bounce = 0;
        cursor++;
        step = Step.COPY;
        return true;
    }

    private boolean sync() {
        world.image.sync();
        isWritten = false;
        return go(mutant == Mutant.CLEAN_BEFORE_SYNC ? Step.WAIT : Step.CLEAN);
    }

    private boolean fail() {
        if (step != Step.SYNC || world.imageFailuresLeft == 0) {
            return false;
        }
        world.imageFailuresLeft--;
        world.image.failSync();
        isWritten = false;
        if (mutant == Mutant.IMAGE_SYNC_FAILURE_IGNORED) {
            return go(Step.CLEAN);
        }
        // Everything stays stale, nothing is retired; another round.
        return end();
    }

    /** What is neither dirty nor newer was written in this round. */
    private boolean clean() {
        int not = mutant == Mutant.CLEAN_DESPITE_N ? world.dirty[0] | world.dirty[1] : notThese();
        int rest = world.stale & ~not & -1 << cursor;
        if (mutant == Mutant.CLEAN_DESPITE_DIRTY) {
            rest = world.stale & -1 << cursor;
        }
        if (rest == 0) {
            return endOfClean();
        }
        int chunk = Integer.numberOfTrailingZeros(rest);
        if (!world.isFree(chunk)) {
            return false;
        }
        world.stale &= ~(1 << chunk);
        cursor = chunk + 1;
        return true;
    }

    private boolean endOfClean() {
        if (isWritten) {
            return go(Step.SYNC);
        }
        world.demanded = Math.max(world.demanded, leftOut);
        go(leftOut == 0 || mutant == Mutant.RETIRE_WITHOUT_WAITING ? Step.RETIRE : Step.WAIT);
        return true;
    }

    private boolean await() {
        return world.committed >= leftOut && go(Step.RETIRE);
    }

    private boolean retire() {
        if (!world.suspended) {
            int upTo = mutant == Mutant.RETIRES_ALL ? world.committed : world.boundary;
            world.truncate(upTo);
        } else if (mutant == Mutant.TRUNCATE_TAKES_BACK) {
            world.suspended = false;
            world.retired = world.committed;
        }
        return end();
    }

    /** The process is killed. */
    void kill() {
        bounce = 0;
        isWritten = false;
        end();
    }

    private boolean end() {
        world.boundary = 0;
        leftOut = 0;
        return go(Step.IDLE);
    }
}
