package ramback.sim;

import static java.nio.charset.StandardCharsets.US_ASCII;

import java.io.IOException;
import java.util.HexFormat;
import java.util.UUID;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import ramback.device.Mode;
import ramback.journal.JournalIdentity;
import ramback.journal.JournalScan;
import ramback.journal.LocalJournal;
import ramback.journal.Recovery;
import ramback.journal.StartDecision;
import ramback.journal.StartSituation;
import ramback.journal.StartSituation.Bond;
import ramback.journal.StartSituation.Journal;
import ramback.journal.StartSituation.Memory;
import ramback.journal.StartSituation.State;
import ramback.journal.StateFile;
import ramback.journal.StateFile.CleanImage;
import ramback.memory.SharedSegment;
import ramback.memory.SharedSegment.Leftover;
import ramback.memory.SharedSegment.LeftoverReport;
import ramback.sim.Oracle.Outcome;
import ramback.sim.Oracle.StateFileSink;
import ramback.sim.Oracle.Verdict;
import ramback.writeback.WriteBehind;

/**
 * What the engine does about an image and what lies beside it, step by step in its order: look, decide by the table, recover, write the
 * state file, fence the journal; later write the mode, and at the end say that all is clean.
 */
final class Attachment {

    private static final UUID DEVICE = new UUID(0x51a11ab5L, 0x1234L);
    private static final String JOURNAL = "/simulated/journal";

    private final SimDisk journal;
    private final StateFileSink sink;
    private final LongSupplier chance;
    private final long imageBytes;
    private StateFile state;

    private Attachment(SimDisk journal, StateFileSink sink, LongSupplier chance, long imageBytes, StateFile state) {
        this.journal = journal;
        this.sink = sink;
        this.chance = chance;
        this.imageBytes = imageBytes;
        this.state = state;
    }

    static JournalIdentity identity(int chunkBytes, long imageBytes) {
        return new JournalIdentity(DEVICE, chunkBytes, imageBytes, 1, 2);
    }

    // ------------------------------------------------------------------------------------------------------- start

    /**
     * Writes the state file of a new attachment, in front of {@link #open}.
     *
     * @param chance random numbers, for the generation and the salt
     * @param afterKill whether a process before this one was killed
     */
    static Attachment begin(
            SimDisk image, SimDisk journal, Mode mode, StateFileSink sink, LongSupplier chance, boolean afterKill)
            throws IOException {
        JournalScan scan = JournalScan.ofRecords(journal);
        // The engine does so always. Nobody else leaves anything unsynced, and so the other runs stay as they were.
        if (afterKill) {
            LocalJournal.settle(journal);
        }
        StateFile state =
                new StateFile(DEVICE, chance.getAsLong() | 1, scan.generation(), mode.word(), JOURNAL, null, "b", null);
        sink.replace(text(state));
        return new Attachment(journal, sink, chance, image.sizeBytes(), state);
    }

    /**
     * Looks at what a killed process left, in front of {@link #open}.
     *
     * @param memory what was found of its memory
     * @return what goes on with that memory; or null when nobody was ever served from it, and the start is one after a clean stop
     */
    static @Nullable Attachment takeOver(
            SimDisk image,
            SimDisk journal,
            @Nullable String stateFile,
            LeftoverReport memory,
            long ringBytes,
            StateFileSink sink,
            LongSupplier chance)
            throws IOException {
        StateFile state = stateFile == null ? null : decoded(stateFile);
        JournalScan scan = JournalScan.ofRecords(journal);
        StartDecision decision = StartDecision.of(situation(scan, state, memory));
        switch (decision) {
            case START_CLEAN -> {
                return null;
            }
            case TAKE_OVER -> makeRoom(image, journal, scan, memory, ringBytes);
            case TAKE_OVER_ANEW -> Recovery.suspend(journal, scan);
            default ->
                throw new AssertionError("a killed process left what is called " + decision + ", journal "
                        + scan.verdict() + ": " + scan.fault().orElse("no more is known"));
        }
        return new Attachment(journal, sink, chance, image.sizeBytes(), state);
    }

    /** As {@code Attachment.withRoom} of the engine. */
    private static void makeRoom(
            SimDisk image, SimDisk journal, JournalScan scan, LeftoverReport memory, long ringBytes)
            throws IOException {
        long neededBytes = WriteBehind.journalBytesOf(
                memory.layout().chunkBytes(), ringBytes, memory.dirtyDataChunks(), memory.dirtyZeroRuns());
        boolean fits = scan.usedBytes() + neededBytes <= scan.capacityBytes() && scan.mayBeFenced();
        if (!fits && scan.verdict() == JournalScan.Verdict.EPOCHS) {
            JournalScan whole = JournalScan.of(journal);
            if (whole.verdict() == JournalScan.Verdict.EPOCHS) {
                Recovery.run(journal, whole, image, whole.lastEpoch(), false, (done, total) -> {});
            } else {
                Recovery.suspend(journal, whole);
            }
        }
    }

    /** Whose changes the memory holds from now on. */
    void bind(SharedSegment segment) {
        segment.bind(DEVICE, state.generation());
    }

