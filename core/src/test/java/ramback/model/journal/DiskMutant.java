package ramback.model.journal;

import java.util.EnumSet;
import java.util.List;

/** The journal's file with one thing done wrong: each must be caught, by the check it names. */
enum DiskMutant {
    NONE("", "nothing"),
    NO_JOURNAL_FSYNC("PROMISE", "the journal is never synced"),
    NO_PAYLOAD_SYNC("FAULT", "the commit record is written without a sync between it and the payload"),
    SINGLE_SYNC_NO_CRC("FAULT", "so too, and recovery does not look at the payload's checksums"),
    NO_IMAGE_FSYNC("CONTENT", "epochs are retired without a sync of the image"),
    RETRY_FSYNC("FAULT", "a failed sync is called again, and nothing is written again"),
    SWALLOWED_FSYNC_ERROR("FAULT", "a failed sync of the journal is taken for a good one"),
    OTHER_BATCHES("FAULT", "after a failed commit the epoch is appended again in other batches"),
    SINGLE_SUPERBLOCK("FAULT", "the superblock is always written to the same slot"),
    REUSE_EARLY("FAULT", "space is used again before the superblock that gives it up is durable"),
    NO_EPOCH_TAG("PROMISE", "recovery takes records of any epoch for the next one"),
    NO_PAYLOAD_CRC("ROT", "recovery does not look at the payload's checksums"),
    EARLY_STOP_ON_ROT("ROT", "a bad record ends the log, without a look at what is behind it"),
    HIGHER_EPOCHS_ONLY("ROT", "a bad record ends the log if no later epoch is behind it, whatever there is of its own"),
    SKIP_GAP("ROT", "recovery goes on behind an epoch that is missing"),
    OLDEST_VERSION_WINS("CONTENT", "of two versions of a chunk recovery takes the older one"),
    RECOVER_NO_IMAGE_FSYNC("CONTENT", "recovery empties the journal without a sync of the image"),
    SUSPEND_WITHOUT_SYNC("TORN", "the image is written in place before the suspension is durable"),
    SUSPEND_ONE_SLOT("ROT", "one superblock slot says that the journal is suspended, the other one does not"),
    RESUME_BEFORE_COMMIT("TORN", "the suspension is taken back before the commit record is durable"),
    RESUME_ONE_SLOT("ROT", "one superblock slot says that the journal is in use again, the other one does not"),
    ATTACH_ONE_SLOT("ROT", "one superblock slot knows the new salt, the other one does not"),
    SALT_KEPT("PROMISE", "the next process goes on with the salt of the one before"),
    ATTACH_FORGETS_SALT("FAULT", "a second attach keeps epochs of a salt that the superblock has no room for");

    private final String check;
    private final String wrong;

    DiskMutant(String check, String wrong) {
        this.check = check;
        this.wrong = wrong;
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
    static List<DiskMutant> mutants() {
        return EnumSet.complementOf(EnumSet.of(NONE)).stream().toList();
    }
}
