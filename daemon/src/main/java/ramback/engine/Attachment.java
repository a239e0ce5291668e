package ramback.engine;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import ramback.backing.FileBacking;
import ramback.backing.WatchedBacking;
import ramback.clock.Clock;
import ramback.device.Mode;
import ramback.journal.EpochLog;
import ramback.journal.ImageChecksums;
import ramback.journal.JournalIdentity;
import ramback.journal.JournalScan;
import ramback.journal.LocalJournal;
import ramback.journal.NoJournal;
import ramback.journal.Recovery;
import ramback.journal.StartDecision;
import ramback.journal.StateFile;
import ramback.journal.StateFile.Blocks;
import ramback.journal.StateFileStore;
import ramback.memory.ImageIdentity;
import ramback.memory.SharedSegment;
import ramback.memory.SharedSegment.LeftoverReport;
import ramback.writeback.WriteBehind;

/**
 * An image and what lies beside it, while a device is served from it: the journal, open and fenced, and the state file, which says so.
 * Everything durable about a start, a change of mode and a clean stop goes through here, each in its order. Read-only there is
 * neither.
 */
final class Attachment {

    private static final SecureRandom RANDOM = new SecureRandom();

    private final Image image;
    private final EpochLog log;
    private final @Nullable Path journalPath;
    private final @Nullable WatchedBacking journal;
    private final boolean journalMade;
    private final @Nullable StateFileStore store;
    private final boolean stateMade;
    private final Mode mode;
    private final LeftImage left;
    private final List<Blocks> suspect;
    private final DeviceLife life;
    /** The generation that the image was left in; where nothing says so, this one's. */
    private final long generationBefore;

    private @Nullable StateFile state;

    private Attachment(
            Image image,
            EpochLog log,
            @Nullable Path journalPath,
            @Nullable WatchedBacking journal,
            boolean journalMade,
            @Nullable StateFileStore store,
            boolean stateMade,
            Mode mode,
            LeftImage left,
            List<Blocks> suspect,
            DeviceLife life,
            long generationBefore,
            @Nullable StateFile state) {
        this.image = image;
        this.log = log;
        this.journalPath = journalPath;
        this.journal = journal;
        this.journalMade = journalMade;
        this.store = store;
        this.stateMade = stateMade;
        this.mode = mode;
        this.left = left;
        this.suspect = suspect;
        this.life = life;
        this.generationBefore = generationBefore;
        this.state = state;
    }

    // ---------------------------------------------------------------------------------------------- start

    /**
     * Refuses a size of the journal that the one that is there does not have, and one in which a write might never find room; before
     * anything is changed.
     */
    static void checkJournalSize(Findings found, DeviceOptions options) throws Refusal {
        OptionalLong askedBytes = options.journal().sizeBytes();
        FoundJournal journal = found.journal();
        FileBacking backing = journal == null ? null : journal.backing();
        if (askedBytes.isPresent()
                && backing != null
                && journal != null
                && askedBytes.getAsLong() / 4096 * 4096 != backing.sizeBytes()) {
            throw new Refusal(
                    Refusal.Kind.USAGE,
                    "journal " + journal.path() + " has " + backing.sizeBytes() + " bytes, not the "
                            + askedBytes.getAsLong()
                            + " of --journal-size; leave --journal-size out, or remove the journal after a clean stop");
        }
        if (found.decision() != StartDecision.START_ORDINARY && journal != null) {
            checkJournalRoom(found, options, journal);
        }
    }

    private static void checkJournalRoom(Findings found, DeviceOptions options, FoundJournal journal) throws Refusal {
        int chunkBytes = options.chunkBytes();
        long neededBytes = LocalJournal.sizeBytes(WriteBehind.journalBytesMin(chunkBytes, Engine.RING_BYTES));
        FileBacking backing = journal.backing();
        long sizeBytes = backing == null
                ? journal.sizeBytesToMake(options.journal(), found.image().sizeBytes())
                : backing.sizeBytes();
        if (sizeBytes >= neededBytes) {
            return;
        }
        String remedy = backing == null
                ? "give --journal-size " + neededBytes + " or a smaller --chunk"
                : "choose a smaller --chunk, or another --journal-size after a clean stop, when the journal may be removed";
        throw new Refusal(
                Refusal.Kind.USAGE,
                (backing == null ? "a journal" : "journal " + journal.path()) + " of " + sizeBytes
                        + " bytes is too small for chunks of " + chunkBytes + " bytes: at least " + neededBytes
                        + " are needed; " + remedy);
    }

