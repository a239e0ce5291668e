package ramback.model;

import java.util.EnumSet;
import java.util.List;

/** The protocol with one thing done wrong: each must be caught, in its scenario, by the check it names. */
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
    CANDIDATE_NOTED_AFTER_UNLOCK("sparse", "MEMORY", "that memory was zeroed is noted when it is unlocked already");

    private final String scenario;
    private final String check;
    private final String wrong;

    Mutant(String scenario, String check, String wrong) {
        this.scenario = scenario;
        this.check = check;
        this.wrong = wrong;
    }

    /** The scenario that catches it. */
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

    /** All but {@link #NONE}. */
    static List<Mutant> mutants() {
        return EnumSet.complementOf(EnumSet.of(NONE)).stream().toList();
    }
}
