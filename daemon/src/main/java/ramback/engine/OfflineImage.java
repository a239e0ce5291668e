package ramback.engine;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.OptionalLong;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import ramback.backing.BackingOpenException;
import ramback.backing.FileBacking;
import ramback.device.Mode;
import ramback.journal.ImageChecksums;
import ramback.journal.JournalIdentity;
import ramback.journal.JournalScan;
import ramback.journal.Recovery;
import ramback.journal.StartDecision;
import ramback.journal.StartSituation.Journal;
import ramback.journal.StartSituation.State;
import ramback.journal.StateFile;

/** An image that nobody serves, with what lies beside it: to be looked at, or to be made whole. Locked until it is closed. */
public final class OfflineImage implements AutoCloseable {

    private final Image image;
    private final Findings found;

    private OfflineImage(Image image, Findings found) {
        this.image = image;
        this.found = found;
    }

    /**
     * Opens and locks an image and looks at everything beside it; changes nothing.
     *
     * @throws Refusal when the image can't be opened, or is being served
     */
    public static OfflineImage open(ImageRequest request) throws Refusal {
        Image image;
        try {
            image = Image.open(request.image(), request.readOnly());
        } catch (BackingOpenException e) {
            throw OpenedImage.refusal(e);
        }
        Findings found = null;
        try {
            found = Findings.look(request, image, false);
            return new OfflineImage(image, found);
        } finally {
            if (found == null) {
                image.closeQuietly();
            }
        }
    }

    @Override
    public void close() {
        found.close();
        image.closeQuietly();
    }

    // ---------------------------------------------------------------------------------------------- check

    /**
     * What state the image is in, in a few lines.
     *
     * @throws Refusal of kind PROTECTED when it would not be served as it is, with the reason and how to go on
     */
    public List<String> check() throws Refusal {
        if (found.decision().isRefusal()) {
            throw StartRefusals.of(found);
        }
        List<String> lines = new ArrayList<>();
        lines.add(found.request().image() + " " + verdict());
        JournalScan scan = found.scan();
        FoundJournal journal = found.journal();
        if (scan != null && journal != null && found.situation().journal() != Journal.NOT_A_JOURNAL) {
            lines.add("journal " + journal.path() + " holds " + scan.usedBytes() + " of " + scan.capacityBytes()
                    + " bytes and ends with " + StartRefusals.lastEpoch(scan));
        }
        String fault = found.left().checksumFault();
        if (fault != null) {
            lines.add("checksums " + found.store().checksumsPlace() + " can't be used: " + fault
                    + "; what somebody else changes in the image is not found");
        }
        StateFile state = found.state();
        if (state != null && !state.suspect().isEmpty()) {
            lines.add("somebody else changed it at " + Attachment.saidOf(state.suspect())
                    + ", which is not served; 'ramback up " + found.request().image()
                    + " --adopt-image' takes it as it is");
        }
        return lines;
    }

    private String verdict() {
        if (found.decision() == StartDecision.RECOVER) {
            return "needs recovery: " + StartRefusals.epochsToApply(Objects.requireNonNull(found.scan()))
                    + " to apply; 'ramback up' does that by itself, 'ramback recover' does nothing else";
        }
        return switch (found.situation().state()) {
            case ABSENT ->
                "is a plain image with no state file: nobody has served it, and nothing is known to be missing";
            case CLEAN ->
                found.left().isToBeChecked()
                        ? "is clean; " + String.join("; ", found.left().differences())
                                + ", so its content is checked while it is loaded"
                        : "is clean";
            case DIRTY_JOURNALLED -> "was not stopped cleanly, and lacks nothing that was committed";
            case DIRTY_ORDINARY ->
                "was not stopped cleanly, and had no journal: what was flushed is in it, as on any disk after a power failure";
            case CHANGED, DIRTY_UNSAFE, DAMAGED, NEWER -> "is accepted as it is";
        };
    }

    // ---------------------------------------------------------------------------------------------- recover

    /**
     * What a recovery is going to do.
     *
     * @param epoch to which the image is brought, or -1 if no epoch is applied
     * @param work in a few words
     * @param loss what is given up by it, in a sentence, or null if nothing is
     */
    public record Plan(long epoch, String work, @Nullable String loss) {}

    /**
     * Plans a recovery; changes nothing.
     *
     * @param toEpoch the epoch to go back to, if not the newest
     * @throws Refusal when it can't or must not be done
     */
    public Plan plan(OptionalLong toEpoch) throws Refusal {
        StartDecision decision = found.decision();
        if (toEpoch.isPresent()) {
            return planTo(toEpoch.getAsLong());
        }
        boolean isGivenUp = found.request().acceptTorn()
                && switch (decision) {
                    case JOURNAL_MISSING,
                            NOT_A_JOURNAL,
                            JOURNAL_DAMAGED,
                            JOURNAL_OF_ANOTHER_IMAGE,
                            JOURNAL_OF_ANOTHER_TIME -> found.situation().state() != State.ABSENT;
                    default -> false;
                };
        if (decision.isRefusal() && !isGivenUp) {
            throw StartRefusals.of(found);
        }
        List<String> losses = new ArrayList<>();
        addMemoryLoss(losses);
        if (isGivenUp) {
            losses.add("what the journal held is given up, and the image may be a mixture of old and new");
        } else if (wasTorn()) {
            losses.add("the image may be a mixture of old and new");
        }
        String work;
        long epoch = -1;
        if (decision == StartDecision.RECOVER) {
            JournalScan scan = Objects.requireNonNull(found.scan());
            epoch = scan.lastEpoch();
            work = "apply " + StartRefusals.epochsToApply(scan);
        } else {
            work = losses.isEmpty() ? "nothing to recover" : "take the image as it is";
        }
        return new Plan(epoch, work, losses.isEmpty() ? null : String.join("; ", losses));
    }

