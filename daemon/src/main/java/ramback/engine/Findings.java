package ramback.engine;

import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import ramback.device.Mode;
import ramback.engine.SegmentFile.Leftovers;
import ramback.journal.JournalIdentity;
import ramback.journal.JournalScan;
import ramback.journal.StartDecision;
import ramback.journal.StartSituation;
import ramback.journal.StartSituation.Bond;
import ramback.journal.StartSituation.Journal;
import ramback.journal.StartSituation.Memory;
import ramback.journal.StartSituation.State;
import ramback.journal.StateFile;
import ramback.journal.StateFileStore;
import ramback.memory.ImageIdentity;

/**
 * Everything that lies around an image, read and not changed, and what follows from it. Holds the journal's lock until it is closed;
 * the image is its caller's.
 */
final class Findings implements AutoCloseable {

    private final ImageRequest request;
    private final Image image;
    private final ImageIdentity identity;
    private final StateFileStore store;
    private final StateFile.@Nullable Reading reading;
    private final @Nullable FoundJournal journal;
    private final @Nullable Path journalElsewhere;
    private final Leftovers leftovers;
    private final LeftImage left;
    private final StartSituation situation;
    private final StartDecision decision;

    private Findings(
            ImageRequest request,
            Image image,
            ImageIdentity identity,
            StateFileStore store,
            StateFile.@Nullable Reading reading,
            @Nullable FoundJournal journal,
            @Nullable Path journalElsewhere,
            Leftovers leftovers,
            LeftImage left,
            boolean imageMade) {
        this.request = request;
        this.image = image;
        this.identity = identity;
        this.store = store;
        this.reading = reading;
        this.journal = journal;
        this.journalElsewhere = journalElsewhere;
        this.leftovers = leftovers;
        this.left = left;
        this.situation = new StartSituation(
                stateSituation(),
                journalSituation(),
                bond(),
                leftovers.memory(),
                request.takesMemory(),
                imageMade,
                request.journal().isKept(),
                request.servedReadOnly(),
                request.acceptTorn(),
                request.adoptImage(),
                request.discardMemory());
        this.decision = StartDecision.of(situation);
    }

    /**
     * Looks; the image is open and locked.
     *
     * @param imageMade whether it was made for this, because there was none
     */
    static Findings look(ImageRequest request, Image image, boolean imageMade) throws Refusal {
        FoundJournal journal = null;
        boolean isComplete = false;
        try {
            StateFileStore store = image.store(request.stateDirectory());
            Path named = namedJournal(request, image);
            if (named != null) {
                JournalPlace.check(named, image, store);
            }
            StateFile.Reading reading = read(store);
            StateFile state = stateOf(reading);
            ImageIdentity identity = image.identity();
            Leftovers leftovers = SegmentFile.look(image, state, memoryDirectories(request, state));
            // Memory has all that the journal's payload is for, and must be back at once.
            boolean isPayloadNeeded = !isLikelyTakenOver(request, leftovers);
            if (named != null) {
                journal = FoundJournal.look(named, request.readOnly(), isPayloadNeeded);
            }
            Path elsewhere = state == null || state.journal() == null ? null : Path.of(state.journal());
            boolean isLookedFor =
                    request.journal().isKept() && request.journal().file() == null;
            if (isLookedFor
                    && elsewhere != null
                    && (journal == null || !journal.exists())
                    && !elsewhere.equals(named)) {
                FoundJournal other = FoundJournal.look(elsewhere, request.readOnly(), isPayloadNeeded);
                if (isOfVeryFile(other, identity)) {
                    journal = other;
                } else {
                    other.close();
                }
            }
            if (journal == null && request.journal().isKept() && request.journalNamed()) {
                throw new Refusal(
                        Refusal.Kind.USAGE,
                        "a journal beside the " + image.kind() + " " + request.image()
                                + " is not possible; name one with --journal FILE, or serve without one: --journal none");
            }
            Findings findings = new Findings(
                    request,
                    image,
                    identity,
                    store,
                    reading,
                    journal,
                    elsewhere,
                    leftovers,
                    LeftImage.look(state, store, image, imageMade || request.adoptImage()),
                    imageMade);
            isComplete = true;
            return findings;
        } catch (IOException e) {
            throw new Refusal(
                    Refusal.Kind.FAILED, "image " + request.image() + " can't be looked at: " + e.getMessage(), e);
        } finally {
            if (!isComplete && journal != null) {
                journal.close();
            }
        }
    }

