package ramback.model;

/** The protocol with one thing done wrong: each must be caught, in its scenario, by the check it names. */
enum Mutant {
    /** The protocol as it is. */
    NONE("", ""),

    // Loading.
    LOADER_IGNORES_V("populate", "CONTENT"),
    LOADER_CHECKS_V_BEFORE_LOCK("populate", "CONTENT"),
    LOADER_PUBLISHES_BEFORE_COPY("populate", "CONTENT"),
    HOLE_LOADED_BEFORE_ZERO("populate sparse", "MEMORY"),
    PARTIAL_WITHOUT_LOAD("populate", "CONTENT"),

    // Storing.
    BYTES_BEFORE_DIRTY("flush", "CLEAN"),
    V_BEFORE_COPY("populate", "CONTENT"),
    Z_CLEARED_BEFORE_COPY("zeroes", "CONTENT"),
    Z_BEFORE_DIRTY("zeroes", "CLEAN"),
    ZEROES_NOT_FILLED("zeroes", "CONTENT"),
    EPOCH_READ_BEFORE_ENTER("flush", "POWER"),
    EPOCH_READ_BEFORE_LOCK("flush", "CAPTURE"),
    DIRTY_COUNT_AFTER_UNLOCK("flush", "COUNT"),

    // Sealing and applying.
    CLEAR_DIRTY_BEFORE_STALE("flush", "CLEAN"),
    CAPTURE_WITHOUT_GRACE("flush", "POWER"),
    FIRST_DIRTY_RESET_AFTER_CUT("flush", "POWER"),
    CUT_WHILE_APPLYING("flush", "CLEAN"),
    APPLY_WITHOUT_LOCK("flush", "COPY"),
    H_CLEARED_BEFORE_SYNC("flush", "CLEAN"),
    H_CLEARED_WITHOUT_LOCK("flush", "COUNT"),
    FAILED_WRITE_CLEANED("failures", "CLEAN"),
    COMMITS_DESPITE_FAILURE("failures", "POWER"),
    SYNC_FAILURE_IGNORED("failures", "CLEAN"),
    FAILURE_NOT_RETRIED("failures", "END"),

    // Promises.
    FLUSH_WAITS_PREVIOUS_EPOCH_ONLY("flush", "POWER"),
    FLUSH_SHORTCUT_WITHOUT_RECHECK("failures", "POWER"),
    WRITETHROUGH_DOES_NOT_WAIT("modes", "POWER"),
    WAITS_WITHOUT_DEMAND("zeroes", "END"),
    QUEUED_WITHOUT_SIGNAL("flush", "WAKE"),
    WAKES_BEFORE_COMMIT("flush", "WAKE"),
    MODE_WAKES_NOBODY("modes", "WAKE"),

    // Memory.
    MEMORY_NOT_CHECKED_AGAIN("sparse", "MEMORY"),
    GIVEBACK_WITHOUT_GRACE("sparse", "MEMORY"),
    GIVEBACK_WITHOUT_RECHECK("sparse", "CONTENT"),
    GIVEBACK_OF_A_NEW_CANDIDATE("sparse", "MEMORY"),
    GIVEBACK_BESIDE_TAKING("sparse", "MEMORY"),
    CANDIDATE_NOTED_AFTER_UNLOCK("sparse", "MEMORY");

    private final String scenario;
    private final String check;

    Mutant(String scenario, String check) {
        this.scenario = scenario;
        this.check = check;
    }

    /** The scenario that catches it. */
    String scenario() {
        return scenario;
    }

    /** The check that catches it, the first word of what is said. */
    String check() {
        return check;
    }
}
