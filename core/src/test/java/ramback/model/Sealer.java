package ramback.model;

/** The sealer: {@code WriteBehind.Sealer}, {@code Epochs.cut} and {@code awaitGrace}, and who gives memory back. */
final class Sealer implements Process {

    private enum Step {
        IDLE,
        CUT,
        GRACE,
        LOOK,
        CAPTURE,
        CAPTURED,
        ROUND,
        GIVE_GRACE,
        GIVE_LOCK,
        GIVE_LOOK,
        GIVE_BIT,
        GIVE_PUNCH,
        GIVE_UNLOCK
    }

    private static final Step[] STEPS = Step.values();
    private static final int WHO = World.CLIENT_COUNT_MAX + 2;
    private static final int SEAL = 0;
    private static final int GIVE_BACK = 1;

    private final World world;
    private final Mutant mutant;

    private Step step = Step.IDLE;
    private int sealed;
    /** Chunks that are held. */
    private int held;
    /** The chunk, or the word, that a step has come to. */
    private int cursor;
    /** During a grace: the client whose leaving is awaited, and whether it was seen inside. */
    private int graceClient;

    private boolean graceWaits;

    Sealer(World world) {
        this.world = world;
        this.mutant = world.mutant;
    }

    @Override
    public void layout(Bits bits) {
        step = bits.constant(step, STEPS);
        sealed = bits.field(sealed, 4);
        held = bits.field(held, World.CHUNK_COUNT);
        cursor = bits.field(cursor, 2);
        graceClient = bits.field(graceClient, 2);
        graceWaits = bits.flag(graceWaits);
    }

    @Override
    public int choiceCount() {
        return 2;
    }

    @Override
    public String describe(int choice) {
        return "sealer: " + (step == Step.IDLE ? choice == GIVE_BACK ? "GIVE_BACK begins" : "CUT begins" : step);
    }

    @Override
    public boolean act(int choice) {
        if (step == Step.IDLE) {
            return choice == GIVE_BACK ? beginGiveBack() : beginSeal();
        }
        return choice == SEAL && actNow();
    }

    private boolean actNow() {
        return switch (step) {
            case IDLE -> throw new IllegalStateException();
            case CUT -> cut();
            case GRACE -> grace(Step.LOOK);
            case LOOK -> look();
            case CAPTURE -> capture();
            case CAPTURED -> captured();
            case ROUND -> beginRound();
            case GIVE_GRACE -> grace(Step.GIVE_LOCK);
            case GIVE_LOCK -> lockGranule();
            case GIVE_LOOK -> lookAtGranule();
            case GIVE_BIT -> lowerBit();
            case GIVE_PUNCH -> punch();
            case GIVE_UNLOCK -> unlockGranule();
        };
    }

    private boolean go(Step next) {
        step = next;
        cursor = 0;
        return true;
    }

    /** The process is killed. */
    void kill() {
        sealed = 0;
        held = 0;
        graceClient = 0;
        graceWaits = false;
        go(Step.IDLE);
    }

    // ------------------------------------------------------------------------------------------------------- seal

    /** Somebody waits, the oldest change has its age, or a round failed; time is left to chance. */
    private boolean isDue() {
        return world.demanded >= world.open || isFirstDirty(world.open) || world.retry;
    }

    private boolean isFirstDirty(int epoch) {
        return (world.firstDirty >>> (epoch & 1) & 1) != 0;
    }

    private boolean beginSeal() {
        boolean isFree = world.applying == 0 || mutant == Mutant.CUT_WHILE_APPLYING;
        if (!isFree || !isDue()) {
            return false;
        }
        world.retry = false;
        sealed = world.open;
        if (mutant == Mutant.FIRST_DIRTY_RESET_AFTER_CUT) {
            world.open++;
        } else {
            resetFirstDirty();
        }
        return go(Step.CUT);
    }

    private void resetFirstDirty() {
        world.firstDirty &= ~(1 << (sealed + 1 & 1));
    }

    private boolean cut() {
        if (mutant == Mutant.FIRST_DIRTY_RESET_AFTER_CUT) {
            resetFirstDirty();
        } else {
            world.open++;
        }
        return go(mutant == Mutant.CAPTURE_WITHOUT_GRACE ? Step.LOOK : Step.GRACE);
    }

