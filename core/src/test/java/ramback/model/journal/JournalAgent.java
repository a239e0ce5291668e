package ramback.model.journal;

import ramback.model.Bits;
import ramback.model.Process;
import ramback.model.journal.World.Version;

/**
 * The agent that brings the ring to the journal. What a commit does to the file, and what is there when the power fails
 * in the middle of it, is {@link DiskModel}'s: here it is one step, for a recovery takes an epoch whole or not at all.
 */
final class JournalAgent implements Process {

    private static final int APPEND = 0;
    private static final int BARRIER = 1;
    private static final int COMMIT = 2;
    private static final int BARRIER_FAILS = 3;
    private static final int COMMIT_FAILS = 4;
    private static final String[] WORDS = {"appends", "barrier", "commits", "barrier fails", "commit fails"};

    private final World world;
    private final Mutant mutant;
    private final Sealer sealer;

    JournalAgent(World world, Sealer sealer) {
        this.world = world;
        this.mutant = world.mutant;
        this.sealer = sealer;
    }

    @Override
    public void layout(Bits bits) {
        // All it knows is in the ring.
    }

    @Override
    public int choiceCount() {
        return world.scenario.journalFailureCount() == 0 ? BARRIER_FAILS : WORDS.length;
    }

    @Override
    public String describe(int choice) {
        return "journal: " + WORDS[choice];
    }

    @Override
    public boolean act(int choice) {
        return switch (choice) {
            case APPEND -> append();
            case BARRIER -> barrier();
            case COMMIT -> commit();
            case BARRIER_FAILS -> canSync() && fail();
            case COMMIT_FAILS -> canCommit() && fail();
            default -> throw new IllegalArgumentException("no such choice: " + choice);
        };
    }

    private boolean append() {
        if (!world.isAny(Version.CAPTURED)) {
            return false;
        }
        boolean freesEarly = mutant == Mutant.SLOTS_FREED_BEFORE_BARRIER;
        world.move(Version.CAPTURED, freesEarly ? Version.FORGOTTEN : Version.APPENDED);
        return true;
    }

    /** Nothing is to be gained by one when a commit is next. */
    private boolean canSync() {
        boolean isAppended = world.isAny(Version.APPENDED) || world.isAny(Version.FORGOTTEN);
        boolean waits =
                mutant == Mutant.BARRIER_WAITS_FOR_A_FULL_RING && world.slotsUsed() < world.scenario.slotCount();
        return isAppended && !canCommit() && !waits;
    }

    private boolean barrier() {
        if (!canSync()) {
            return false;
        }
        world.move(Version.APPENDED, Version.DURABLE);
        world.move(Version.FORGOTTEN, Version.DURABLE);
        return true;
    }

    private int next() {
        return world.committed + 1;
    }

    private boolean canCommit() {
        boolean isCaptured = world.captured >= next();
        if (mutant == Mutant.COMMIT_BEFORE_CAPTURED) {
            isCaptured |= world.open > next() && sealer.isCapturing();
        }
        return isCaptured && !world.isAny(Version.CAPTURED);
    }

    private boolean commit() {
        if (!canCommit()) {
            return false;
        }
        world.commit(next());
        return true;
    }

    /** Everything since the last sync that did not fail is appended again. */
    private boolean fail() {
        if (world.journalFailuresLeft == 0 || !world.keepsVersions) {
            return false;
        }
        world.journalFailuresLeft--;
        if (mutant == Mutant.RETRY_FSYNC) {
            // The ring believes in the next sync, the disk has forgotten.
            world.forgetAppended();
            return true;
        }
        world.move(Version.APPENDED, Version.CAPTURED);
        world.move(Version.FORGOTTEN, Version.ABSENT);
        return true;
    }
}
