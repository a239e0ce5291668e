package ramback.model.journal;

import org.jspecify.annotations.Nullable;
import ramback.device.Mode;
import ramback.model.Bits;

/**
 * What the processes share: memory, planes, ring, journal, image, epochs, modes. Two chunks; a plane is a mask of chunks.
 * Every method is one step that others see at once.
 */
final class World {

    static final int CHUNK_COUNT = 2;
    static final int ALL_CHUNKS = 3;
    static final int CLIENT_COUNT_MAX = 3;

    // What a chunk may hold: the content before all writes, what write id wrote, zeroes, or half of something.
    static final int INITIAL = 0;
    static final int ZEROES = 6;
    static final int TORN = 7;
    static final int VALUE_BITS = 3;

    /** Unretired epochs that the state has room for, and the bits of an epoch's number. */
    private static final int LOG_EPOCH_COUNT = 8;

    private static final int EPOCH_BITS = 4;
    private static final int NONE = 0;
    private static final Mode[] MODES = Mode.values();

    /** Where the version of a chunk is that the epoch under way has captured. */
    enum Version {
        ABSENT,
        /** In the ring. */
        CAPTURED,
        /** In the ring, and written to the journal, not durably. */
        APPENDED,
        /** In the journal, durably; not in the ring. */
        DURABLE,
        /** Written to the journal, not durably, and not in the ring; only mutants get there. */
        FORGOTTEN
    }

    private static final Version[] VERSIONS = Version.values();

    final Scenario scenario;
    final Mutant mutant;
    final Ledger ledger;

    // ---- the segment
    /** Who holds the L bit of each chunk; 0: nobody. */
    final int[] holder = new int[CHUNK_COUNT];
    /** Planes D0 and D1. */
    final int[] dirty = new int[2];
    /** Plane H. */
    int stale;
    /** Plane N. */
    int newer;
    /** Plane Z. */
    int zero;
    /** What each chunk's memory holds. */
    final int[] memory = new int[CHUNK_COUNT];

    // ---- epochs, from 1 on, so that 0 is none
    int open = 1;
    /** The clients that are inside. */
    int inside;
    /** The newest epoch of which everything has been captured. */
    int captured;

    int committed;
    /** Somebody waits for this epoch. */
    int demanded;
    /** Whether what is captured is kept; not in {@code unsafe}. */
    boolean keepsVersions = true;
    /** The newest epoch that the round to come, or under way, carries to the image; 0 if there is none. */
    int boundary;

    // ---- the staging ring and the journal
    /** Of the epoch under way, what has been captured. */
    private final Version[] version = {Version.ABSENT, Version.ABSENT};

    private final int[] versionValue = new int[CHUNK_COUNT];
    /** The sealer has a slot for a version that it is copying. */
    boolean isSlotClaimed;
    /** All epochs to this one have been retired. */
    int retired;
    /** The versions of committed epochs that are not retired: 0 for none, otherwise the value and 1. */
    private final int[] log = new int[LOG_EPOCH_COUNT * CHUNK_COUNT];
    /** The journal says, durably, that the image may be torn. */
    boolean suspended;

    int journalFailuresLeft;

    // ---- the image
    final Image image = new Image();
    int imageFailuresLeft;

    // ---- modes
    /** What status says. */
    Mode reported;
    /** What acknowledgements follow: on the way from one mode to another, the stricter of the two. */
    Mode promising;
    /** What the state file says. */
    Mode filed;
    /** The operator wants the journal to be suspended, or taken into use again. */
    boolean wantsSuspended;

    boolean wantsVersions;

    /** The clients, for who asks for the room they have reserved. */
    Writer[] writers = {};

    /** What the last action did that must not be; not part of the state. */
    @Nullable
    String misdeed;

    World(Scenario scenario, Mutant mutant) {
        this.scenario = scenario;
        this.mutant = mutant;
        this.ledger = new Ledger(scenario);
        reported = scenario.mode();
        promising = scenario.mode();
        filed = scenario.mode();
        if (scenario.mode() == Mode.UNSAFE) {
            suspended = true;
            keepsVersions = false;
        }
        journalFailuresLeft = scenario.journalFailureCount();
        imageFailuresLeft = scenario.imageFailureCount();
    }

