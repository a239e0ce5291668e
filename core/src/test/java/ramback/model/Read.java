package ramback.model;

/** Reads chunks without a lock: {@code ImageSession.prepareRead}, {@code ChunkStore.copy}, by one client. */
final class Read {

    private enum Step {
        IDLE,
        ENTER,
        ZERO,
        CHUNK,
        COPY,
        LEAVE
    }

    private static final Step[] STEPS = Step.values();

    private final World world;
    private final Mutant mutant;
    private final Sealer sealer;
    private final int index;

    private Step step = Step.IDLE;
    /** Chunks still to be read. */
    private int run;
    /** The half that comes next. */
    private int cursor;
    /** There are zeroes among the chunks: they are read one by one. */
    private boolean isByChunk;
    /** The writes whose value each half may have, 0 for those that are not asked for; the observer's. */
    private final int[] legal = new int[World.HALF_COUNT];

    Read(World world, Sealer sealer, int index) {
        this.world = world;
        this.mutant = world.mutant;
        this.sealer = sealer;
        this.index = index;
    }

    void layout(Bits bits) {
        step = bits.constant(step, STEPS);
        run = bits.field(run, World.CHUNK_COUNT);
        cursor = bits.field(cursor, 3);
        isByChunk = bits.flag(isByChunk);
        bits.fields(legal, Ledger.ID_COUNT);
    }

    @Override
    public String toString() {
        return step.toString();
    }

    /** The process is killed: a read that was under way is not answered. */
    void kill() {
        step = Step.IDLE;
        run = 0;
        cursor = 0;
        isByChunk = false;
        java.util.Arrays.fill(legal, 0);
    }

    boolean isOver() {
        return step == Step.IDLE;
    }

    boolean act() {
        return switch (step) {
            case IDLE -> throw new IllegalStateException();
            case ENTER -> enter();
            case ZERO -> lookForZeroes();
            case CHUNK -> readChunk();
            case COPY -> copy();
            case LEAVE -> leave();
        };
    }

    private boolean go(Step next) {
        step = next;
        cursor = 0;
        return true;
    }

    /** Issues a read once its chunks are loaded. */
    boolean begin(Request request) {
        if ((request.chunks() & ~world.loaded) != 0 && mutant != Mutant.READER_IGNORES_V) {
            return false;
        }
        run = request.chunks();
        for (int half = 0; half < World.HALF_COUNT; half++) {
            boolean isRead = (request.halves() >>> half & 1) != 0;
            legal[half] = isRead ? world.ledger.current[half] : 0;
        }
        boolean enters = world.scenario.isSparse() && mutant != Mutant.READER_STAYS_OUTSIDE;
        return go(enters ? Step.ENTER : Step.ZERO);
    }

    /** Somebody has issued a write: a read that is under way may see it. */
    void noteIssued(int id) {
        for (int half = 0; half < World.HALF_COUNT; half++) {
            legal[half] |= legal[half] == 0 ? 0 : world.ledger.current[half] & 1 << id;
        }
    }

    private boolean enter() {
        world.inside |= 1 << index;
        return go(Step.ZERO);
    }

    private boolean lookForZeroes() {
        // No zeroes at all: one copy. Else chunk by chunk, and each is looked at again.
        return go((world.zero & run) == 0 || mutant == Mutant.READER_IGNORES_Z ? Step.COPY : Step.CHUNK);
    }

    private boolean readChunk() {
        int chunk = Integer.numberOfTrailingZeros(run);
        if (World.has(world.zero, chunk)) {
            see(2 * chunk, World.ZEROES);
            see(2 * chunk + 1, World.ZEROES);
            return nextChunk(chunk);
        }
        isByChunk = true;
        return go(Step.COPY);
    }

    private boolean copy() {
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
        return half < 2 * last + 1 || end();
    }

    private boolean nextChunk(int chunk) {
        run &= ~(1 << chunk);
        return run == 0 ? end() : go(Step.CHUNK);
    }

    private boolean end() {
        run = 0;
        return go(world.scenario.isSparse() ? Step.LEAVE : Step.IDLE);
    }

    private boolean leave() {
        world.inside &= ~(1 << index);
        sealer.noteLeft(index);
        return go(Step.IDLE);
    }

    private void see(int half, int value) {
        if (legal[half] != 0 && !world.ledger.isAmong(value, legal[half], half)) {
            world.accuse("READ: half " + half + " reads " + World.nameOf(value));
        }
        if (legal[half] != 0 && world.scenario.readsAreAtomic()) {
            world.ledger.noteSeen(value, half);
        }
        if (legal[half] != 0 && world.scenario.hasKill()) {
            world.ledger.noteRead(value);
        }
        legal[half] = 0;
    }
}