    /** Brings into the image what its journal holds, if that has been decided. */
    static void recover(Findings found, WorkProgress progress) throws Refusal {
        if (found.decision() != StartDecision.RECOVER) {
            return;
        }
        JournalScan scan = Objects.requireNonNull(found.scan());
        FoundJournal journal = Objects.requireNonNull(found.journal());
        FileBacking backing = Objects.requireNonNull(journal.backing());
        String name = found.image().place();
        try {
            Recovery.Outcome outcome = Recovery.run(
                    backing,
                    scan,
                    found.image().backing(),
                    scan.lastEpoch(),
                    false,
                    (doneBytes, totalBytes) -> progress.at("recovering " + name, doneBytes, totalBytes));
            // It is in the image, and is scanned once more when the journal is opened.
            journal.closeScan();
            progress.note(name + " was not stopped cleanly and is recovered: " + said(outcome));
        } catch (IOException e) {
            throw new Refusal(
                    Refusal.Kind.FAILED,
                    "image " + name + " could not be recovered: " + e.getMessage()
                            + "; its journal still holds everything, so mend the disk and try again",
                    e);
        }
    }

    static String said(Recovery.Outcome outcome) {
        return "epoch " + outcome.epoch()
                + outcome.committedAt().map(at -> " of " + at).orElse("") + ", " + outcome.writtenBytes()
                + " bytes written, " + outcome.zeroedBytes() + " bytes zeroed";
    }

    /**
     * Attaches what was found, after {@link #recover}: makes the journal if there is none, writes the state file, fences the
     * journal. Nothing is left of it when it throws.
     *
     * @param segment where the memory lies
     */
    static Attachment attach(Findings found, DeviceOptions options, Path segment, WorkProgress progress)
            throws Refusal {
        Image image = found.image();
        if (options.readOnly()) {
            DeviceLife readOnlyLife = readOnlyLife(found);
            return new Attachment(
                    image,
                    new NoJournal(),
                    null,
                    null,
                    false,
                    null,
                    false,
                    options.startMode(),
                    found.left(),
                    suspectOf(found),
                    readOnlyLife,
                    readOnlyLife.generation(),
                    null);
        }
        boolean keepsJournal = found.decision() != StartDecision.START_ORDINARY;
        FoundJournal journal = null;
        boolean isMade = false;
        boolean isStateWritten = false;
        boolean isComplete = false;
        try {
            UUID device;
            JournalScan scan = null;
            if (keepsJournal) {
                isMade = found.decision() == StartDecision.START_FRESH;
                device = deviceOf(found);
                JournalIdentity identity = identity(device, options, image, found.identity());
                journal = isMade ? make(found, options, identity, progress) : reuse(found, identity);
                scan = journal.scan();
            } else {
                device = deviceOf(found);
            }
            StateFile state = new StateFile(
                    device,
                    generation(),
                    scan == null ? 0 : scan.generation(),
                    options.startMode().word(),
                    journal == null ? null : journal.path().toString(),
                    segment.toString(),
                    bootId(),
                    null,
                    exportGenerationOf(found),
                    suspectOf(found));
            isStateWritten = true;
            write(found.store(), state);
            WatchedBacking watched = watched(journal);
            EpochLog log = open(watched, journal, state.generation());
            if (options.startMode() == Mode.UNSAFE && log.keepsVersions()) {
                // Before anything is written in place.
                log.suspend();
            }
            Attachment attachment = new Attachment(
                    image,
                    log,
                    journal == null ? null : journal.path(),
                    watched,
                    isMade,
                    found.store(),
                    found.reading() == null,
                    options.startMode(),
                    found.left(),
                    state.suspect(),
                    lifeOf(state),
                    generationBefore(found, state),
                    state);
            isComplete = true;
            return attachment;
        } catch (IOException e) {
            throw new Refusal(
                    Refusal.Kind.FAILED, "image " + options.image() + " can't be served: " + e.getMessage(), e);
        } finally {
            if (!isComplete) {
                takeBack(found, isStateWritten, journal, isMade);
            }
        }
    }