    private boolean wasTorn() {
        return found.situation().state() == State.DIRTY_UNSAFE
                || found.situation().journal() == Journal.SUSPENDED;
    }

    private void addMemoryLoss(List<String> losses) {
        switch (found.leftovers().memory()) {
            // The image, or its journal, may have some of what was on its way there.
            case CHANGES, FOREIGN ->
                losses.add("at most " + found.leftovers().dirtyChunks() + " chunks of "
                        + found.leftovers().chunkBytes()
                        + " bytes that only the memory of the killed daemon has newer");
            case UNREADABLE ->
                losses.add("whatever only memory segment " + found.leftovers().segment() + " holds");
            case NONE, IN_USE, LOADED -> {}
        }
    }

    private Plan planTo(long epoch) throws Refusal {
        switch (found.decision()) {
            case RECOVER, MEDIA_FAULT -> {}
            case START_CLEAN, START_FRESH, START_ORDINARY ->
                throw new Refusal(
                        Refusal.Kind.FAILED,
                        "image " + found.request().image() + " needs no recovery, so there is no epoch " + epoch
                                + " to go back to; leave --to-epoch out");
            default -> throw StartRefusals.of(found);
        }
        JournalScan scan = Objects.requireNonNull(found.scan());
        if (epoch < scan.retiredEpoch() || epoch > scan.lastEpoch()) {
            throw new Refusal(
                    Refusal.Kind.USAGE,
                    "bad --to-epoch '" + epoch + "': the journal can restore epochs " + scan.retiredEpoch() + " to "
                            + scan.lastEpoch());
        }
        List<String> losses = new ArrayList<>();
        addMemoryLoss(losses);
        if (scan.highestEpoch() > epoch) {
            losses.add("epochs " + (epoch + 1) + " to " + scan.highestEpoch());
        }
        if (epoch < scan.exactFromEpoch()) {
            losses.add("the image may already hold parts of epochs up to " + scan.exactFromEpoch()
                    + ", so that it may be a mixture of both");
        }
        return new Plan(epoch, "apply epochs up to " + epoch, losses.isEmpty() ? null : String.join("; ", losses));
    }

    /**
     * Does what was planned, in an order in which it may be broken off anywhere and begun again: image, journal, state file, memory.
     * Returns what was done, in one line.
     */
    public String recover(Plan plan, WorkProgress progress) throws Refusal {
        String done = plan.loss() == null ? "clean: " + plan.work() : "clean from now on: it was taken as it is";
        try {
            JournalScan scan = found.scan();
            FileBacking journal =
                    found.journal() == null ? null : found.journal().backing();
            if (plan.epoch() >= 0 && scan != null && journal != null) {
                Recovery.Outcome outcome = Recovery.run(
                        journal,
                        scan,
                        image.backing(),
                        plan.epoch(),
                        plan.loss() != null,
                        (doneBytes, totalBytes) -> progress.at("recovering " + image.place(), doneBytes, totalBytes));
                done = "recovered: " + Attachment.said(outcome);
            } else if (scan != null && journal != null && isToBeEmptied(scan)) {
                image.backing().sync();
                Recovery.discard(journal, scan);
            }
            writeCleanState(plan.loss() != null || found.losesAcknowledged());
            found.leftovers().remove(null);
        } catch (IOException e) {
            throw new Refusal(
                    Refusal.Kind.FAILED,
                    "image " + found.request().image() + " could not be recovered: " + e.getMessage()
                            + "; nothing is lost by that, so mend the disk and try again",
                    e);
        }
        return found.request().image() + " is " + done;
    }

    /** A journal of this image that nothing is taken from, and that says that it was not closed. */
    private boolean isToBeEmptied(JournalScan scan) {
        boolean isOpen = scan.verdict() == JournalScan.Verdict.EMPTY || scan.verdict() == JournalScan.Verdict.SUSPENDED;
        return isOpen && !found.decision().isRefusal();
    }

    /** A state that says clean; with another generation of the export if something acknowledged may be missing. */
    private void writeCleanState(boolean isLossy) throws IOException, Refusal {
        image.backing().sync();
        image.syncTimes();
        StateFile before = found.state();
        UUID device = before != null ? before.deviceId() : deviceOfJournal();
        if (device == null || (before != null && before.isClean())) {
            return;
        }
        StateFile clean = before != null
                ? before.cleaned(image.cleanImage(), null)
                : new StateFile(
                        device,
                        Objects.requireNonNull(found.scan()).generation(),
                        0,
                        Mode.WRITEBACK.word(),
                        Objects.requireNonNull(found.journal()).path().toString(),
                        null,
                        Attachment.bootId(),
                        image.cleanImage());
        if (isLossy) {
            clean = clean.withExportGeneration(clean.exportGeneration() + 1);
        }
        found.store()
                .replaceChecksums(
                        ImageChecksums.unknown(image.sizeBytes()).encode(clean.deviceId(), clean.generation()));
        Attachment.write(found.store(), clean);
    }

    private @Nullable UUID deviceOfJournal() {
        JournalScan scan = found.scan();
        return scan == null || (found.decision().isRefusal() && found.decision() != StartDecision.MEDIA_FAULT)
                ? null
                : scan.identity().map(JournalIdentity::device).orElse(null);
    }

    /** Where the image is: a path, links resolved, or a URI. */
    public String place() {
        return image.place();
    }
}
