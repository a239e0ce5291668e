package ramback.model.journal;

import java.util.EnumSet;
import java.util.List;

/** The protocol with one thing done wrong: each must be caught, in its scenario, by the check it names. */
enum Mutant {
    /** The protocol as it is. */
    NONE("", "", "nothing"),

    /** Another way that is as good. */
    WAITS_FOR_ITS_OWN_EPOCH("", "", "a round waits only for the epoch that holds what it left out"),

    // Storing and capturing.
    EPOCH_READ_BEFORE_LOCK("overwrite", "CAPTURE", "the open epoch is read before the chunks are locked"),
    NO_COPY_ON_WRITE("overwrite", "POWER", "a writer overwrites the sealed version of a chunk and keeps no copy"),
    DIRTY_CLEARED_BEFORE_STALE("overwrite", "CLEAN", "capture clears D before it sets H"),
    BYTES_BEFORE_DIRTY("overwrite", "CLEAN", "a writer changes bytes before it marks the chunk dirty"),
    CAPTURE_WITHOUT_GRACE("flush", "POWER", "the sealer captures at once after the cut"),
    CUT_BEFORE_COMMIT("overwrite", "POWER", "an epoch is cut although the one before is not committed"),
    ZEROES_NOT_CAPTURED("zeroes", "POWER", "of a chunk of zeroes no version is kept"),
    CAPTURE_WITHOUT_LOCK("overwrite", "CAPTURE", "the sealer captures a chunk that a writer has locked"),
    CAPTURE_WITHOUT_SECOND_LOOK(
            "overwrite",
            "CAPTURE",
            "the sealer keeps what it copied without the lock, and does not look whether a writer has captured it meanwhile"),
    SLOT_GIVEN_UP_FOR_LOCK(
            "full ring", "END", "a sealer that finds a chunk locked gives its slot up, and copies the chunk once more"),
    LOCKS_IN_ANY_ORDER("runs", "END", "one client locks the chunks of a run in descending order"),
    WAITS_WITH_LOCKS("full ring", "LOCK", "a writer keeps its locks while it waits for the ring"),

    // The journal.
    COMMIT_BEFORE_CAPTURED("overwrite", "POWER", "an epoch is committed before all of it has been captured"),
    SLOTS_FREED_BEFORE_BARRIER(
            "failures", "POWER", "a slot of the ring is used again before a sync has made it durable"),
    RETRY_FSYNC("failures", "POWER", "a failed sync is called again, and nothing is appended again"),
    BARRIER_WAITS_FOR_A_FULL_RING(
            "ring for writers", "END", "a barrier is issued only when the last slot of the ring is taken"),
    SPACE_NOT_RESERVED("full journal", "JOURNAL", "a write is admitted without room in the journal"),
    RUN_RESERVES_NO_EPOCH(
            "full journal", "JOURNAL", "a run reserves room for its versions, and none for the epoch it may find open"),

    // Rounds.
    BOUNDARY_DURING_CAPTURE("runs", "POWER", "a boundary is declared while an epoch is captured"),
    N_NOT_CLEARED("overwrite", "POWER", "N is not cleared when a boundary is declared"),
    WRITER_LEAVES_N("full ring", "CLEAN", "a writer that captures does not set N"),
    SEALER_LEAVES_N("overwrite", "CLEAN", "the sealer does not set N"),
    ROUND_BEFORE_COMMIT("overwrite", "POWER", "a round begins before its boundary is committed"),
    APPLY_DIRTY_RAM("overwrite", "POWER", "a round copies what RAM holds, whatever that is"),
    APPLY_RECAPTURED("flush", "POWER", "a round copies what was captured again and is not committed"),
    APPLY_WITHOUT_SECOND_LOOK(
            "overwrite",
            "POWER",
            "a round copies without the lock, and does not look whether the chunk was changed meanwhile"),
    CLEAN_BEFORE_SYNC("overwrite", "CLEAN", "H is cleared before the image is synced"),
    CLEAN_DESPITE_N("overwrite", "CLEAN", "H is cleared although the chunk was captured again"),
    CLEAN_DESPITE_DIRTY("overwrite", "CLEAN", "H is cleared although the chunk was changed again"),
    IMAGE_SYNC_FAILURE_IGNORED("failures", "CLEAN", "a failed sync of the image is taken for a good one"),
    RETIRE_WITHOUT_WAITING(
            "overwrite", "POWER", "a round that left chunks out retires before their newer versions are committed"),
    RETIRES_ALL("overwrite", "POWER", "a round retires what was committed after its boundary"),

    // Promises and modes.
    FLUSH_AT_SEAL("flush", "PROMISE", "a FLUSH is answered when its epoch is sealed"),
    FLUSH_WAITS_PREVIOUS_EPOCH_ONLY("flush", "PROMISE", "FLUSH always waits for the epoch before the open one"),
    SUSPEND_AFTER_WRITE_IN_PLACE("into unsafe", "POWER", "the image is written in place before the journal says so"),
    UNSAFE_REPORTED_LATE("into unsafe", "MODE", "unsafe is reported after the journal has been suspended"),
    TRUNCATE_TAKES_BACK(
            "into unsafe", "POWER", "a round that retires after the journal was suspended takes the suspension back"),
    STALE_NOT_CARRIED(
            "out of unsafe", "POWER", "on the way out of unsafe what the image lacks is not put into the first epoch"),
    CARRIED_AFTER_CUT(
            "out of unsafe",
            "POWER",
            "on the way out of unsafe what the image lacks is put into the epoch after the first"),
    MODE_REPORTED_EARLY("stricter", "PROMISE", "a stricter mode is reported before what was acknowledged is committed"),
    TARGET_READ_BEFORE_PROMISING(
            "stricter", "PROMISE", "a stricter mode waits for the epoch that was open before it began to promise"),

    // A new process on the old RAM.
    ATTACH_CLEARS_STALE("kill", "POWER", "an attach marks what is stale as dirty and clears H"),
    ATTACH_FORGETS_STALE(
            "kill", "CLEAN", "an attach takes only what is marked dirty into its first epoch, and clears H"),
    ATTACH_BELIEVES_STATE_FILE(
            "killed, into unsafe",
            "MODE",
            "an attach reports the mode of the state file while the journal says that the image may be torn"),
    ATTACH_WITHOUT_REDO(
            "kill", "POWER", "an attach does not do again what was being copied when the process was killed");

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

    /** All that are wrong. */
    static List<Mutant> mutants() {
        return EnumSet.complementOf(EnumSet.of(NONE, WAITS_FOR_ITS_OWN_EPOCH)).stream()
                .toList();
    }
}