    private static DeviceLife lifeOf(StateFile state) {
        return new DeviceLife(state.deviceId(), state.generation(), state.exportGeneration());
    }

    /** Nothing is written down of it: where the image has no state file it is never met again. */
    private static DeviceLife readOnlyLife(Findings found) {
        StateFile state = found.state();
        return state == null
                ? new DeviceLife(UUID.randomUUID(), generation(), exportGenerationOf(found))
                : new DeviceLife(state.deviceId(), state.generation(), exportGenerationOf(found));
    }

    private static long generationBefore(Findings found, StateFile now) {
        StateFile before = found.state();
        return before == null ? now.generation() : before.generation();
    }

    private static long exportGenerationOf(Findings found) {
        StateFile state = found.state();
        return (state == null ? 0 : state.exportGeneration()) + (found.losesAcknowledged() ? 1 : 0);
    }

    private static List<Blocks> suspectOf(Findings found) {
        StateFile state = found.state();
        return state == null || found.request().adoptImage() ? List.of() : state.suspect();
    }

    private static UUID deviceOf(Findings found) {
        StateFile state = found.state();
        if (state != null) {
            return state.deviceId();
        }
        // A journal without a state file has been found to be this image's, or it is not going to be used.
        JournalScan scan = found.decision() == StartDecision.START_ORDINARY ? null : found.scan();
        return scan == null ? UUID.randomUUID() : scan.identity().orElseThrow().device();
    }

    private static JournalIdentity identity(UUID device, DeviceOptions options, Image image, ImageIdentity identity) {
        return new JournalIdentity(
                device, options.chunkBytes(), image.sizeBytes(), identity.device(), identity.inode());
    }

    private static FoundJournal make(
            Findings found, DeviceOptions options, JournalIdentity identity, WorkProgress progress) throws Refusal {
        Path path = Objects.requireNonNull(found.journal()).path();
        long sizeBytes = found.journal().sizeBytesToMake(options.journal(), identity.imageBytes());
        return FoundJournal.create(path, identity, sizeBytes, false, progress);
    }

    /**
     * The journal that is there; what is given up in it is discarded, and it is made anew in place where it was one for other chunks. In
     * an order in which it may be broken off anywhere and begun again: journal, state file, format.
     */
    private static FoundJournal reuse(Findings found, JournalIdentity identity) throws Refusal, IOException {
        FoundJournal journal = Objects.requireNonNull(found.journal());
        FileBacking backing = Objects.requireNonNull(journal.backing());
        JournalScan scan = found.decision() == StartDecision.RECOVER
                ? JournalScan.ofRecords(backing)
                : Objects.requireNonNull(journal.scan());
        if (scan.verdict() == JournalScan.Verdict.SUSPENDED) {
            // A clean state beside a journal that says otherwise would be of another time, and nothing would be
            // accepted any more.
            found.image().backing().sync();
            Recovery.discard(backing, scan);
            scan = JournalScan.ofRecords(backing);
        }
        if (!scan.identity().equals(Optional.of(identity))) {
            StateFile before = found.state();
            if (before != null && !before.isClean()) {
                // The image is whole, and a new journal has no generation by which that could be seen.
                write(found.store(), before.cleaned(found.image().cleanImage(), null));
            }
            LocalJournal.format(backing, identity, scan.highestEpoch());
            scan = JournalScan.ofRecords(backing);
        }
        // The state file is going to say which generation the journal is of until it is fenced.
        LocalJournal.settle(backing);
        return new FoundJournal(journal.path(), true, backing, scan);
    }

    private static @Nullable WatchedBacking watched(@Nullable FoundJournal journal) {
        return journal == null ? null : new WatchedBacking(Objects.requireNonNull(journal.backing()), Clock.SYSTEM);
    }

    private static EpochLog open(@Nullable WatchedBacking watched, @Nullable FoundJournal journal, long generation)
            throws IOException {
        if (watched == null || journal == null) {
            return new NoJournal();
        }
        LocalJournal log =
                LocalJournal.open(watched, Objects.requireNonNull(journal.scan()), generation, Attachment::generation);
        journal.closeScan();
        log.fence();
        return log;
    }

