package ramback.model.journal;

import org.jspecify.annotations.Nullable;
import ramback.device.Mode;

/** What must hold in every state; {@link World} adds CAPTURE and JOURNAL, which are about single steps. */
final class Checks {

    private final World world;
    private final Operator operator;
    private final Ledger ledger;

    Checks(World world, Operator operator) {
        this.world = world;
        this.operator = operator;
        this.ledger = world.ledger;
    }

    @Nullable
    String violation() {
        for (int chunk = 0; chunk < World.CHUNK_COUNT; chunk++) {
            String violation = clean(chunk);
            if (violation != null) {
                return violation;
            }
        }
        for (Writer writer : world.writers) {
            if (writer.waitsWithLocks()) {
                return "LOCK: a client waits for the ring with chunks locked";
            }
        }
        if (world.slotsUsed() > world.scenario.slotCount()) {
            return "RING: more versions than slots";
        }
        return world.suspended ? torn() : power();
    }

    /** Neither dirty nor stale: then the image has what RAM has, durably, and a killed process loses nothing of it. */
    private @Nullable String clean(int chunk) {
        if (World.has(world.dirty[0] | world.dirty[1] | world.stale, chunk)
                || world.image.survives(chunk) == 1 << world.content(chunk)) {
            return null;
        }
        return "CLEAN: chunk " + chunk + " is clean and " + World.nameOf(world.content(chunk))
                + " in RAM, but may be otherwise in the image";
    }

    /** Only in {@code unsafe} may the image be torn. */
    private @Nullable String torn() {
        return world.reported == Mode.UNSAFE ? null : "MODE: the image may be torn in " + world.reported.word();
    }

    /** After a loss of power in this state the device is what it was at the cut that was committed last. */
    private @Nullable String power() {
        for (int chunk = 0; chunk < World.CHUNK_COUNT; chunk++) {
            int logged = world.logged(chunk);
            int values = logged >= 0 ? 1 << logged : world.image.survives(chunk);
            int wrong = values & ~(1 << ledger.atCommitted[chunk]);
            if (wrong != 0) {
                return "POWER: chunk " + chunk + " may be " + World.nameOf(Integer.numberOfTrailingZeros(wrong))
                        + " after a loss of power, not " + World.nameOf(ledger.atCommitted[chunk]);
            }
        }
        int there = ledger.storedUpTo(world.committed);
        if (ledger.withoutPredecessor(there) != 0) {
            return "CUT: a write is there after a loss of power, and one that was acknowledged before it is not";
        }
        if ((ledger.promised & ~there) != 0) {
            return "PROMISE: write " + Integer.numberOfTrailingZeros(ledger.promised & ~there)
                    + " was promised and is not there after a loss of power";
        }
        return null;
    }

    /** Where nothing more can happen, all requests have been answered, all is clean, and the journal is empty. */
    @Nullable
    String unfinished() {
        for (Writer writer : world.writers) {
            if (!writer.isDone()) {
                return "END: stuck, " + writer.describe(0);
            }
        }
        if (!operator.isDone()) {
            return "END: stuck, " + operator.describe(0);
        }
        boolean isHeld = !world.isFree(0) || !world.isFree(1) || world.inside != 0;
        if ((world.dirty[0] | world.dirty[1] | world.stale) != 0 || isHeld || world.hasLog() || world.boundary != 0) {
            return "END: something stays dirty, locked or in the journal";
        }
        return null;
    }
}
