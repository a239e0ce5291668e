package ramback.engine;

import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import ramback.journal.ImageChecksums;
import ramback.journal.JournalScan;
import ramback.journal.StartDecision;
import ramback.journal.StartSituation.Bond;
import ramback.journal.StartSituation.Memory;
import ramback.journal.StartSituation.State;
import ramback.journal.StateFile;
import ramback.memory.SharedSegment;
import ramback.memory.SharedSegment.LeftoverReport;

/** What is said when an image is not served as it was found: what happened, what would be lost, and how to go on. */
final class StartRefusals {

    private static final String UNKNOWN_LOSS = "without which all that was committed and had not reached the image is"
            + " lost, and the image may be a mixture of old and new";

    private final Findings found;
    private final String image;
    private final String journal;

    private StartRefusals(Findings found) {
        this.found = found;
        this.image = "image " + found.request().image();
        FoundJournal file = found.journal();
        this.journal = file == null ? "its journal" : "journal " + file.path();
    }

    /** The refusal of a decision that is one. */
    static Refusal of(Findings found) {
        StartDecision decision = found.decision();
        Refusal.Kind kind = decision == StartDecision.IMAGE_IN_USE ? Refusal.Kind.FAILED : Refusal.Kind.PROTECTED;
        return new Refusal(kind, new StartRefusals(found).text(decision));
    }

    private String text(StartDecision decision) {
        return switch (decision) {
            case START_FRESH, START_CLEAN, START_ORDINARY, RECOVER, TAKE_OVER, TAKE_OVER_ANEW ->
                throw new IllegalArgumentException(decision + " is no refusal");
            case IMAGE_IN_USE ->
                image + " is in use: its memory segment " + found.leftovers().segment() + " is locked by a live daemon";
            case IMAGE_MISSING -> imageMissing();
            case LIVE_MEMORY -> liveMemory();
            case MEMORY_WITHOUT_JOURNAL ->
                image + " was served without a journal by a daemon that is gone, and its memory "
                        + found.leftovers().segment()
                        + " is to be taken over in the same way: give --journal none, and a journal after a clean stop";
            case STATE_NEWER ->
                "state file " + found.store().place() + " of " + image + " has format " + newerVersion()
                        + ", and this ramback" + " reads up to " + StateFile.VERSION
                        + "; use the newer ramback that wrote it";
            case STATE_DAMAGED ->
                "state file " + found.store().place() + " of " + image + " can't be read (" + damage()
                        + "), so nobody knows what the image needs; remove it to go by the journal alone, or, where there is"
                        + " none, to take the image as it is";
            case IMAGE_CHANGED -> imageChanged();
            case JOURNAL_NEEDED ->
                image + " was not stopped cleanly and needs its journal" + ofState() + ", " + loss()
                        + "; leave --journal none out, or run" + " 'ramback recover "
                        + found.request().image() + "' first";
            case JOURNAL_MISSING ->
                image + " was not stopped cleanly and needs its journal, and " + journal + " does not exist" + hint()
                        + "; bring it back, or name it with --journal; without it the image may be a mixture of old and new: "
                        + takeAsItIs();
            case NOT_A_JOURNAL ->
                Objects.requireNonNull(found.journal()).path() + " is not a journal" + needed()
                        + "; name another file with --journal" + (isNeeded() ? "" : ", or move that one away");
            case JOURNAL_NEWER ->
                journal + " has format " + version() + ", newer than this ramback reads" + perhapsNeeded()
                        + "; use the newer ramback that wrote it";
            case JOURNAL_DAMAGED -> journalDamaged();
            case JOURNAL_OF_ANOTHER_IMAGE ->
                journal + " belongs to another image" + owner() + needed() + "; name the right one with --journal"
                        + (isNeeded() ? "" : ", or another file for a new one");
            case JOURNAL_OF_ANOTHER_TIME ->
                journal + " and " + image
                        + " don't belong to the same moment: one of them was copied back or served without"
                        + " the other; the journal ends with " + lastEpoch()
                        + "; bring back what belongs together"
                        + (found.situation().state() == State.CLEAN
                                ? "; the state file says that the image is whole without it: move the journal away, and a new one is made"
                                : ", or move the journal away and " + takeAsItIs());
            case MEDIA_FAULT -> mediaFault();
            case TORN -> torn();
            case READ_ONLY ->
                image + " lacks what its journal holds, " + epochsToApply()
                        + ", and --read-only brings nothing into it;" + " run 'ramback recover "
                        + found.request().image() + "' first";
        };
    }

