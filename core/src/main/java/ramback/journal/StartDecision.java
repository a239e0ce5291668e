package ramback.journal;

import ramback.journal.StartSituation.Bond;
import ramback.journal.StartSituation.Journal;
import ramback.journal.StartSituation.Memory;
import ramback.journal.StartSituation.State;

/**
 * What is done at the start of a device. A table, and nothing else: the first row that fits decides.
 *
 * <pre>
 *  memory    state file        journal                    bond            decision
 *  --------- ----------------- -------------------------- --------------- ------------------------------------
 *  in use    any               any                        any             IMAGE_IN_USE
 *
 *  the image was made just now:
 *  changes,  any               any                        any             IMAGE_MISSING, unless it is discarded
 *    foreign,
 *    unread.
 *            any but absent,   any                        any             IMAGE_MISSING
 *              clean, changed
 *            any               epochs, suspended, fault,  any             IMAGE_MISSING
 *                              damaged, newer format
 *
 *  any image:
 *  foreign,  any               any                        any             LIVE_MEMORY, unless it is discarded
 *    unread.
 *  changes   absent, damaged,  any                        any             LIVE_MEMORY, unless it is discarded
 *              newer, clean,
 *              changed
 *  changes   any               any                        any             LIVE_MEMORY, unless it is discarded,
 *                                                                         where memory is not taken over
 *
 *  memory of the image (changes; loaded, not clean), taken over and not discarded:
 *    no journal wanted:
 *            journalled        any                        any             JOURNAL_NEEDED
 *            ordinary, unsafe  any                        any             TAKE_OVER
 *    a journal wanted:
 *            ordinary, unsafe  any                        any             MEMORY_WITHOUT_JOURNAL
 *            journalled        absent                     –               TAKE_OVER_ANEW
 *            journalled        not a journal              –               NOT_A_JOURNAL
 *            journalled        newer format               –               JOURNAL_NEWER
 *            journalled        damaged                    –               JOURNAL_DAMAGED
 *            journalled        any other                  other image     JOURNAL_OF_ANOTHER_IMAGE
 *            journalled        any other                  other time      JOURNAL_OF_ANOTHER_TIME
 *            journalled        epochs                     before          JOURNAL_OF_ANOTHER_TIME
 *            journalled        fault                      current, before TAKE_OVER_ANEW
 *            journalled        clean, empty, epochs,      current, before TAKE_OVER
 *                                suspended
 *
 *  any other memory:
 *            newer             any                        any             STATE_NEWER
 *            damaged           any                        any             STATE_DAMAGED
 *            changed           any                        any             IMAGE_CHANGED, unless it is adopted, or the
 *                                                                         image was made just now
 *
 *  no journal wanted:
 *            absent            epochs, suspended, fault   of the image    JOURNAL_NEEDED
 *            absent            newer format               any             JOURNAL_NEWER
 *            absent            damaged                    any             JOURNAL_DAMAGED
 *            journalled        any                        any             JOURNAL_NEEDED
 *            unsafe            any                        any             TORN, unless accepted
 *            any other         any                        any             START_ORDINARY
 *
 *  a journal wanted:
 *            journalled        absent                     –               JOURNAL_MISSING
 *            unsafe            absent                     –               TORN, unless accepted
 *            any other         absent                     –               START_FRESH
 *            any               not a journal              –               NOT_A_JOURNAL
 *            any               newer format               –               JOURNAL_NEWER
 *            any               damaged                    –               JOURNAL_DAMAGED
 *            any               any other                  other image     JOURNAL_OF_ANOTHER_IMAGE
 *
 *            absent            clean, empty               of the image    START_CLEAN
 *            absent            epochs                     of the image    RECOVER
 *            absent            suspended                  of the image    TORN, unless accepted
 *            absent            fault                      of the image    MEDIA_FAULT
 *
 *            journalled        any                        other time      JOURNAL_OF_ANOTHER_TIME
 *            journalled        clean, empty               current, before START_CLEAN
 *            journalled        epochs                     current         RECOVER
 *            journalled        epochs                     before          JOURNAL_OF_ANOTHER_TIME
 *            journalled        suspended                  current, before TORN, unless accepted
 *            journalled        fault                      current, before MEDIA_FAULT
 *
 *            clean, ordinary   clean, empty               any time        START_CLEAN
 *            unsafe            clean, empty               any time        TORN, unless accepted
 *            clean, ordinary,  epochs, suspended, fault   any time        JOURNAL_OF_ANOTHER_TIME
 *              unsafe
 * </pre>
 *
 * <p>An image that was made just now is zeroes. What lies beside it and is not done with belongs to the image that was there before,
 * and would be lost: epochs applied to zeroes are gone from the journal, and in no image.
 *
 * <p><i>clean</i>, in a state file, is also what was changed since and is adopted.
 *
 * <p>TORN accepted is START_FRESH without a journal's file, else START_CLEAN, and START_ORDINARY where no journal is wanted.
 *
 * <p>What was found in memory of the image is all that is needed beside the image itself: a chunk that is not in it was never changed. So
 * its journal may be missing or damaged; one that is made anew says that the image may be torn, until a commit has all that it lacks.
 *
 * <p>Read-only, nothing is written: the rows of a wanted journal hold for the states <i>absent</i> and <i>journalled</i>, those
 * without for the others; START_FRESH and START_CLEAN become START_ORDINARY, and RECOVER becomes READ_ONLY.
 *
 * <p><i>before</i>: a start was cut short between its state file and its journal. It had left nothing to recover, so epochs there are of
 * another time. <i>journalled, suspended</i>: the mode {@code unsafe} with a journal; it is the journal that says so, because
 * it is written first on the way in and, by the commit, first on the way out.
 */