    private static Set<Path> memoryDirectories(ImageRequest request, @Nullable StateFile state) {
        Set<Path> directories = new LinkedHashSet<>();
        directories.add(request.ramDirectory());
        Path segment = state == null || state.segment() == null ? null : Path.of(state.segment());
        if (segment != null && segment.getParent() != null) {
            directories.add(segment.getParent());
        }
        return directories;
    }

    private static boolean isLikelyTakenOver(ImageRequest request, Leftovers leftovers) {
        boolean isThere = leftovers.memory() == Memory.CHANGES || leftovers.memory() == Memory.LOADED;
        return isThere && request.takesMemory() && !request.discardMemory();
    }

    private static StateFile.@Nullable Reading read(StateFileStore store) {
        try {
            byte[] content = store.read();
            return content == null ? null : StateFile.decode(content);
        } catch (IOException e) {
            return new StateFile.Reading.Damaged(String.valueOf(e.getMessage()));
        }
    }

    private static @Nullable StateFile stateOf(StateFile.@Nullable Reading reading) {
        return reading instanceof StateFile.Reading.Whole whole ? whole.state() : null;
    }

    /** Where the journal is, going by what was asked; null for an image with nothing beside it of which nobody says. */
    private static @Nullable Path namedJournal(ImageRequest request, Image image) {
        Path file = request.journal().file();
        return file != null ? file : image.journalBeside();
    }

    /** Whether a journal that only the state file names says that it is this very file's, and not that of which it is a copy. */
    private static boolean isOfVeryFile(FoundJournal journal, ImageIdentity identity) {
        JournalScan scan = journal.scan();
        return scan != null
                && scan.identity().filter(owner -> isOf(owner, identity)).isPresent();
    }

    private static boolean isOf(JournalIdentity owner, ImageIdentity image) {
        return owner.imageDevice() == image.device() && owner.imageInode() == image.inode();
    }

    // ---------------------------------------------------------------------------------------------- the situation

    private State stateSituation() {
        return switch (reading) {
            case null -> State.ABSENT;
            case StateFile.Reading.Damaged _ -> State.DAMAGED;
            case StateFile.Reading.Newer _ -> State.NEWER;
            case StateFile.Reading.Whole(StateFile state)
            when state.isClean() -> left.isChanged() ? State.CHANGED : State.CLEAN;
            case StateFile.Reading.Whole(StateFile state) when state.journal() != null -> State.DIRTY_JOURNALLED;
            case StateFile.Reading.Whole(StateFile state) ->
                state.mode().equals(Mode.UNSAFE.word()) ? State.DIRTY_UNSAFE : State.DIRTY_ORDINARY;
        };
    }

    private Journal journalSituation() {
        if (journal == null || !journal.exists()) {
            return Journal.ABSENT;
        }
        JournalScan scan = journal.scan();
        if (scan == null) {
            return Journal.NOT_A_JOURNAL;
        }
        return switch (scan.verdict()) {
            case NOT_A_JOURNAL -> Journal.NOT_A_JOURNAL;
            case NEWER_FORMAT -> Journal.NEWER_FORMAT;
            case DAMAGED, TRUNCATED -> Journal.DAMAGED;
            case MEDIA_FAULT -> Journal.MEDIA_FAULT;
            case SUSPENDED -> Journal.SUSPENDED;
            case EPOCHS -> endsTooEarly(scan) ? Journal.MEDIA_FAULT : Journal.EPOCHS;
            case CLEAN -> Journal.CLEAN;
            case EMPTY -> endsTooEarly(scan) ? Journal.MEDIA_FAULT : Journal.EMPTY;
        };
    }