    void layout(Bits bits) {
        ledger.layout(bits);
        bits.fields(holder, 3);
        bits.fields(dirty, CHUNK_COUNT);
        stale = bits.field(stale, CHUNK_COUNT);
        newer = bits.field(newer, CHUNK_COUNT);
        zero = bits.field(zero, CHUNK_COUNT);
        bits.fields(memory, VALUE_BITS);
        open = bits.field(open, EPOCH_BITS);
        inside = bits.field(inside, CLIENT_COUNT_MAX);
        captured = bits.field(captured, EPOCH_BITS);
        committed = bits.field(committed, EPOCH_BITS);
        demanded = bits.field(demanded, EPOCH_BITS);
        keepsVersions = bits.flag(keepsVersions);
        boundary = bits.field(boundary, EPOCH_BITS);
        for (int chunk = 0; chunk < CHUNK_COUNT; chunk++) {
            version[chunk] = VERSIONS[bits.field(version[chunk].ordinal(), 3)];
        }
        bits.fields(versionValue, VALUE_BITS);
        isSlotClaimed = bits.flag(isSlotClaimed);
        retired = bits.field(retired, EPOCH_BITS);
        bits.fields(log, EPOCH_BITS);
        suspended = bits.flag(suspended);
        journalFailuresLeft = bits.field(journalFailuresLeft, 2);
        image.layout(bits);
        imageFailuresLeft = bits.field(imageFailuresLeft, 2);
        reported = MODES[bits.field(reported.ordinal(), 2)];
        promising = MODES[bits.field(promising.ordinal(), 2)];
        filed = MODES[bits.field(filed.ordinal(), 2)];
        wantsSuspended = bits.flag(wantsSuspended);
        wantsVersions = bits.flag(wantsVersions);
    }

    static String nameOf(int value) {
        return switch (value) {
            case INITIAL -> "the initial content";
            case ZEROES -> "zeroes";
            case TORN -> "half of a write";
            default -> "write " + value;
        };
    }

    static boolean has(int chunks, int chunk) {
        return (chunks >>> chunk & 1) != 0;
    }

    /** The misdeeds of the last action are what the explorer reports first. */
    void accuse(String what) {
        if (misdeed == null) {
            misdeed = what;
        }
    }

    /** What an application reads. */
    int content(int chunk) {
        return has(zero, chunk) ? ZEROES : memory[chunk];
    }

    // ------------------------------------------------------------------------------------------------------ locks

    boolean isFree(int chunk) {
        return holder[chunk] == 0;
    }

    /** The chunks that somebody holds. */
    int heldBy(int who) {
        return (holder[0] == who ? 1 : 0) | (holder[1] == who ? 2 : 0);
    }

    void unlockAll(int who) {
        for (int chunk = 0; chunk < CHUNK_COUNT; chunk++) {
            holder[chunk] = holder[chunk] == who ? 0 : holder[chunk];
        }
    }

    // ----------------------------------------------------------------------------------------------------- attach

    /** What was not in the segment is gone, locks are nobody's; what may differ from the image is dirty in the open epoch. */
    void loseProcess() {
        int held = (isFree(0) ? 0 : 1) | (isFree(1) ? 0 : 2);
        int changed = dirty[0] | dirty[1] | held;
        open = committed + 1;
        ledger.attach(open);
        captured = committed;
        demanded = 0;
        inside = 0;
        newer = 0;
        for (int chunk = 0; chunk < CHUNK_COUNT; chunk++) {
            holder[chunk] = 0;
            version[chunk] = Version.ABSENT;
            versionValue[chunk] = 0;
        }
        dirty[open & 1] = mutant == Mutant.ATTACH_FORGETS_STALE ? changed : changed | stale;
        dirty[~open & 1] = 0;
        // H stays: a round must know that the journal holds what the image lacks.
        attachModes();
        boolean isCleared = mutant == Mutant.ATTACH_CLEARS_STALE || mutant == Mutant.ATTACH_FORGETS_STALE;
        stale = isCleared ? 0 : stale;
    }

    /** While the journal says that the image may be torn, status says unsafe, whatever the state file wants. */
    private void attachModes() {
        keepsVersions = !suspended;
        promising = filed;
        reported = suspended && mutant != Mutant.ATTACH_BELIEVES_STATE_FILE ? Mode.UNSAFE : filed;
        wantsSuspended = filed == Mode.UNSAFE && !suspended;
        wantsVersions = filed != Mode.UNSAFE && suspended;
        int promised = reported.writesWait() ? ledger.acknowledged : ledger.promised;
        ledger.promised = reported == Mode.UNSAFE ? 0 : promised;
    }

    /** Does again what a redo slot holds. */
    void redo(int id, int chunks) {
        int value = ledger.valueOf(id);
        dirty[open & 1] |= chunks;
        zero = value == ZEROES ? zero | chunks : zero & ~chunks;
        for (int chunk = 0; chunk < CHUNK_COUNT; chunk++) {
            memory[chunk] = value != ZEROES && has(chunks, chunk) ? value : memory[chunk];
        }
        ledger.store(id, chunks, open, open, committed);
    }

    // ---------------------------------------------------------------------------------------------------- capture

    /** Slots of the ring that hold something. */
    int slotsUsed() {
        int used = isSlotClaimed ? 1 : 0;
        for (Version at : version) {
            used += at == Version.CAPTURED || at == Version.APPENDED ? 1 : 0;
        }
        return used;
    }

    /** Whether a version can be captured; the sealer leaves some slots to writers. */
    boolean hasRoom(boolean isSealer) {
        int left = scenario.slotCount() - slotsUsed();
        return !keepsVersions || left > (isSealer ? scenario.writerSlotCount() : 0);
    }

