package ramback.mutant;

import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * A protocol step left out or done in the wrong order, on purpose. A proof that does not fail under a mutant proves
 * nothing about its step; {@code docs/mutants.md} says which check finds which.
 *
 * <p>Planting is allowed only in a process started with {@code -Dramback.mutants=allowed} or with the mutant's own name there.
 * In any other, {@link #isOn()} is false for ever and costs nothing: what it guards is removed by the compiler.
 */
public enum Mutant {
    // Journal: what is written, in which order.
    /** The journal is never synced: not before the commit record, not after it. */
    NO_JOURNAL_FSYNC,
    /** The commit record is written without a sync between it and the epoch's payload. */
    NO_PAYLOAD_SYNC,
    /** A failed sync of the journal is called again, without writing again what it was for. */
    RETRY_FSYNC,
    /** A failed sync of the journal is taken for a good one. */
    SWALLOWED_FSYNC_ERROR,
    /** The superblock is always written to the same slot. */
    SINGLE_SUPERBLOCK,
    /** Journal space is used again before the superblock that gives it up is durable. */
    REUSE_EARLY,
    /** An attach goes on with the salt of the one before. */
    SALT_KEPT,

    // Recovery: what is believed.
    /** Records of any epoch are taken as the next one. */
    NO_EPOCH_TAG,
    /** Payload is not held against its checksum. */
    NO_PAYLOAD_CRC,
    /** What the disk takes is measured where live epochs lie. */
    REHEARSAL_OVER_LIVE,
    /** A bad record ends the log, without a look at what comes behind it. */
    EARLY_STOP_ON_ROT,
    /** Recovery goes on behind an epoch that is missing. */
    SKIP_GAP,
    /** Of two versions of a chunk the older one wins. */
    OLDEST_VERSION_WINS,
    /** Recovery empties the journal without syncing the image first. */
    RECOVER_NO_IMAGE_FSYNC,

    // Epochs: capture, commit, apply, retire.
    /** A writer does not keep the sealed version of what it overwrites. */
    NO_COPY_ON_WRITE,
    /** The sealer copies without the lock, and does not look again whether a writer has captured the chunk meanwhile. */
    CAPTURE_WITHOUT_SECOND_LOOK,
    /** An epoch is committed before all of it has been captured. */
    COMMIT_BEFORE_CAPTURED,
    /** The journal is given the number of the epoch before, when the next one is sealed just as it looks. */
    SEAL_READ_TWICE,
    /** A FLUSH is answered when its epoch is sealed, not when it is committed. */
    FLUSH_AT_SEAL,
    /** A boundary is declared again for an applier that has one, and forgets what was captured since. */
    BOUNDARY_DECLARED_TWICE,
    /** Apply takes what RAM holds, although that is newer than what is committed. */
    APPLY_UNCOMMITTED,
    /** Apply copies without the lock, and does not look again whether the chunk was changed meanwhile. */
    APPLY_WITHOUT_SECOND_LOOK,
    /** Apply leaves out what was changed again, and retire does not wait until that is committed. */
    RETIRE_UNCOMMITTED,
    /** Apply marks as clean what was captured again meanwhile. */
    CLEAN_RECAPTURED,
    /** Epochs are retired without syncing the image first. */
    NO_IMAGE_FSYNC,
    /** A failed sync of the image is taken for a good one. */
    SWALLOWED_IMAGE_FSYNC_ERROR,
    /** A chunk of zeroes is journalled as if it were data that nobody changed: not at all. */
    ZEROES_NOT_CAPTURED,

    // Modes.
    /** The image is written in place before the journal durably says that it may be torn. */
    UNSAFE_UNMARKED,
    /** Leaving {@code unsafe}: what the image lacks from before is not put into the first epoch. */
    STALE_NOT_CARRIED,
    /** A stricter mode is reported before what was acknowledged before it is committed. */
    MODE_EARLY,
    /** In {@code checkpoint}, writes do not wait when the oldest change is older than the interval. */
    NO_INTERVAL_WAIT,

    // Memory that outlives the process: what a kill leaves, and the take over.
    /** Bytes are changed before their chunks are marked as dirty. */
    BYTES_BEFORE_DIRTY,
    /** What was being stored when the process was killed is not stored again. */
    TAKE_OVER_WITHOUT_REDO,
    /** What the image lacks although it was captured does not go into the first epoch. */
    TAKE_OVER_FORGETS_STALE,
    /** What goes into the first epoch is not stale any more. */
    TAKE_OVER_CLEARS_STALE,
    /** Chunks that are not loaded keep their marks. */
    DIRTY_UNLOADED,
    /** Chunks that are not loaded go on reading as zeroes once they are. */
    TAKE_OVER_KEEPS_Z,
    /** An attach states in the superblock what it has read of a journal that was in use, without syncing that first. */
    FENCE_UNSYNCED,
    /** A start states in the state file what it has read of a journal that was in use, without syncing that first. */
    START_UNSYNCED;

    private static final String PROPERTY = "ramback.mutants";
    private static final boolean ALLOWED = System.getProperty(PROPERTY) != null;

    private static volatile @Nullable Mutant planted = ofProperty();

    private static @Nullable Mutant ofProperty() {
        String word = System.getProperty(PROPERTY);
        if (word == null || word.equals("allowed")) {
            return null;
        }
        return valueOf(word.toUpperCase(Locale.ROOT));
    }

    /** Whether this fault has been planted. */
    public boolean isOn() {
        return ALLOWED && planted == this;
    }

    /**
     * Plants one fault, or none, in place of what was planted before.
     *
     * @throws IllegalStateException in a process in which that is not allowed
     */
    public static void plant(@Nullable Mutant mutant) {
        if (!ALLOWED) {
            throw notAllowed();
        }
        planted = mutant;
    }

    static boolean areAllowed() {
        return ALLOWED;
    }

    static IllegalStateException notAllowed() {
        return new IllegalStateException("start the process with -D" + PROPERTY + "=allowed");
    }
}
