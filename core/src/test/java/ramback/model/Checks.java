package ramback.model;

import org.jspecify.annotations.Nullable;

/**
 * What must hold in every state. {@link World} adds what must hold of single steps: MEMORY (none is touched that is not
 * there), READ (a read returns what a write gave that was under way or the last to be acknowledged), COPY (the image
 * never gets half of a write), CAPTURE, LOAD.
 */
final class Checks {

    private final World world;
    private final Applier applier;
    private final Ledger ledger;
    private final Scenario scenario;
    private final Attach attach;

    Checks(World world, Applier applier, Attach attach) {
        this.attach = attach;
        this.applier = applier;
        this.world = world;
        this.ledger = world.ledger;
        this.scenario = world.scenario;
    }

    @Nullable
    String violation() {
        for (int half = 0; half < World.HALF_COUNT; half++) {
            String violation = attach.isOver() ? content(half) : null;
            violation = violation != null ? violation : clean(half);
            violation = violation != null ? violation : power(half);
            if (violation != null) {
                return violation;
            }
        }
        if (!attach.isOver()) {
            return null;
        }
        String violation = whole();
        violation = violation != null ? violation : count();
        return violation != null ? violation : wake();
    }

    /** An acknowledged write is there: in RAM if the chunk is loaded, else the image is its content. */
    private @Nullable String content(int half) {
        boolean isLoaded = World.has(world.loaded, half / 2);
        int value = isLoaded ? world.content(half) : world.page[half];
        if (!ledger.isAmong(value, ledger.current[half], half)) {
            return "CONTENT: half " + half + (isLoaded ? " in RAM is " : ", not loaded, is ") + World.nameOf(value);
        }
        return null;
    }

    /** What nobody is changing was not left half changed. */
    private @Nullable String whole() {
        for (int chunk = 0; chunk < World.CHUNK_COUNT; chunk++) {
            boolean isFree = !World.has(world.held(), chunk);
            if (isFree && !ledger.isWhole(chunk, world.visible(2 * chunk), world.visible(2 * chunk + 1))) {
                return "WHOLE: chunk " + chunk + " has half of a write";
            }
        }
        return null;
    }

    /** Neither dirty nor stale: then the image has what RAM has, durably. */
    private @Nullable String clean(int half) {
        int chunk = half / 2;
        if (World.has(world.dirtyChunks(), chunk)) {
            return null;
        }
        int value = World.has(world.loaded, chunk) ? world.content(half) : world.page[half];
        if (world.survives[half] != 1 << value) {
            return "CLEAN: half " + half + " is clean and " + World.nameOf(value)
                    + " in RAM, but may be otherwise in the image";
        }
        return null;
    }

    /** After a loss of power in this state the image has every write that was promised to be durable, or a later one. */
    private @Nullable String power(int half) {
        int wrong = world.survives[half] & ~ledger.valuesOf(ledger.durable[half], half);
        if (wrong != 0) {
            return "POWER: half " + half + " may be " + World.nameOf(Integer.numberOfTrailingZeros(wrong))
                    + " after a loss of power";
        }
        return null;
    }

    /** The counts are exact when nobody holds a lock, and never too low. */
    private @Nullable String count() {
        int held = world.held();
        int dirty = world.dirtyChunks();
        if (world.dirtyAll < Integer.bitCount(dirty & ~held)) {
            return "COUNT: " + world.dirtyAll + " chunks are counted as dirty, too few";
        }
        int data = Integer.bitCount(dirty & ~world.zero & ~held);
        if (world.dirtyData < data) {
            return "COUNT: " + world.dirtyData + " chunks of data are counted as dirty, too few";
        }
        if (held != 0) {
            return null;
        }
        if (world.dirtyAll != Integer.bitCount(dirty)) {
            return "COUNT: " + world.dirtyAll + " chunks are counted as dirty, not " + Integer.bitCount(dirty);
        }
        for (Client client : world.clients) {
            data += client.reservedCount();
        }
        if (world.dirtyData != data) {
            return "COUNT: " + world.dirtyData + " chunks of data are counted as dirty or reserved, not " + data;
        }
        return null;
    }

    /** Nobody waits for what is there, unless somebody is about to wake him. */
    private @Nullable String wake() {
        boolean isWaking = applier.isWaking();
        boolean waitsInVain = false;
        for (Client client : world.clients) {
            isWaking |= client.isWaking();
            waitsInVain |= client.waitsInVain();
        }
        return waitsInVain && !isWaking ? "WAKE: a client waits for what is there already" : null;
    }

    /** Where nothing more can happen, all requests have been answered, all is loaded and all is clean. */
    @Nullable
    String unfinished() {
        for (Client client : world.clients) {
            if (!client.isDone()) {
                return "END: stuck, " + client.describe(0);
            }
        }
        if (world.loaded != World.ALL_CHUNKS) {
            return "END: not everything is loaded";
        }
        if (world.dirtyChunks() != 0 || world.held() != 0 || world.inside != 0) {
            return "END: something stays dirty or locked";
        }
        if (scenario.isSparse() && isMemoryLeft()) {
            return "END: memory is not given back";
        }
        return null;
    }

    /** A hole that is loaded last is zeroes, too; that nobody notes. */
    private boolean isMemoryLeft() {
        boolean isZero = (world.zero & world.loaded) == World.ALL_CHUNKS && scenario.holes() == 0;
        boolean isUnknown = world.granuleThere && !world.granuleTaken;
        return world.candidate || isUnknown || (world.granuleTaken && isZero);
    }
}