    /** The mode that what is there is good for. */
    Mode mode(LocalJournal log) {
        return log.isSuspended() ? Mode.UNSAFE : Mode.ofWord(state.mode()).orElseThrow();
    }

    private static String text(StateFile state) {
        return new String(state.encode(), US_ASCII);
    }

    /** Opens the journal and fences it. */
    LocalJournal open() throws IOException {
        LocalJournal log = LocalJournal.open(journal, JournalScan.ofRecords(journal), state.generation(), chance);
        boolean isFenced = false;
        try {
            log.fence();
            isFenced = true;
            return log;
        } finally {
            if (!isFenced) {
                log.close();
                journal.reopen();
            }
        }
    }

    // ----------------------------------------------------------------------------------------------------- service

    void setMode(Mode mode) {
        state = state.inMode(mode.word());
        sink.replace(text(state));
    }

    /** Says that the image, which was synced, has everything. */
    void setClean(LocalJournal log) throws IOException {
        log.markClean();
        state = state.cleaned(new CleanImage(imageBytes, 0, 0), null);
        sink.replace(text(state));
    }

    // ------------------------------------------------------------------------------------------- after a power failure

    /**
     * Does what {@code up} does with what it finds.
     *
     * @param goesOn whether it attaches afterwards
     */
    static Verdict restore(
            SimDisk image, SimDisk journal, @Nullable String stateFile, StateFileSink sink, boolean goesOn) {
        try {
            JournalScan scan = JournalScan.of(journal);
            StateFile state = stateFile == null ? null : decoded(stateFile);
            StartDecision decision = StartDecision.of(situation(scan, state, null));
            Verdict verdict = switch (decision) {
                case RECOVER -> {
                    Recovery.Outcome outcome =
                            Recovery.run(journal, scan, image, scan.lastEpoch(), false, (done, total) -> {});
                    yield new Verdict(Outcome.RESTORED, outcome.epoch(), "recovered");
                }
                case START_CLEAN -> new Verdict(Outcome.RESTORED, scan.retiredEpoch(), "journal " + scan.verdict());
                case TORN -> new Verdict(Outcome.TORN, -1, "torn");
                default ->
                    new Verdict(
                            Outcome.MEDIA_FAULT,
                            -1,
                            decision + ", journal " + scan.verdict() + ": "
                                    + scan.fault().orElse("no more is known"));
            };
            if (goesOn && verdict.outcome() == Outcome.RESTORED) {
                long seed = TraceHash.mix(scan.generation());
                Attachment attached = begin(image, journal, Mode.WRITEBACK, sink, () -> seed, false);
                attached.open().close();
            }
            return verdict;
        } catch (IOException e) {
            throw new AssertionError("a healthy disk failed in a recovery", e);
        }
    }

    private static StartSituation situation(
            JournalScan scan, @Nullable StateFile state, @Nullable LeftoverReport report) {
        State stateFound = state == null ? State.ABSENT : state.isClean() ? State.CLEAN : State.DIRTY_JOURNALLED;
        Journal journalFound = switch (scan.verdict()) {
            case NOT_A_JOURNAL -> Journal.NOT_A_JOURNAL;
            case NEWER_FORMAT -> Journal.NEWER_FORMAT;
            case DAMAGED, TRUNCATED -> Journal.DAMAGED;
            case MEDIA_FAULT -> Journal.MEDIA_FAULT;
            case SUSPENDED -> Journal.SUSPENDED;
            case EPOCHS -> endsTooEarly(scan, state, report) ? Journal.MEDIA_FAULT : Journal.EPOCHS;
            case CLEAN -> Journal.CLEAN;
            case EMPTY -> endsTooEarly(scan, state, report) ? Journal.MEDIA_FAULT : Journal.EMPTY;
        };
        Bond bond = Bond.CURRENT;
        if (state != null && scan.generation() != state.generation()) {
            bond = scan.generation() == state.generationBefore() ? Bond.BEFORE : Bond.OTHER_TIME;
        }
        Memory memory = !isOfAttachment(state, report)
                ? Memory.NONE
                : report.dirtyChunks() > 0 ? Memory.CHANGES : Memory.LOADED;
        return new StartSituation(
                stateFound, journalFound, bond, memory, true, false, true, false, false, false, false);
    }

    private static boolean isOfAttachment(@Nullable StateFile state, @Nullable LeftoverReport report) {
        return state != null
                && report != null
                && report.leftover() == Leftover.WHOLE
                && report.generation() == state.generation()
                && DEVICE.equals(report.device());
    }

    /** Memory knows what the journal had. */
    private static boolean endsTooEarly(JournalScan scan, @Nullable StateFile state, @Nullable LeftoverReport report) {
        return isOfAttachment(state, report) && scan.lastEpoch() < report.committedEpoch();
    }

    private static StateFile decoded(String text) {
        StateFile.Reading reading = StateFile.decode(text.getBytes(US_ASCII));
        if (reading instanceof StateFile.Reading.Whole(StateFile state)) {
            return state;
        }
        throw new AssertionError("the state file can't be read: " + reading);
    }

    @Override
    public String toString() {
        return "attachment " + HexFormat.of().toHexDigits(state.generation());
    }
}