    // ---------------------------------------------------------------------------------------------- take over

    /**
     * Goes on where a daemon that is gone left off, with its memory, its state file and its journal: the generation stays, so that it may
     * be broken off anywhere and begun again, with the memory or, by recovery, without. What is not needed any more is made anew. The
     * journal is as it was when this throws, or as good.
     *
     * @param segment where the memory lies
     */
    static Attachment takeOver(Findings found, DeviceOptions options, Path segment, WorkProgress progress)
            throws Refusal {
        StateFile before = Objects.requireNonNull(found.state());
        FoundJournal journal = null;
        boolean isComplete = false;
        try {
            StateFile state = new StateFile(
                    before.deviceId(),
                    before.generation(),
                    before.generationBefore(),
                    before.mode(),
                    before.journal() == null
                            ? null
                            : Objects.requireNonNull(found.journal()).path().toString(),
                    segment.toString(),
                    bootId(),
                    null,
                    before.exportGeneration(),
                    suspectOf(found));
            if (before.journal() != null && found.decision() == StartDecision.TAKE_OVER_ANEW) {
                journal = makeAnew(found, options, state, progress);
            } else {
                journal = before.journal() == null ? null : withRoom(found, options, progress);
                // Also when it says the same: who was killed may have renamed it and not made that durable.
                write(found.store(), state);
            }
            WatchedBacking watched = watched(journal);
            EpochLog log = open(watched, journal, state.generation());
            Attachment attachment = new Attachment(
                    found.image(),
                    log,
                    journal == null ? null : journal.path(),
                    watched,
                    false,
                    found.store(),
                    false,
                    // The journal's word: while it says that the image may be torn, nothing else is promised.
                    log.isSuspended() ? Mode.UNSAFE : Mode.ofWord(state.mode()).orElse(options.mode()),
                    found.left(),
                    state.suspect(),
                    lifeOf(state),
                    state.generation(),
                    state);
            isComplete = true;
            return attachment;
        } catch (IOException e) {
            throw new Refusal(
                    Refusal.Kind.FAILED,
                    "image " + options.image() + " can't be served: " + e.getMessage()
                            + "; its memory is as it was, so mend that and try again",
                    e);
        } finally {
            if (!isComplete && journal != null) {
                journal.close();
            }
        }
    }

    /** The journal is missing or can't be read: a new one says that the image may be torn, until it has what the image lacks. */
    private static FoundJournal makeAnew(Findings found, DeviceOptions options, StateFile state, WorkProgress progress)
            throws Refusal, IOException {
        FoundJournal journal = Objects.requireNonNull(found.journal());
        FileBacking backing = journal.backing();
        progress.note(found.image().place() + " goes on from memory alone, because its journal " + journal.path()
                + (backing == null ? " is missing" : " is damaged") + ": it is in the mode unsafe until a new one has"
                + " what the image lacks");
        if (backing != null) {
            Recovery.suspend(backing, Objects.requireNonNull(journal.scan()));
            write(found.store(), state);
            return new FoundJournal(journal.path(), true, backing, JournalScan.ofRecords(backing));
        }
        // First: until it is fenced a new journal has no generation, and counts as what was there before.
        write(
                found.store(),
                new StateFile(
                        state.deviceId(),
                        state.generation(),
                        0,
                        state.mode(),
                        state.journal(),
                        state.segment(),
                        state.bootId(),
                        null,
                        state.exportGeneration(),
                        state.suspect()));
        JournalIdentity identity = identity(state.deviceId(), options, found.image(), found.identity());
        return FoundJournal.create(
                journal.path(),
                identity,
                journal.sizeBytesToMake(options.journal(), identity.imageBytes()),
                true,
                progress);
    }

