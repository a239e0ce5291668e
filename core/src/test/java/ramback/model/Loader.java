package ramback.model;

/** A loader: {@code Population}, and {@code ChunkStore.install} and {@code installHole}. Its range is both chunks. */
final class Loader implements Process {

    private enum Step {
        READ,
        HOLD_MEMORY,
        TAKE_MEMORY,
        TAKEN_MEMORY,
        LOOK,
        LOCK,
        COPY,
        PUBLISH,
        UNLOCK,
        HOLE_LOOK,
        HOLE_LOCK,
        HOLE_ZERO,
        HOLE_PUBLISH,
        HOLE_UNLOCK
    }

    private static final Step[] STEPS = Step.values();
    private static final int WHO = World.CLIENT_COUNT_MAX + 1;
    private static final int DATA = 0;
    private static final int HOLES = 1;

    private final World world;
    private final Mutant mutant;

    private Step step = Step.READ;
    /** The chunks that were read, and are to be installed if nobody has written them. */
    private int claimed;

    private int missing;
    private int held;
    private int install;
    private int cursor;
    private final int[] buffer = new int[World.HALF_COUNT];

    Loader(World world) {
        this.world = world;
        this.mutant = world.mutant;
    }

    @Override
    public void layout(Bits bits) {
        step = bits.constant(step, STEPS);
        claimed = bits.field(claimed, World.CHUNK_COUNT);
        missing = bits.field(missing, World.CHUNK_COUNT);
        held = bits.field(held, World.CHUNK_COUNT);
        install = bits.field(install, World.CHUNK_COUNT);
        cursor = bits.field(cursor, 3);
        bits.fields(buffer, 3);
    }

    @Override
    public int choiceCount() {
        return 2;
    }

    @Override
    public String describe(int choice) {
        return "loader: " + step + (step == Step.READ && choice == HOLES ? " (a hole)" : "");
    }

    @Override
    public boolean act(int choice) {
        if (step == Step.READ) {
            return choice == DATA ? read() : findHole();
        }
        return choice == DATA && actNow();
    }

    /** The process is killed. */
    void kill() {
        unlocked();
        end();
    }

    private boolean actNow() {
        return switch (step) {
            case READ -> throw new IllegalStateException();
            case HOLD_MEMORY -> go(world.granuleTaken ? Step.LOCK : Step.TAKE_MEMORY);
            case TAKE_MEMORY -> takeMemory();
            case TAKEN_MEMORY -> takenMemory();
            case LOOK -> look();
            case LOCK -> lock();
            case COPY -> copy();
            case PUBLISH -> publish();
            case UNLOCK -> unlock(Step.LOOK);
            case HOLE_LOOK -> lookAtHole();
            case HOLE_LOCK -> lockHole();
            case HOLE_ZERO -> markZero();
            case HOLE_PUBLISH -> publishHole();
            case HOLE_UNLOCK -> unlock(Step.HOLE_LOOK);
        };
    }

    private boolean go(Step next) {
        step = next;
        return true;
    }

    private boolean end() {
        claimed = 0;
        missing = 0;
        java.util.Arrays.fill(buffer, 0);
        return go(Step.READ);
    }

    // -------------------------------------------------------------------------------------------------------- data

    /** Reads the image into a buffer. Chunks that are loaded are not looked at, whatever the image has of them. */
    private boolean read() {
        int unloaded = World.ALL_CHUNKS & ~world.scenario.holes() & ~world.loaded;
        if (unloaded == 0) {
            return false;
        }
        claimed = unloaded;
        for (int half = 0; half < World.HALF_COUNT; half++) {
            buffer[half] = World.has(claimed, half / 2) ? world.page[half] : 0;
        }
        return go(Step.LOOK);
    }

    private boolean look() {
        missing = claimed & ~world.loaded;
        if (mutant == Mutant.LOADER_IGNORES_V) {
            missing = claimed;
        }
        return missing == 0 ? end() : go(world.scenario.isSparse() ? Step.HOLD_MEMORY : Step.LOCK);
    }

    private boolean takeMemory() {
        if (world.granuleBusy) {
            return false;
        }
        if (world.granuleTaken) {
            return go(Step.LOCK);
        }
        world.granuleBusy = true;
        world.granuleThere = true;
        return go(Step.TAKEN_MEMORY);
    }

    private boolean takenMemory() {
        world.granuleTaken = true;
        world.granuleBusy = false;
        return go(Step.LOCK);
    }

    private boolean lock() {
        held = world.tryLockSome(world.scenario.firstWord(missing), WHO);
        if (held == 0) {
            return false;
        }
        boolean looksAgain = mutant != Mutant.LOADER_CHECKS_V_BEFORE_LOCK && mutant != Mutant.LOADER_IGNORES_V;
        install = looksAgain ? held & ~world.loaded : held;
        if (!world.granuleTaken) {
            install = 0;
        }
        if (mutant == Mutant.LOADER_IGNORES_V) {
            claimed &= ~install;
        }
        if (install == 0) {
            return go(Step.UNLOCK);
        }
        cursor = 2 * Integer.numberOfTrailingZeros(install);
        return go(mutant == Mutant.LOADER_PUBLISHES_BEFORE_COPY ? Step.PUBLISH : Step.COPY);
    }

    private boolean copy() {
        world.change(cursor, buffer[cursor]);
        do {
            cursor++;
        } while (cursor < World.HALF_COUNT && !World.has(install, cursor / 2));
        if (cursor < World.HALF_COUNT) {
            return true;
        }
        return go(mutant == Mutant.LOADER_PUBLISHES_BEFORE_COPY ? Step.UNLOCK : Step.PUBLISH);
    }

    private boolean publish() {
        world.loaded |= install;
        return go(mutant == Mutant.LOADER_PUBLISHES_BEFORE_COPY ? Step.COPY : Step.UNLOCK);
    }

    private boolean unlock(Step next) {
        world.unlock(held);
        unlocked();
        return go(next);
    }

    private void unlocked() {
        held = 0;
        install = 0;
        cursor = 0;
    }

    // ------------------------------------------------------------------------------------------------------- holes

    private boolean findHole() {
        int unloaded = world.scenario.holes() & ~world.loaded;
        if (unloaded == 0) {
            return false;
        }
        claimed = unloaded;
        return go(Step.HOLE_LOOK);
    }

    private boolean lookAtHole() {
        missing = claimed & ~world.loaded;
        return missing == 0 ? end() : go(Step.HOLE_LOCK);
    }

    private boolean lockHole() {
        held = world.tryLockSome(world.scenario.firstWord(missing), WHO);
        if (held == 0) {
            return false;
        }
        install = mutant == Mutant.LOADER_CHECKS_V_BEFORE_LOCK ? held : held & ~world.loaded;
        if (install == 0) {
            return go(Step.HOLE_UNLOCK);
        }
        return go(mutant == Mutant.HOLE_LOADED_BEFORE_ZERO ? Step.HOLE_PUBLISH : Step.HOLE_ZERO);
    }

    private boolean markZero() {
        world.zero |= install;
        return go(mutant == Mutant.HOLE_LOADED_BEFORE_ZERO ? Step.HOLE_UNLOCK : Step.HOLE_PUBLISH);
    }

    private boolean publishHole() {
        world.loaded |= install;
        return go(mutant == Mutant.HOLE_LOADED_BEFORE_ZERO ? Step.HOLE_ZERO : Step.HOLE_UNLOCK);
    }
}