    /** The image has been made by the start that is refused, and is gone again when this is read. */
    private String imageMissing() {
        List<String> needs = new ArrayList<>();
        List<String> files = new ArrayList<>();
        if (found.reading() != null && found.situation().state() != State.CLEAN) {
            files.add(found.store().place());
            needs.add("state file " + found.store().place() + " " + stateInWords());
        }
        FoundJournal file = found.journal();
        JournalScan scan = found.scan();
        if (file != null && scan != null && scan.verdict() != JournalScan.Verdict.NOT_A_JOURNAL) {
            files.add(file.path().toString());
            needs.add(journal + " " + journalInWords(scan));
        }
        if (found.leftovers().memory() != Memory.NONE && found.leftovers().memory() != Memory.LOADED) {
            files.add(String.valueOf(found.leftovers().segment()));
            needs.add(whatMemoryHolds());
        }
        return image + " does not exist, but one that was there has left what a new one would destroy: "
                + String.join(", ", needs) + "; put the image back, or, to do without all that, move away "
                + String.join(" and ", files);
    }

    private String imageChanged() {
        ImageChecksums checksums = found.left().checksums();
        String fault = checksums == null
                ? found.left().checksumFault()
                : checksums.unknownCount() == 0 ? null : "there is none for " + checksums.unknownCount() + " MiB";
        return image + " was changed behind our back since its clean stop: "
                + String.join("; ", found.left().differences())
                + (fault == null ? "" : " (its checksums can't be used: " + fault + ")")
                + "; bring back the image that was left, or take this one as it is: 'ramback up "
                + found.request().image() + " --adopt-image'";
    }

    private String stateInWords() {
        return switch (found.situation().state()) {
            case DAMAGED -> "can't be read (" + damage() + ")";
            case NEWER -> "has format " + newerVersion() + ", which this ramback can't read";
            case DIRTY_JOURNALLED -> "says that it was not stopped cleanly and needs its journal" + ofState();
            case ABSENT -> "does not exist";
            case CLEAN -> "says that it was stopped cleanly";
            default -> "says that it was not stopped cleanly";
        };
    }

    private static String journalInWords(JournalScan scan) {
        return switch (scan.verdict()) {
            case EPOCHS -> "holds " + epochsToApply(scan);
            case MEDIA_FAULT -> "is damaged at byte " + scan.faultOffsetBytes() + " and good up to " + lastEpoch(scan);
            case SUSPENDED -> "says that it was in the mode unsafe";
            case TRUNCATED -> "is shorter than it says it is";
            case DAMAGED -> "is damaged";
            case NEWER_FORMAT -> "has format " + scan.version() + ", newer than this ramback reads";
            case NOT_A_JOURNAL, CLEAN, EMPTY -> "ends with " + lastEpoch(scan);
        };
    }

    private String liveMemory() {
        String discard = "'ramback recover " + found.request().image() + " --discard-ram', which goes back to "
                + withoutMemory();
        return switch (found.leftovers().memory()) {
            case UNREADABLE ->
                whatMemoryHolds() + ", and " + image + " may lack it; use the ramback that served it, or to go on"
                        + " without it run " + discard;
            case FOREIGN ->
                whatMemoryHolds() + " and does not belong to what lies beside " + image + " now (" + mismatch()
                        + "); bring back what belongs together, or to go on without it run " + discard;
            default ->
                image + " was served by a daemon that is gone, and " + whatMemoryHolds() + "; "
                        + (found.situation().takesMemory()
                                ? "but its state file " + stateInWords() + ", so it can't be taken over"
                                : found.request().servedReadOnly()
                                        ? "leave --read-only out to take it over"
                                        : "'ramback up' takes it over")
                        + "; to go on without it run " + discard;
        };
    }

    private String whatMemoryHolds() {
        String segment = "memory segment " + found.leftovers().segment();
        LeftoverReport report = found.leftovers().report();
        if (report == null || report.leftover() == SharedSegment.Leftover.UNREADABLE) {
            return segment + " has layout " + (report == null ? 0 : report.layoutVersion())
                    + " or not its length, and can't be read";
        }
        return segment + " holds at most " + report.dirtyChunks() + " chunks of "
                + found.leftovers().chunkBytes() + " bytes that it lacks";
    }

    /** By what memory was seen not to belong here. */
    private String mismatch() {
        LeftoverReport report = Objects.requireNonNull(found.leftovers().report());
        StateFile state = found.state();
        if (!report.isOfThisBoot()) {
            return "it is of another boot";
        }
        if (state == null) {
            return "there is no state file to tell";
        }
        if (!state.deviceId().equals(report.device())) {
            return "it is of another device";
        }
        return state.generation() == report.generation()
                ? "the image has another size or is another file"
                : "the state file is of another start";
    }

    /** What is left of an image when its memory is gone. */
    private String withoutMemory() {
        if (found.situation().state() == State.DIRTY_UNSAFE || isSuspended()) {
            return "an image that may be a mixture of old and new";
        }
        JournalScan scan = found.scan();
        if (scan != null && scan.verdict().mayBeRecovered()) {
            return lastEpoch();
        }
        return "what was flushed";
    }

