package ramback.sim;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import ramback.device.Mode;
import ramback.sim.History.AllBefore;
import ramback.sim.History.Change;
import ramback.sim.History.Cut;
import ramback.sim.History.InForce;
import ramback.sim.History.LifeEnds;
import ramback.sim.History.MayTear;
import ramback.sim.History.One;
import ramback.sim.History.Promise;
import ramback.sim.History.Request;
import ramback.sim.History.TakenOver;

/**
 * Judges what a device's recovery made of a crash by its {@link History}: a recovered image must be a cut, byte for byte, and
 * one that is late enough for what had been promised when the power failed. Without a journal every sector stands alone.
 */
final class DeviceOracle implements Oracle {

    private final History history;

    // Where the explorer is.
    private Mode mode;
    private boolean mayBeTorn;
    private int floorCut;
    private int floorTick;
    private final List<Request> floorRequests = new ArrayList<>();
    private int answersSeen;
    private int boundedAnswers;
    /** When the memory of a killed process was taken over for the last time. */
    private long takenOverNanos;
    /** What the present life began with; the numbers of epochs that were never committed are given again in the next one. */
    private int firstCut;
    /** The last cut of the present life. */
    private int lastCut;

    /** An oracle of a history that has been settled. */
    DeviceOracle(History history) {
        this.history = history;
        this.mode = history.firstMode;
    }

    @Override
    public void begin() {
        mode = history.firstMode;
        mayBeTorn = history.firstMode == Mode.UNSAFE;
        floorCut = 0;
        floorTick = 0;
        floorRequests.clear();
        answersSeen = 0;
        boundedAnswers = 0;
        takenOverNanos = 0;
        firstCut = 0;
        lastCut = lastCutAfter(-1);
    }

    /** The last cut of the life that a promise was made in, whose own end it may be; the cuts of the beginning come in front of them all. */
    private int lastCutAfter(int promise) {
        for (Promise later : history.promises.subList(promise + 1, history.promises.size())) {
            if (later instanceof LifeEnds ends) {
                return ends.cutCount();
            }
        }
        return history.cuts.size() - 1;
    }

    @Override
    public void pass(Recording.Event event, long untilNanos) {
        if (event instanceof Recording.Promised promised) {
            keep(history.promises.get(promised.promise()));
            lastCut = lastCutAfter(promised.promise());
        }
        while (answersSeen < history.answers.size()
                && history.answers.get(answersSeen).nanos() < untilNanos) {
            answersSeen++;
        }
        if (mode == Mode.CHECKPOINT && answersSeen > 0) {
            bound(history.answers.get(answersSeen - 1).newestIssueNanos());
        }
    }

    /**
     * In {@code checkpoint} nobody is answered who asks when a change was answered an interval ago that is not durable: when
     * the disk is too slow, clients wait, and that time does not count. That holds from the moment the mode is reported. Whoever takes
     * over does not know how old a change is, so its interval begins anew.
     */
    private void bound(long newestIssueNanos) {
        while (boundedAnswers < history.answers.size()
                && Math.max(takenOverNanos, history.answers.get(boundedAnswers).nanos())
                        < newestIssueNanos - history.intervalNanos) {
            raiseTo(history.answers.get(boundedAnswers).tick());
            boundedAnswers++;
        }
    }

    private void keep(Promise promise) {
        switch (promise) {
            case AllBefore before -> raiseTo(before.tick());
            case One one -> {
                floorRequests.add(one.request());
                while (floorCut < history.cuts.size() && !holds(history.cuts.get(floorCut), one.request())) {
                    floorCut++;
                }
            }
            case LifeEnds ends -> {
                // The cuts of the beginning come in front of them all.
                firstCut = ends.cutCount();
                mayBeTorn &= !ends.isClean();
            }
            case TakenOver takenOver -> takenOverNanos = takenOver.nanos();
            case MayTear _ -> {
                // Nothing more is promised from here on; what was promised before holds until the image is touched.
                mayBeTorn = true;
                mode = Mode.UNSAFE;
            }
            case InForce inForce -> {
                mode = inForce.mode();
                if (mode == Mode.UNSAFE) {
                    mayBeTorn = true;
                    floorCut = 0;
                    floorTick = 0;
                    floorRequests.clear();
                } else {
                    mayBeTorn = false;
                    if (mode != Mode.CHECKPOINT) {
                        raiseTo(inForce.tick());
                    }
                }
            }
        }
    }