public enum StartDecision {
    /** Serve; there is nothing to recover from, and a journal is to be made. */
    START_FRESH(false),
    /** Serve; the image is whole and the journal that is there is used again. */
    START_CLEAN(false),
    /** Serve without a journal. */
    START_ORDINARY(false),
    /** Bring what the journal holds into the image, then serve with it. */
    RECOVER(false),
    /** Go on with the memory that is there, and with the journal if one was kept. */
    TAKE_OVER(false),
    /** Go on with the memory that is there; the journal is of no use, and is made anew. */
    TAKE_OVER_ANEW(false),

    /** Refused: a live daemon serves the image. */
    IMAGE_IN_USE(true),
    /** Refused: the image was made just now, and what lies beside it is needed by one that is not there. */
    IMAGE_MISSING(true),
    /** Refused: a killed daemon's memory holds changes that the image lacks, and can't be taken over. */
    LIVE_MEMORY(true),
    /** Refused: a killed daemon's memory can be taken over only as it was served, without a journal. */
    MEMORY_WITHOUT_JOURNAL(true),
    /** Refused: the state file is newer than this program. */
    STATE_NEWER(true),
    /** Refused: the state file can't be read, so nobody knows what the image needs. */
    STATE_DAMAGED(true),
    /** Refused: the image was changed behind our back since its clean stop. */
    IMAGE_CHANGED(true),
    /** Refused: the image needs its journal, and was to be served without. */
    JOURNAL_NEEDED(true),
    /** Refused: the image needs its journal, and the file is not there. */
    JOURNAL_MISSING(true),
    /** Refused: what lies where the journal should be is none. */
    NOT_A_JOURNAL(true),
    /** Refused: the journal's format is newer than this program. */
    JOURNAL_NEWER(true),
    /** Refused: the journal can't be read. */
    JOURNAL_DAMAGED(true),
    /** Refused: the journal belongs to another image. */
    JOURNAL_OF_ANOTHER_IMAGE(true),
    /** Refused: journal and image don't belong to the same moment. */
    JOURNAL_OF_ANOTHER_TIME(true),
    /** Refused: an epoch that the image may lack can't be read. */
    MEDIA_FAULT(true),
    /** Refused: the image may be a mixture of old and new. */
    TORN(true),
    /** Refused: recovery would write, and nothing may be written. */
    READ_ONLY(true);

    private final boolean isRefusal;

    StartDecision(boolean isRefusal) {
        this.isRefusal = isRefusal;
    }