    private boolean isSuspended() {
        JournalScan scan = found.scan();
        return scan != null && scan.verdict() == JournalScan.Verdict.SUSPENDED;
    }

    private String journalDamaged() {
        JournalScan scan = found.scan();
        String what = scan != null && scan.verdict() == JournalScan.Verdict.TRUNCATED
                ? " is shorter than it says it is"
                : " is damaged: neither of its superblocks can be read";
        String remedy;
        if (isNeeded()) {
            remedy = "; bring it back from a copy, or without one " + takeAsItIs();
        } else if (isPerhapsNeeded()) {
            remedy = "; bring it back from a copy; to take the image as it is, which may be a mixture of old and new,"
                    + " move the journal away";
        } else {
            remedy = "; the image does not need it: move it away, and a new one is made";
        }
        return journal + what + perhapsNeeded() + remedy;
    }

    private String mediaFault() {
        JournalScan scan = Objects.requireNonNull(found.scan());
        String fault = journal + " is damaged at byte " + scan.faultOffsetBytes() + ": "
                + scan.fault().orElse("it can't be read") + "; good up to " + lastEpoch() + ", lost up to epoch "
                + scan.highestEpoch();
        String exact = scan.exactFromEpoch() > scan.lastEpoch()
                ? ", and the image may already hold parts of epochs up to " + scan.exactFromEpoch()
                        + ", so that it may be a mixture of both"
                : "";
        return fault + exact + "; to go on without them: ramback recover "
                + found.request().image() + " --to-epoch " + scan.lastEpoch();
    }

    private String torn() {
        return image
                + " was in the mode unsafe when its daemon or machine went down, and its memory is gone: it may be a"
                + " mixture of old and new that no check can mend; bring it back from a copy, or take it as it is with"
                + " --accept-torn";
    }

    // ---------------------------------------------------------------------------------------------- parts of sentences

    private String takeAsItIs() {
        return "'ramback recover " + found.request().image() + " --accept-torn' takes the image as it is";
    }

    /** What goes with the journal at hand, if that is the image's. */
    private String loss() {
        JournalScan scan = found.scan();
        return scan != null
                        && scan.verdict() == JournalScan.Verdict.EPOCHS
                        && found.situation().bond() == Bond.CURRENT
                ? "which holds " + epochsToApply(scan) + ", that the image lacks"
                : UNKNOWN_LOSS;
    }

    private boolean isNeeded() {
        return found.situation().state() == State.DIRTY_JOURNALLED;
    }

    private String needed() {
        return isNeeded()
                ? ", and " + image + " was not stopped cleanly and needs its own" + ofState() + ", " + UNKNOWN_LOSS
                : "";
    }

    /** Where there is no state file, only the journal could tell, and this one can't be read. */
    private boolean isPerhapsNeeded() {
        return found.situation().state() == State.ABSENT && !found.journalSaysClean();
    }

    private String perhapsNeeded() {
        return isPerhapsNeeded() ? ", and without a state file nobody knows whether " + image + " needs it" : needed();
    }

    private String ofState() {
        return found.journalOfState() == null ? "" : " (" + found.journalOfState() + ")";
    }

    private String hint() {
        FoundJournal file = found.journal();
        boolean isElsewhere = found.journalOfState() != null
                && (file == null || !found.journalOfState().equals(file.path()));
        return isElsewhere ? "; it was " + found.journalOfState() : "";
    }

    private String newerVersion() {
        return found.reading() instanceof StateFile.Reading.Newer(String version) ? version : "?";
    }

    private String damage() {
        return found.reading() instanceof StateFile.Reading.Damaged(String reason) ? reason : "?";
    }

    private int version() {
        JournalScan scan = found.scan();
        return scan == null ? 0 : scan.version();
    }

    private String owner() {
        JournalScan scan = found.scan();
        return scan == null
                ? ""
                : scan.identity()
                        .map(owner -> " of " + owner.imageBytes() + " bytes, device " + owner.device())
                        .orElse("");
    }

    private String lastEpoch() {
        return lastEpoch(found.scan());
    }

    /** The newest epoch that a journal has whole, with its time where that is known. */
    static String lastEpoch(@Nullable JournalScan scan) {
        if (scan == null) {
            return "no epoch";
        }
        Optional<Instant> time = scan.committedAt();
        return "epoch " + scan.lastEpoch()
                + time.map(at -> " of " + at.truncatedTo(ChronoUnit.MILLIS)).orElse("");
    }

    private String epochsToApply() {
        return epochsToApply(Objects.requireNonNull(found.scan()));
    }

    /** What recovery has to do. */
    static String epochsToApply(JournalScan scan) {
        return scan.epochCount() + (scan.epochCount() == 1 ? " epoch" : " epochs") + " up to " + lastEpoch(scan) + ", "
                + scan.versionCount() + " chunks (" + scan.dataBytes() + " bytes)";
    }
}