    /** Everybody who was inside leaves once: the sealer looks at one client after the other. */
    private boolean grace(Step next) {
        if (graceWaits) {
            return false;
        }
        graceWaits = World.has(world.inside, graceClient);
        return graceWaits || nextClient(next);
    }

    private boolean nextClient(Step next) {
        graceClient++;
        if (graceClient < world.scenario.scripts().size()) {
            return true;
        }
        graceClient = 0;
        return go(next);
    }

    /** A client has left; if that was awaited, the sealer goes on. */
    void noteLeft(int client) {
        if (graceWaits && graceClient == client) {
            graceWaits = false;
            nextClient(step == Step.GRACE ? Step.LOOK : Step.GIVE_LOCK);
        }
    }

    /** {@code ChunkStore.captureWord}, word after word. */
    private boolean look() {
        int rest = world.dirty[sealed & 1];
        if (rest == 0) {
            return go(Step.ROUND);
        }
        held = world.tryLockSome(world.scenario.firstWord(rest), WHO);
        return held != 0 && go(Step.CAPTURE);
    }

    private boolean capture() {
        int mine = world.dirty[sealed & 1] & held;
        if (mine == 0) {
            world.unlock(held);
            held = 0;
            return go(Step.LOOK);
        }
        cursor = Integer.numberOfTrailingZeros(mine);
        if (mutant == Mutant.CLEAR_DIRTY_BEFORE_STALE) {
            world.dirty[sealed & 1] &= ~(1 << cursor);
        } else {
            world.stale |= 1 << cursor;
        }
        step = Step.CAPTURED;
        return true;
    }

    private boolean captured() {
        world.dirty[sealed & 1] &= ~(1 << cursor);
        world.stale |= 1 << cursor;
        world.noteCaptured(cursor, sealed);
        return go(Step.CAPTURE);
    }

    private boolean beginRound() {
        world.applying = sealed;
        sealed = 0;
        return go(Step.IDLE);
    }

    // -------------------------------------------------------------------------------------------------- give back

    private boolean beginGiveBack() {
        if (!world.candidate) {
            return false;
        }
        world.candidate = false;
        return go(mutant == Mutant.GIVEBACK_WITHOUT_GRACE ? Step.GIVE_LOCK : Step.GIVE_GRACE);
    }

    private boolean lockGranule() {
        int wanted = world.scenario.isSplit() ? 1 << cursor : World.ALL_CHUNKS;
        if (!world.tryLock(wanted, WHO)) {
            return false;
        }
        if (world.scenario.isSplit() && cursor == 0) {
            cursor = 1;
            return true;
        }
        return go(Step.GIVE_LOOK);
    }

    /** Zeroes still, and never anything else since the grace: otherwise it would be a candidate again. */
    private boolean lookAtGranule() {
        boolean isZero = (world.zero & world.loaded) == World.ALL_CHUNKS || mutant == Mutant.GIVEBACK_WITHOUT_RECHECK;
        boolean isUnchanged = !world.candidate || mutant == Mutant.GIVEBACK_OF_A_NEW_CANDIDATE;
        if (!isZero || !isUnchanged || !world.granuleTaken) {
            return go(Step.GIVE_UNLOCK);
        }
        return go(Step.GIVE_BIT);
    }

    /** Not beside somebody who is taking memory: the bit and the memory change together. Takers hold no chunk. */
    private boolean lowerBit() {
        if (mutant != Mutant.GIVEBACK_BESIDE_TAKING) {
            if (world.granuleBusy) {
                return false;
            }
            world.granuleBusy = true;
        }
        world.granuleTaken = false;
        return go(Step.GIVE_PUNCH);
    }

    private boolean punch() {
        world.punch();
        if (mutant != Mutant.GIVEBACK_BESIDE_TAKING) {
            world.granuleBusy = false;
        }
        return go(Step.GIVE_UNLOCK);
    }

    private boolean unlockGranule() {
        world.unlock(World.ALL_CHUNKS);
        return go(Step.IDLE);
    }
}
