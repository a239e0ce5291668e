package ramback.journal;

/**
 * Everything that decides how a device may be started: what was found of its state file, its journal and its memory, and what the
 * operator asks for.
 *
 * @param bond how the journal belongs to the image; means nothing where there is no journal that can be read
 * @param takesMemory whether memory that a process left can be gone on with: when the device is to be served, and written
 * @param imageMade whether this very start made the image, because there was none: all zeroes
 * @param journalWanted whether it is to be served with a journal
 * @param readOnly whether nothing may be written, anywhere
 * @param acceptTorn whether an image that may be a mixture of old and new is taken as it is
 * @param adoptImage whether an image that somebody else changed since its clean stop is taken as it is
 * @param discardMemory whether what only the memory of a killed daemon holds is given up
 */
public record StartSituation(
        State state,
        Journal journal,
        Bond bond,
        Memory memory,
        boolean takesMemory,
        boolean imageMade,
        boolean journalWanted,
        boolean readOnly,
        boolean acceptTorn,
        boolean adoptImage,
        boolean discardMemory) {

    /** What the state file says. */
    public enum State {
        /** There is none: a plain image, never served or long forgotten. */
        ABSENT,
        /** It is there and can't be read, or its checksum is wrong. */
        DAMAGED,
        /** Its format is newer than this program. */
        NEWER,
        /** The image was left clean, and nothing says that it is not as it was left. */
        CLEAN,
        /** The image was left clean, and was changed by somebody else since. */
        CHANGED,
        /** Being served, with a journal: the journal knows what the image lacks, whatever the mode. */
        DIRTY_JOURNALLED,
        /** Being served without a journal, in a mode that keeps what was flushed: as an ordinary disk after a power failure. */
        DIRTY_ORDINARY,
        /** Being served without a journal, and without order. */
        DIRTY_UNSAFE
    }

    /** What the journal's file holds. */
    public enum Journal {
        /** There is no such file. */
        ABSENT,
        /** A file that is no journal. */
        NOT_A_JOURNAL,
        /** A journal of a format that is newer than this program. */
        NEWER_FORMAT,
        /** A journal whose own description can't be read, or that is shorter than it says. */
        DAMAGED,
        /** It says that the image has everything. */
        CLEAN,
        /** In use when it was last written, and no epoch in it that the image may lack. */
        EMPTY,
        /** Epochs that the image may lack, all whole. */
        EPOCHS,
        /** It says that the image may be torn. */
        SUSPENDED,
        /** Epochs that the image may lack, and one of them can't be read. */
        MEDIA_FAULT
    }

    /**
     * How a journal belongs to an image. Where there is no state file, what the journal knows of the image's identity decides between
     * {@link #CURRENT} and {@link #OTHER_IMAGE}.
     */
    public enum Bond {
        /** Of this image, and of its newest attachment. */
        CURRENT,
        /** Of this image, and of the attachment before, which was whole when the newest one began. */
        BEFORE,
        /** Of this image at another time: one of the two was copied back, or served without the other. */
        OTHER_TIME,
        /** Of another image. */
        OTHER_IMAGE
    }

    /** What was found of a memory segment for this image. */
    public enum Memory {
        /** None, or one that holds nothing that anybody needs. */
        NONE,
        /** One that a live daemon has locked. */
        IN_USE,
        /** Of this very attachment, and of this boot; there is nothing in it that the image lacks. */
        LOADED,
        /** Of this very attachment, and of this boot, with changes that the image may lack. */
        CHANGES,
        /** With changes, of another attachment, image or boot. */
        FOREIGN,
        /** Of another layout, or damaged: nobody knows what is in it. */
        UNREADABLE
    }
}