    /** Whether the device is not started and nothing is changed. */
    public boolean isRefusal() {
        return isRefusal;
    }

    /** The decision in a situation. */
    public static StartDecision of(StartSituation found) {
        if (found.memory() == Memory.IN_USE) {
            return IMAGE_IN_USE;
        }
        if (found.imageMade() && isOfAMissingImage(found)) {
            return IMAGE_MISSING;
        }
        if (!found.discardMemory() && isMemoryInTheWay(found)) {
            return LIVE_MEMORY;
        }
        if (!found.discardMemory() && isMemoryTakenOver(found)) {
            return found.journalWanted() ? takeOverWithJournal(found) : takeOverWithout(found);
        }
        if (found.state() == State.NEWER) {
            return STATE_NEWER;
        }
        if (found.state() == State.DAMAGED) {
            return STATE_DAMAGED;
        }
        if (found.state() == State.CHANGED && !found.adoptImage() && !found.imageMade()) {
            return IMAGE_CHANGED;
        }
        if (!found.readOnly()) {
            return found.journalWanted() ? withJournal(found) : withoutJournal(found);
        }
        boolean journalKnows = found.state() == State.ABSENT || found.state() == State.DIRTY_JOURNALLED;
        StartDecision decision = journalKnows ? withJournal(found) : withoutJournal(found);
        return switch (decision) {
            case START_FRESH, START_CLEAN -> START_ORDINARY;
            case RECOVER -> READ_ONLY;
            default -> decision;
        };
    }

    private static boolean isOfAMissingImage(StartSituation found) {
        boolean isMemoryNeeded = found.memory() != Memory.NONE && found.memory() != Memory.LOADED;
        return (isMemoryNeeded && !found.discardMemory()) || !isDoneWith(found.state()) || !isDoneWith(found.journal());
    }

    private static boolean isMemoryInTheWay(StartSituation found) {
        return switch (found.memory()) {
            case NONE, IN_USE, LOADED -> false;
            case CHANGES -> !found.takesMemory() || found.imageMade() || !isServed(found.state());
            case FOREIGN, UNREADABLE -> true;
        };
    }

    /** Memory of an image that was stopped cleanly is used again by the start that follows from the rest. */
    private static boolean isMemoryTakenOver(StartSituation found) {
        boolean isThere = found.memory() == Memory.CHANGES || found.memory() == Memory.LOADED;
        return isThere && found.takesMemory() && !found.imageMade() && isServed(found.state());
    }

    private static boolean isServed(State state) {
        return state == State.DIRTY_JOURNALLED || state == State.DIRTY_ORDINARY || state == State.DIRTY_UNSAFE;
    }

    private static StartDecision takeOverWithout(StartSituation found) {
        return found.state() == State.DIRTY_JOURNALLED ? JOURNAL_NEEDED : TAKE_OVER;
    }

    private static StartDecision takeOverWithJournal(StartSituation found) {
        if (found.state() != State.DIRTY_JOURNALLED) {
            return MEMORY_WITHOUT_JOURNAL;
        }
        return switch (found.journal()) {
            case ABSENT -> TAKE_OVER_ANEW;
            case NOT_A_JOURNAL -> NOT_A_JOURNAL;
            case NEWER_FORMAT -> JOURNAL_NEWER;
            case DAMAGED -> JOURNAL_DAMAGED;
            case CLEAN, EMPTY, EPOCHS, SUSPENDED, MEDIA_FAULT ->
                switch (found.bond()) {
                    case OTHER_IMAGE -> JOURNAL_OF_ANOTHER_IMAGE;
                    case OTHER_TIME -> JOURNAL_OF_ANOTHER_TIME;
                    case BEFORE -> found.journal() == Journal.EPOCHS ? JOURNAL_OF_ANOTHER_TIME : withFault(found);
                    case CURRENT -> withFault(found);
                };
        };
    }

    private static StartDecision withFault(StartSituation found) {
        return found.journal() == Journal.MEDIA_FAULT ? TAKE_OVER_ANEW : TAKE_OVER;
    }