    /**
     * The journal as it was left. The first epoch has everything that the image lacks, also what the journal has of it: should that not
     * fit behind it, what the journal has is brought into the image first.
     */
    private static FoundJournal withRoom(Findings found, DeviceOptions options, WorkProgress progress)
            throws IOException {
        FoundJournal journal = Objects.requireNonNull(found.journal());
        FileBacking backing = Objects.requireNonNull(journal.backing());
        JournalScan scan = Objects.requireNonNull(journal.scan());
        LeftoverReport memory = Objects.requireNonNull(found.leftovers().report());
        long neededBytes = WriteBehind.journalBytesOf(
                options.chunkBytes(), Engine.RING_BYTES, memory.dirtyDataChunks(), memory.dirtyZeroRuns());
        boolean fits = scan.usedBytes() + neededBytes <= scan.capacityBytes() && scan.mayBeFenced();
        if (fits || scan.verdict() != JournalScan.Verdict.EPOCHS) {
            return journal;
        }
        journal.closeScan();
        String name = found.image().place();
        try (JournalScan whole = JournalScan.of(backing)) {
            if (whole.verdict() == JournalScan.Verdict.EPOCHS) {
                Recovery.run(
                        backing,
                        whole,
                        found.image().backing(),
                        whole.lastEpoch(),
                        false,
                        (doneBytes, totalBytes) ->
                                progress.at("applying the journal of " + name, doneBytes, totalBytes));
            } else {
                // Memory has all of it, too.
                Recovery.suspend(backing, whole);
            }
        }
        progress.note(name + " had a full journal, which was applied first");
        return new FoundJournal(journal.path(), true, backing, JournalScan.ofRecords(backing));
    }

    /** The mode that what is there is good for: the one in which it was served, or is from now on. */
    Mode mode() {
        return mode;
    }

    /** Says in the memory whose changes it holds, so that the next process may take it over. */
    void bind(SharedSegment segment) {
        StateFile now = state;
        if (now != null) {
            segment.bind(now.deviceId(), now.generation());
        }
    }

    static String bootId() throws IOException {
        return Files.readString(Path.of("/proc/sys/kernel/random/boot_id")).strip();
    }

    private static long generation() {
        long value;
        do {
            value = RANDOM.nextLong();
        } while (value == 0); // which stands for none
        return value;
    }

    static void write(StateFileStore store, StateFile state) throws Refusal {
        try {
            store.replace(state.encode());
        } catch (IOException e) {
            throw new Refusal(
                    Refusal.Kind.FAILED,
                    "state file " + store.place() + " can't be written: " + e.getMessage()
                            + "; make its directory writable, or set RAMBACK_STATE_DIR to one that is",
                    e);
        }
    }

    /**
     * Nothing was served: what was there before is there again. A state that was not clean stays as it is now, since it fits the journal
     * whether that was fenced or not; but for a journal that was made, which goes when no state needs it any more.
     */
    static void takeBack(Findings found, boolean isStateWritten, @Nullable FoundJournal journal, boolean isMade) {
        try {
            if (!isStateWritten) {
                // As it was.
            } else if (found.reading() == null) {
                found.store().remove();
            } else if (found.state() != null && (isMade || found.state().isClean())) {
                found.store().replace(found.state().encode());
            }
            if (journal != null && isMade) {
                FoundJournal.remove(journal.path());
            }
        } catch (IOException e) {
            warn(e);
        }
        if (journal != null) {
            journal.close();
        }
    }

    private static void warn(Exception e) {
        System.getLogger(Attachment.class.getName())
                .log(System.Logger.Level.WARNING, "not everything could be tidied up: {0}", e.getMessage());
    }

    // ---------------------------------------------------------------------------------------------- service

    /** The log of epochs. */
    EpochLog log() {
        return log;
    }

    /** The journal's file, or null if none is kept. */
    @Nullable
    Path journalPath() {
        return journalPath;
    }

    /** The size of that file. */
    long journalSizeBytes() {
        return journal == null ? 0 : journal.sizeBytes();
    }

    /** The journal's disk, whose calls are watched, or null if none is kept. */
    @Nullable
    WatchedBacking journal() {
        return journal;
    }

    /** Says durably that the device is served in this mode. */
    synchronized void setMode(Mode mode) throws IOException {
        StateFile now = state;
        if (now != null && store != null && !now.mode().equals(mode.word())) {
            StateFile next = now.inMode(mode.word());
            store.replace(next.encode());
            state = next;
        }
    }

    /** How often a start had to go on without acknowledged writes. */
    long exportGeneration() {
        return life.exportGeneration();
    }

    /** Which device it is, and how far it has come. */
    DeviceLife life() {
        return life;
    }

