package ramback.model;

import java.util.EnumSet;
import java.util.List;

/**
 * The protocol with one thing done wrong: each must be caught, in its scenario, by the check it names. The last ones are
 * not wrong, and known to be as good.
 */
enum Mutant {
    /** The protocol as it is. */
    NONE("", "", "nothing"),

    // Loading.
    LOADER_IGNORES_V(
            "populate", "CONTENT", "a loader installs what it read, whoever has written meanwhile (the populate race)"),
    LOADER_CHECKS_V_BEFORE_LOCK("populate", "CONTENT", "a loader looks at V, locks, and does not look again"),
    LOADER_PUBLISHES_BEFORE_COPY("populate", "CONTENT", "a loader sets V before the bytes are there"),
    HOLE_LOADED_BEFORE_ZERO("holes", "MEMORY", "a hole is published as loaded before it is marked as zeroes"),
    PARTIAL_WITHOUT_LOAD("populate", "CONTENT", "part of a chunk is stored although the chunk is not loaded"),

    // Storing.
    BYTES_BEFORE_DIRTY("flush", "CLEAN", "a writer changes bytes before it marks the chunk dirty"),
    V_BEFORE_COPY("populate", "CONTENT", "a writer sets V before the bytes are there"),
    Z_CLEARED_BEFORE_COPY("zeroes", "CONTENT", "a writer clears Z before the bytes are there"),
    Z_BEFORE_DIRTY("zeroes", "CLEAN", "a chunk is marked as zeroes before it is marked dirty"),
    ZEROES_NOT_FILLED(
            "zeroes",
            "CONTENT",
            "part of a chunk of marked zeroes is stored, the rest of its memory is left as it was"),
    EPOCH_READ_BEFORE_ENTER("flush alone", "POWER", "the open epoch is read before the writer is inside"),
    EPOCH_READ_BEFORE_LOCK("flush", "CAPTURE", "the open epoch is read before the chunks are locked"),
    DIRTY_COUNT_AFTER_UNLOCK("flush", "COUNT", "a dirty chunk is counted when it is unlocked already"),

    // Reading.
    READER_IGNORES_V("populate", "READ", "a read does not wait until its chunks are loaded"),
    READER_IGNORES_Z("zeroes", "READ", "a read takes memory for data although the chunk is marked as zeroes"),
    READER_STAYS_OUTSIDE("sparse", "MEMORY", "a read does not enter, so giving back does not wait for it"),

    // Sealing and applying.
    CLEAR_DIRTY_BEFORE_STALE("flush", "CLEAN", "capture clears D before it sets H"),
    CAPTURE_WITHOUT_GRACE("flush", "POWER", "the sealer captures at once after the cut"),
    FIRST_DIRTY_RESET_AFTER_CUT(
            "flush", "POWER", "the new epoch's first-change time is reset after the epoch is opened"),
    CUT_WHILE_APPLYING("flush", "CLEAN", "an epoch is cut and captured while a round is being applied"),
    APPLY_WITHOUT_LOCK("flush", "COPY", "write-behind copies a chunk without its lock"),
    H_CLEARED_BEFORE_SYNC("flush", "CLEAN", "H is cleared before the image is synced"),
    H_CLEARED_WITHOUT_LOCK("flush", "COUNT", "H is cleared without the lock"),
    FAILED_WRITE_CLEANED("failures", "CLEAN", "H is cleared although the write to the image failed"),
    COMMITS_DESPITE_FAILURE("failures", "POWER", "an epoch counts as durable although a write of its round failed"),
    SYNC_FAILURE_IGNORED("failures", "CLEAN", "a failed sync is taken for a good one"),
    PART_CLEANS_THE_ROUND("parts", "CLEAN", "a part of a round cleans what the round has yet to write"),
    PART_FAILURE_FORGOTTEN("parts", "POWER", "an epoch counts as durable although the sync of a part failed"),
    FAILURE_NOT_RETRIED("failures", "END", "after a round that failed nobody begins another"),

    // Promises.
    FLUSH_WAITS_PREVIOUS_EPOCH_ONLY("flush", "POWER", "FLUSH always waits for the epoch before the open one"),
    FLUSH_SHORTCUT_WITHOUT_RECHECK(
            "failures", "POWER", "FLUSH does not look whether the epoch it found empty is still the open one"),
    ZEROED_ALREADY_WITHOUT_EPOCH("zeroes", "POWER", "zeroing what reads as zeroes waits for nobody who zeroed it"),
    WRITETHROUGH_DOES_NOT_WAIT("modes", "POWER", "a write in writethrough is acknowledged from RAM"),
    WAITS_WITHOUT_DEMAND("zeroes", "END", "who waits for an epoch does not ask for it to be cut"),
    QUEUED_WITHOUT_SIGNAL("flush", "WAKE", "a request is queued, and nobody looks whether it is over already"),
    WAKES_BEFORE_COMMIT("flush", "WAKE", "those who wait are woken before the epoch is marked as committed"),
    MODE_WAKES_NOBODY("modes", "WAKE", "a change of mode does not wake those who need not wait any more"),