    private static boolean isDoneWith(State state) {
        return state == State.ABSENT || state == State.CLEAN || state == State.CHANGED;
    }

    private static boolean isDoneWith(Journal journal) {
        return switch (journal) {
            case ABSENT, NOT_A_JOURNAL, CLEAN, EMPTY -> true;
            case EPOCHS, SUSPENDED, MEDIA_FAULT, DAMAGED, NEWER_FORMAT -> false;
        };
    }

    private static StartDecision withoutJournal(StartSituation found) {
        return switch (found.state()) {
            // Nobody says that the image does without its journal, so only a journal that is read can.
            case ABSENT ->
                switch (found.journal()) {
                    case EPOCHS, SUSPENDED, MEDIA_FAULT ->
                        found.bond() == Bond.OTHER_IMAGE ? START_ORDINARY : JOURNAL_NEEDED;
                    case NEWER_FORMAT -> JOURNAL_NEWER;
                    case DAMAGED -> JOURNAL_DAMAGED;
                    case ABSENT, NOT_A_JOURNAL, CLEAN, EMPTY -> START_ORDINARY;
                };
            case DIRTY_JOURNALLED -> JOURNAL_NEEDED;
            case DIRTY_UNSAFE -> found.acceptTorn() ? START_ORDINARY : TORN;
            case CLEAN, CHANGED, DIRTY_ORDINARY -> START_ORDINARY;
            case DAMAGED, NEWER -> throw new IllegalArgumentException("decided before");
        };
    }

    private static StartDecision withJournal(StartSituation found) {
        return switch (found.journal()) {
            case ABSENT ->
                switch (found.state()) {
                    case DIRTY_JOURNALLED -> JOURNAL_MISSING;
                    case DIRTY_UNSAFE -> found.acceptTorn() ? START_FRESH : TORN;
                    case ABSENT, CLEAN, CHANGED, DIRTY_ORDINARY -> START_FRESH;
                    case DAMAGED, NEWER -> throw new IllegalArgumentException("decided before");
                };
            case NOT_A_JOURNAL -> NOT_A_JOURNAL;
            case NEWER_FORMAT -> JOURNAL_NEWER;
            case DAMAGED -> JOURNAL_DAMAGED;
            case CLEAN, EMPTY, EPOCHS, SUSPENDED, MEDIA_FAULT ->
                found.bond() == Bond.OTHER_IMAGE ? JOURNAL_OF_ANOTHER_IMAGE : withItsJournal(found);
        };
    }

    private static StartDecision withItsJournal(StartSituation found) {
        return switch (found.state()) {
            case ABSENT ->
                switch (found.journal()) {
                    case EPOCHS -> RECOVER;
                    case SUSPENDED -> torn(found);
                    case MEDIA_FAULT -> MEDIA_FAULT;
                    default -> START_CLEAN;
                };
            case DIRTY_JOURNALLED ->
                switch (found.bond()) {
                    case CURRENT, BEFORE -> afterJournalled(found);
                    case OTHER_TIME, OTHER_IMAGE -> JOURNAL_OF_ANOTHER_TIME;
                };
            case CLEAN, CHANGED, DIRTY_ORDINARY, DIRTY_UNSAFE ->
                switch (found.journal()) {
                    case EPOCHS, SUSPENDED, MEDIA_FAULT -> JOURNAL_OF_ANOTHER_TIME;
                    default -> found.state() == State.DIRTY_UNSAFE ? torn(found) : START_CLEAN;
                };
            case DAMAGED, NEWER -> throw new IllegalArgumentException("decided before");
        };
    }

    private static StartDecision afterJournalled(StartSituation found) {
        return switch (found.journal()) {
            case EPOCHS -> found.bond() == Bond.CURRENT ? RECOVER : JOURNAL_OF_ANOTHER_TIME;
            case SUSPENDED -> torn(found);
            case MEDIA_FAULT -> MEDIA_FAULT;
            default -> START_CLEAN;
        };
    }

    private static StartDecision torn(StartSituation found) {
        return found.acceptTorn() ? START_CLEAN : TORN;
    }
}