    /** Captures a chunk's version: a copy goes to the ring, or nothing in {@code unsafe}. */
    void capture(int chunk, int epoch, int copy) {
        if (epoch != open - 1 || epoch <= captured) {
            accuse("CAPTURE: epoch " + epoch + " is captured, which is over; open is " + open);
        }
        if (!keepsVersions) {
            return;
        }
        if (version[chunk] != Version.ABSENT) {
            accuse("CAPTURE: a second version of a chunk in one epoch");
        }
        boolean isLost = mutant == Mutant.ZEROES_NOT_CAPTURED && has(zero, chunk);
        version[chunk] = isLost ? Version.ABSENT : Version.CAPTURED;
        versionValue[chunk] = isLost ? 0 : copy;
    }

    // ---------------------------------------------------------------------------------------------------- journal

    boolean isAny(Version which) {
        return version[0] == which || version[1] == which;
    }

    /** All versions in one place go to another. */
    void move(Version from, Version to) {
        for (int chunk = 0; chunk < CHUNK_COUNT; chunk++) {
            if (version[chunk] == from) {
                version[chunk] = to;
                versionValue[chunk] = to == Version.ABSENT ? 0 : versionValue[chunk];
            }
        }
    }

    /** The mutant's: the journal loses what was appended, and nobody knows. */
    void forgetAppended() {
        for (int chunk = 0; chunk < CHUNK_COUNT; chunk++) {
            if (version[chunk] == Version.APPENDED) {
                version[chunk] = Version.ABSENT;
                versionValue[chunk] = 0;
            }
        }
    }

    /** {@code EpochLog.commit}; with nothing captured when no versions are kept. */
    void commit(int epoch) {
        committed = epoch;
        ledger.commit();
        if (!keepsVersions) {
            return;
        }
        if (suspended) {
            // The journal is empty, and this epoch holds all that the image may lack.
            retired = epoch - 1;
            suspended = false;
        }
        if (epoch - retired > LOG_EPOCH_COUNT) {
            throw new IllegalStateException("more unretired epochs than the state has room for");
        }
        for (int chunk = 0; chunk < CHUNK_COUNT; chunk++) {
            log[logIndex(epoch, chunk)] = version[chunk] == Version.ABSENT ? NONE : 1 + versionValue[chunk];
            version[chunk] = Version.ABSENT;
            versionValue[chunk] = 0;
        }
        if (unitsUsed() > scenario.journalUnits()) {
            accuse("JOURNAL: epoch " + epoch + " does not fit");
        }
    }

    private static int logIndex(int epoch, int chunk) {
        return epoch % LOG_EPOCH_COUNT * CHUNK_COUNT + chunk;
    }

    /** {@code EpochLog.truncate}. */
    void truncate(int epoch) {
        while (retired < epoch) {
            retired++;
            for (int chunk = 0; chunk < CHUNK_COUNT; chunk++) {
                log[logIndex(retired, chunk)] = NONE;
            }
        }
    }

    /** {@code EpochLog.suspend}. */
    void suspend() {
        truncate(committed);
        suspended = true;
    }

    /** Whether the journal holds epochs. */
    boolean hasLog() {
        return !suspended && committed > retired;
    }

    /** The newest version of a chunk in the journal, or -1. */
    int logged(int chunk) {
        for (int epoch = committed; epoch > retired && !suspended; epoch--) {
            if (log[logIndex(epoch, chunk)] != NONE) {
                return log[logIndex(epoch, chunk)] - 1;
            }
        }
        return -1;
    }

    private int unitsUsed() {
        int units = 0;
        for (int epoch = retired + 1; epoch <= committed && !suspended; epoch++) {
            units++;
            for (int chunk = 0; chunk < CHUNK_COUNT; chunk++) {
                units += log[logIndex(epoch, chunk)] != NONE ? 1 : 0;
            }
        }
        return units;
    }

    /**
     * What is used, under way or reserved: each version, each epoch that has one, the open epoch, and one epoch more that a
     * retire may want to see committed although nothing is in it.
     */
    int unitsSpoken() {
        int units = unitsUsed() + 2;
        // Until the first epoch after a suspension is committed, what is stale is to be carried into it.
        int carried = suspended ? stale & ~dirty[open & 1] : 0;
        units += Integer.bitCount(dirty[0]) + Integer.bitCount(dirty[1]) + Integer.bitCount(carried);
        for (Version at : version) {
            units += at == Version.ABSENT ? 0 : 1;
        }
        units += open - 1 > committed ? 1 : 0;
        for (Writer writer : writers) {
            // Its epoch may be none of those that are counted: it may be cut before the run is marked.
            units += writer.reservedCount() == 0 ? 0 : writer.reservedCount() + unitsOfRun();
        }
        return units;
    }

    /** What a run under way may need beside its versions: its epoch. */
    int unitsOfRun() {
        return mutant == Mutant.RUN_RESERVES_NO_EPOCH ? 0 : 1;
    }
}