    // Memory.
    MEMORY_NOT_CHECKED_AGAIN(
            "sparse", "MEMORY", "a writer does not look again, under the lock, whether its memory is there"),
    GIVEBACK_WITHOUT_GRACE("sparse", "MEMORY", "memory is given back while a reader may be inside who saw data"),
    GIVEBACK_WITHOUT_RECHECK("sparse", "CONTENT", "memory is given back although it may hold data again"),
    GIVEBACK_OF_A_NEW_CANDIDATE(
            "sparse", "MEMORY", "memory is given back that was written and zeroed again after the grace"),
    GIVEBACK_BESIDE_TAKING("sparse", "MEMORY", "memory is given back while somebody is taking it"),
    CANDIDATE_NOTED_AFTER_UNLOCK("sparse", "MEMORY", "that memory was zeroed is noted when it is unlocked already"),

    // Killed: redo slots.
    SLOT_SET_AFTER_COPY("killed, runs", "WHOLE", "a redo slot becomes valid when bytes have changed already"),
    SLOT_FREED_BEFORE_COPY("killed, runs", "WHOLE", "a redo slot is given up before the bytes are there"),
    SLOT_VALID_BEFORE_ITS_FIELDS(
            "killed, overwrite", "CONTENT", "a redo slot becomes valid before it says what is to be done again"),
    SLOT_SET_BEFORE_LOCK(
            "killed, sparse",
            "MEMORY",
            "a redo slot becomes valid before the chunks are locked and their memory is known to be there"),
    SLOT_FREED_BEFORE_PUBLISHED(
            "killed, reads of zeroes",
            "CONTENT",
            "a redo slot is given up when the bytes are there, before V and Z say so"),
    SLOT_FREED_AFTER_UNLOCK("killed, reads", "CONTENT", "a redo slot is given up when the chunks are unlocked already"),

    // Killed: the attach.
    ATTACH_WITHOUT_REDO("killed, runs", "WHOLE", "an attach does not do again what was being stored"),
    ATTACH_REDO_WITHOUT_FILL(
            "killed, zeroes", "CONTENT", "an attach does again part of a chunk of marked zeroes, and leaves the rest"),
    ATTACH_FREES_SLOT_FIRST("killed, runs", "WHOLE", "an attach gives a redo slot up before it has done it again"),
    ATTACH_LEAVES_SLOTS("killed twice", "CONTENT", "an attach leaves the redo slots valid that it has done again"),
    ATTACH_DIRTIES_UNLOADED("killed, populate", "LOAD", "an attach marks chunks as dirty that are not loaded"),
    ATTACH_KEEPS_ZERO_OF_UNLOADED("killed, populate", "CONTENT", "an attach leaves Z of chunks that are not loaded"),
    ATTACH_FORGETS_STALE("killed, flush", "END", "an attach takes only what is marked dirty into its first epoch"),
    ATTACH_CLEARS_BEFORE_IT_MARKS(
            "killed, flush", "CLEAN", "an attach clears D of one parity before it sets D of the other"),
    ATTACH_LEAVES_OTHER_PARITY("killed, flush", "CAPTURE", "an attach leaves D of the other parity"),
    ATTACH_FORGETS_FIRST_CHANGE(
            "killed, flush", "POWER", "the first epoch of an attach does not know that something in it is dirty"),
    ATTACH_COUNTS_FIRST(
            "killed, flush", "COUNT", "an attach counts what is dirty before it has put the planes in order"),
    ATTACH_PUNCHES_NOTHING("killed, sparse", "END", "an attach leaves memory of which no bit says that it is there"),
    ATTACH_NOTES_NO_CANDIDATE("killed, sparse", "END", "an attach does not look for memory that is all zeroes"),

    // As good as the protocol.
    SLOT_SET_AFTER_DIRTY(
            "killed, reads of zeroes",
            "",
            "a redo slot becomes valid when the chunks are dirty, before any byte changes"),
    ATTACH_FORGETS_LOCKED("killed, reads of zeroes", "", "an attach does not take locked chunks for dirty"),
    ATTACH_REDOES_LAST(
            "killed, reads of zeroes", "", "an attach does again what was being stored when the planes are in order"),
    ATTACH_UNLOCKS_FIRST("killed, reads of zeroes", "", "an attach unlocks loaded chunks before it marks them dirty");

    private final String scenario;
    private final String check;
    private final String wrong;

    Mutant(String scenario, String check, String wrong) {
        this.scenario = scenario;
        this.check = check;
        this.wrong = wrong;
    }

    /** The scenario that catches it, or that holds with it. */
    String scenario() {
        return scenario;
    }

    /** The check that catches it, the first word of what is said. */
    String check() {
        return check;
    }

    /** What it does wrong. */
    String wrong() {
        return wrong;
    }

    /** Those that are wrong. */
    static List<Mutant> mutants() {
        return EnumSet.range(LOADER_IGNORES_V, ATTACH_NOTES_NO_CANDIDATE).stream()
                .toList();
    }

    /** Those that are as good as the protocol. */
    static List<Mutant> equivalents() {
        return EnumSet.range(SLOT_SET_AFTER_DIRTY, ATTACH_UNLOCKS_FIRST).stream()
                .toList();
    }
}