    /** Memory knows what the journal had: a record that can't be read may look like the end of the log. */
    private boolean endsTooEarly(JournalScan scan) {
        return isLikelyTakenOver(request, leftovers)
                && scan.lastEpoch() < Objects.requireNonNull(leftovers.report()).committedEpoch();
    }

    private Bond bond() {
        JournalScan scan = scan();
        JournalIdentity owner = scan == null ? null : scan.identity().orElse(null);
        if (scan == null || owner == null) {
            return Bond.OTHER_IMAGE;
        }
        StateFile state = state();
        if (state == null) {
            return isOf(owner, identity) && owner.imageBytes() == image.sizeBytes() ? Bond.CURRENT : Bond.OTHER_IMAGE;
        }
        if (!owner.device().equals(state.deviceId())) {
            return Bond.OTHER_IMAGE;
        }
        if (scan.generation() == state.generation()) {
            // Of another size it can only be what somebody made of the image behind our back.
            return owner.imageBytes() == image.sizeBytes() || state.isClean() ? Bond.CURRENT : Bond.OTHER_TIME;
        }
        return scan.generation() == state.generationBefore() ? Bond.BEFORE : Bond.OTHER_TIME;
    }

    // ---------------------------------------------------------------------------------------------- what was found

    ImageRequest request() {
        return request;
    }

    Image image() {
        return image;
    }

    ImageIdentity identity() {
        return identity;
    }

    StateFileStore store() {
        return store;
    }

    /** What the state file says, if it can be read. */
    @Nullable
    StateFile state() {
        return stateOf(reading);
    }

    StateFile.@Nullable Reading reading() {
        return reading;
    }

    /** The journal that was looked at; null for an image with nothing beside it of which nobody says where it is. */
    @Nullable
    FoundJournal journal() {
        return journal;
    }

    @Nullable
    JournalScan scan() {
        return journal == null ? null : journal.scan();
    }

    /** Whether the journal says of this very image that it has everything, although the journal may be of no use any more. */
    boolean journalSaysClean() {
        JournalScan scan = scan();
        return scan != null
                && scan.saysClean()
                && scan.identity().filter(owner -> isOf(owner, identity)).isPresent();
    }

    /** The journal that the state file names, or null. */
    @Nullable
    Path journalOfState() {
        return journalElsewhere;
    }

    /** How the image compares with what its clean stop left. */
    LeftImage left() {
        return left;
    }

    Leftovers leftovers() {
        return leftovers;
    }

    /**
     * Whether who goes on from here may lack something that was acknowledged, or find something else than was written: the memory of an
     * unclean image is gone, in a mode that acknowledges from memory; or somebody else changed the image, and that is accepted.
     */
    boolean losesAcknowledged() {
        if (decision == StartDecision.TAKE_OVER || decision == StartDecision.TAKE_OVER_ANEW) {
            return false;
        }
        StateFile state = state();
        if (state == null) {
            return situation.journal() == Journal.EPOCHS || situation.journal() == Journal.SUSPENDED;
        }
        if (situation.state() == State.CHANGED
                || (request.adoptImage() && !state.suspect().isEmpty())) {
            return true;
        }
        return !state.isClean() && !state.mode().equals(Mode.WRITETHROUGH.word()) && !isMemoryWhole(state);
    }

    /** Whether the daemon's memory is still there, and holds nothing that the image lacks. */
    private boolean isMemoryWhole(StateFile state) {
        return state.segment() != null
                && (leftovers.memory() == Memory.NONE || leftovers.memory() == Memory.LOADED)
                && leftovers.files().contains(Path.of(state.segment()));
    }

    StartSituation situation() {
        return situation;
    }

    StartDecision decision() {
        return decision;
    }

    /** Gives back the memory of the journal's scan, which a device that is served has no use for. */
    void closeScan() {
        if (journal != null) {
            journal.closeScan();
        }
    }

    @Override
    public void close() {
        if (journal != null) {
            journal.close();
        }
    }
}