    /** The generation that the image was left in before. */
    long generationBefore() {
        return generationBefore;
    }

    /** What the image held at its clean stop; where that is not known, that nothing is. */
    ImageChecksums checksums() {
        ImageChecksums held = left.checksums();
        return held == null ? ImageChecksums.unknown(image.sizeBytes()) : held;
    }

    /** Where the image was found changed by somebody else before this start, and that was not accepted. */
    List<Blocks> suspect() {
        return suspect;
    }

    /** Says durably where the image was found changed by somebody else, so that no crash makes it good. */
    synchronized void setSuspect(List<Blocks> blocks) {
        StateFile now = state;
        if (now != null && store != null) {
            try {
                StateFile next = now.suspecting(blocks);
                store.replace(next.encode());
                state = next;
            } catch (IOException e) {
                warn(e);
            }
        }
    }

    /** The bytes of some blocks, in words. */
    static String saidOf(List<Blocks> ranges) {
        Blocks first = ranges.getFirst();
        String bytes = "bytes " + first.first() * ImageChecksums.BLOCK_BYTES + " to "
                + ((first.last() + 1) * ImageChecksums.BLOCK_BYTES - 1);
        return ranges.size() == 1 ? bytes : bytes + " and " + (ranges.size() - 1) + " more ranges";
    }

    // ---------------------------------------------------------------------------------------------- stop

    /**
     * Says durably, in the journal and then in the state file, that the image has everything; it has been synced. The state file
     * says so even when the journal can't: what is still in the journal is then refused as of another time, and is never
     * applied to an image that was used without it. Its checksums come before both: without them the image is as whole, and the next
     * start says that they are missing.
     *
     * @param held what the image holds now
     * @param suspect where somebody else changed it, and nobody has overwritten that
     * @param keptSegment the memory that is left for the next start, or null
     * @throws Refusal when one of the two could not be told, and what to do about it
     */
    synchronized void setClean(ImageChecksums held, List<Blocks> suspect, @Nullable Path keptSegment) throws Refusal {
        writeChecksums(held);
        IOException unmarked = null;
        try {
            log.markClean();
        } catch (IOException e) {
            unmarked = e;
        }
        StateFile now = state;
        if (now != null && store != null) {
            try {
                // The times that are noted must be there after a power failure too.
                image.syncTimes();
                StateFile next = now.cleaned(image.cleanImage(), keptSegment == null ? null : keptSegment.toString())
                        .suspecting(suspect);
                store.replace(next.encode());
                state = next;
            } catch (IOException e) {
                throw new Refusal(
                        Refusal.Kind.FAILED,
                        "image " + image.place() + " is whole, but state file " + store.place()
                                + " could not be marked as clean: " + e.getMessage() + "; run 'ramback recover "
                                + image.place() + "' before anything but ramback uses it",
                        e);
            }
        }
        if (unmarked != null) {
            throw new Refusal(
                    Refusal.Kind.FAILED,
                    "image " + image.place() + " is whole, but journal " + journalPath
                            + " could not be marked as clean: " + unmarked.getMessage()
                            + "; move it away, and the next 'ramback up' makes a new one",
                    unmarked);
        }
    }

    private void writeChecksums(ImageChecksums held) {
        StateFile now = state;
        if (now == null || store == null) {
            return;
        }
        try {
            store.replaceChecksums(held.encode(now.deviceId(), now.generation()));
        } catch (IOException e) {
            warn(e);
        }
    }

    /** Takes it all back, when nothing was served: as a clean stop, and without what was made. */
    void withdraw() {
        try {
            if (store != null) {
                setClean(checksums(), suspect(), null);
            }
        } catch (Refusal e) {
            warn(e);
        }
        try {
            close();
            remove();
        } catch (IOException e) {
            warn(e);
        }
    }

    /** Gives the journal back. */
    void close() throws IOException {
        log.close();
    }

    /** Removes what this start made beside the image, for when nothing was ever written to the device. */
    void remove() throws IOException {
        if (stateMade && store != null) {
            store.remove();
        }
        boolean isNeeded = !stateMade && state != null && !state.isClean();
        if (journalMade && journalPath != null && !isNeeded) {
            FoundJournal.remove(journalPath);
        }
    }
}