    private void raiseTo(int newTick) {
        floorTick = Math.max(floorTick, newTick);
        while (floorCut < history.cuts.size() && history.cuts.get(floorCut).momentTick < floorTick) {
            floorCut++;
        }
    }

    private boolean holds(Cut cut, Request request) {
        for (int sector = request.firstSector; sector < request.endSector; sector++) {
            List<Change> made = history.changes.get(sector);
            for (int at = cut.position[sector] + 1; at < made.size(); at++) {
                if (made.get(at).request() == request) {
                    return false;
                }
            }
        }
        return true;
    }

    @Override
    public @Nullable String judge(Verdict verdict, byte[][] image) {
        if (!history.hasJournal) {
            return judgeSectors(image);
        }
        return switch (verdict.outcome()) {
            case MEDIA_FAULT -> "FAULT: a power failure alone was taken for a media fault";
            case TORN -> mayBeTorn ? null : "TORN: the image was called torn in mode " + mode;
            case RESTORED -> judgeRestored(verdict.epoch(), image);
        };
    }

    @Override
    public @Nullable String judgeContent(Verdict verdict, byte[][] image) {
        return verdict.outcome() == Outcome.RESTORED
                ? differenceFrom(cutAt(verdict.epoch()), verdict.epoch(), image)
                : null;
    }

    /** The present life's newest cut up to an epoch: an epoch without a cut of its own changed nothing. */
    private int cutAt(long epoch) {
        int at = firstCut;
        while (at < lastCut && history.cuts.get(at + 1).epoch <= epoch) {
            at++;
        }
        return at;
    }

    private @Nullable String judgeRestored(long epoch, byte[][] image) {
        int at = cutAt(epoch);
        Cut cut = history.cuts.get(at);
        String wrong = differenceFrom(at, epoch, image);
        if (wrong != null) {
            return wrong;
        }
        return at >= floorCut
                ? null
                : "PROMISE: epoch " + epoch + " is older than promised in " + mode + ": moment " + cut.momentTick
                        + ", promised "
                        + floorTick
                        + (floorCut < history.cuts.size()
                                ? ", epoch " + history.cuts.get(floorCut).epoch
                                : ", no epoch keeps that");
    }

    private @Nullable String differenceFrom(int at, long epoch, byte[][] image) {
        Cut cut = history.cuts.get(at);
        for (int page = 0; page < image.length; page++) {
            if (!Write.areEqual(image[page], cut.pages[page])) {
                return "CONTENT: page " + page + " is not as it was when epoch " + epoch + " was cut: "
                        + difference(image, cut, page);
            }
        }
        return null;
    }

    private String difference(byte[][] image, Cut cut, int page) {
        StringBuilder text = new StringBuilder();
        for (int sector = page * Write.SECTORS_PER_PAGE;
                sector < Math.min(history.sectorCount, (page + 1) * Write.SECTORS_PER_PAGE);
                sector++) {
            int is = History.stampOf(image, sector);
            int was = History.stampOf(cut.pages, sector);
            if (is != was) {
                return text.append("sector ")
                        .append(sector)
                        .append(" holds ")
                        .append(is)
                        .append(", not ")
                        .append(was)
                        .append("; history ")
                        .append(history.describe(sector))
                        .toString();
            }
        }
        return "only beyond the device's end";
    }

    /** Without a journal each sector stands alone: whole, something that was written there, nothing promised missing. */
    private @Nullable String judgeSectors(byte[][] image) {
        for (int sector = 0; sector < history.sectorCount; sector++) {
            int found = History.stampOf(image, sector);
            List<Change> made = history.changes.get(sector);
            if (found == Stamp.TORN) {
                return "CONTENT: sector " + sector + " is torn";
            }
            boolean isFine = false;
            int end = History.NEVER;
            boolean isPromisedLater = false;
            for (int at = made.size() - 1; at >= 0 && !isFine; at--) {
                Change change = made.get(at);
                isFine = found == (change.isZero() ? Stamp.ZERO : change.request().number)
                        && end > floorTick
                        && !isPromisedLater;
                end = Math.min(end, change.request().answerTick);
                isPromisedLater |= floorRequests.contains(change.request());
            }
            if (!isFine) {
                return "PROMISE: sector " + sector + " holds " + found + " although everything up to moment "
                        + floorTick + " was promised; its history is " + history.describe(sector);
            }
        }
        return null;
    }
}
