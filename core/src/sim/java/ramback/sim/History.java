package ramback.sim;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;
import ramback.device.Mode;

/**
 * What clients asked for, when it was answered, and what it was promised; and what the device held at every cut. The clients
 * never have two requests under way at once that touch the same sector, so each sector has one history.
 *
 * <p>A cut is consistent if there is one moment such that every sector holds what a request issued before it wrote, and
 * nothing is missing that was answered before it: then a change that is there brings everything with it that its client
 * could know of. A recovered image must be a cut, byte for byte, and one that is late enough for what had been promised.
 */
final class History {

    /** Sectors of the oracle: the unit in which clients write. */
    static final int SECTOR_BYTES = Write.SECTOR_BYTES;

    static final int NEVER = Integer.MAX_VALUE;

    /** A change asked for by a client. */
    static final class Request {
        final int number;
        final int issueTick;
        final long issueNanos;
        final int firstSector;
        final int endSector;
        final boolean isZero;
        int answerTick = NEVER;

        @Override
        public String toString() {
            return "request " + number + " of " + (endSector - firstSector) + " sectors at " + firstSector + " ("
                    + issueTick + " to " + answerTick + ")";
        }

        Request(int number, int issueTick, long issueNanos, int firstSector, int endSector, boolean isZero) {
            this.number = number;
            this.issueTick = issueTick;
            this.issueNanos = issueNanos;
            this.firstSector = firstSector;
            this.endSector = endSector;
            this.isZero = isZero;
        }
    }

    /** One change of a sector. */
    record Change(Request request, boolean isZero) {}

    /**
     * An answer to a change.
     *
     * @param newestIssueNanos when the newest of all changes was asked for that have been answered by then
     */
    record Answer(int tick, long nanos, long newestIssueNanos) {}

    sealed interface Promise {}

    /** Everything answered before is durable. */
    record AllBefore(int tick) implements Promise {}

    /** One request is durable. */
    record One(Request request) implements Promise {}

    /** From now on this mode is in force; everything answered before the tick is durable if the mode is a strict one. */
    record InForce(Mode mode, int tick) implements Promise {}

    /**
     * A life is over: the image has everything, and nothing is changed before the next one.
     *
     * @param cutCount how many cuts there are by now
     * @param isClean whether that is durably said
     */
    record LifeEnds(int cutCount, boolean isClean) implements Promise {}

    /** The switch to {@code unsafe} has begun. */
    record MayTear() implements Promise {}

    /** The process was killed, and the next one goes on with its memory: an interval begins now. */
    record TakenOver(long nanos) implements Promise {}

    /** What the device held when an epoch was cut; the newest moment for which that is consistent, and what is there. */
    static final class Cut {
        final long epoch;
        final byte[][] pages;
        int momentTick;
        int[] position = {};

        Cut(long epoch, byte[][] pages) {
            this.epoch = epoch;
            this.pages = pages;
        }
    }

    private final Recording recording;
    final int sectorCount;
    private final byte[][] initial;
    final List<List<Change>> changes = new ArrayList<>();
    private final boolean[] claimed;
    final List<Cut> cuts = new ArrayList<>();
    final List<Promise> promises = new ArrayList<>();
    final List<Answer> answers = new ArrayList<>();
    final long intervalNanos;
    final Mode firstMode;
    final boolean hasJournal;
    private final Request beginning;
    /** How many cuts there were when the memory that is in use was made: what follows is counted in one order of epochs. */
    private int firstCut;

    private int tick;
    private int requestCount;

    /**
     * A history of a device.
     *
     * @param initial what the image holds at first: stamped as request 1, or zeroes
     * @param intervalNanos what {@code checkpoint} promises
     */
    History(
            Recording recording,
            long sizeBytes,
            byte[][] initial,
            Mode firstMode,
            long intervalNanos,
            boolean hasJournal) {
        this.recording = recording;
        this.sectorCount = (int) (sizeBytes / SECTOR_BYTES);
        this.initial = initial;
        this.claimed = new boolean[sectorCount];
        this.firstMode = firstMode;
        this.intervalNanos = intervalNanos;
        this.hasJournal = hasJournal;
        tick = 1;
        requestCount = 2;
        beginning = new Request(1, 0, 0, 0, sectorCount, false);
        beginning.answerTick = 1;
        for (int sector = 0; sector < sectorCount; sector++) {
            List<Change> history = new ArrayList<>(4);
            history.add(new Change(beginning, initial[sector / Write.SECTORS_PER_PAGE] == null));
            changes.add(history);
        }
    }

    /** What an image holds at first: every other stretch of some pages stamped as request 1, holes between them. */
    static byte[][] initialPages(long sizeBytes, int stretchPages, boolean isBlank) {
        byte[][] pages = new byte[SimDisk.pageCount(sizeBytes)][];
        for (int page = 0; page < pages.length && !isBlank; page++) {
            if (page / stretchPages % 3 != 1) {
                pages[page] = new byte[Write.PAGE_BYTES];
                for (int i = 0; i < Write.SECTORS_PER_PAGE; i++) {
                    int sector = page * Write.SECTORS_PER_PAGE + i;
                    if ((long) sector * SECTOR_BYTES < sizeBytes) {
                        Stamp.write(pages[page], i * SECTOR_BYTES, 1, sector);
                    }
                }
            }
        }
        return pages;
    }

    // ------------------------------------------------------------------------------------------------ by clients

    /** Claims sectors for a request; false if another one is under way there. */
    boolean claim(int firstSector, int endSector) {
        for (int sector = firstSector; sector < endSector; sector++) {
            if (claimed[sector]) {
                return false;
            }
        }
        Arrays.fill(claimed, firstSector, endSector, true);
        return true;
    }

    void unclaim(int firstSector, int endSector) {
        Arrays.fill(claimed, firstSector, endSector, false);
    }

    /** The moment: everything answered so far was answered before it. */
    int nowTick() {
        return tick;
    }

    /** Notes a change that is about to be asked for, of sectors that were claimed. */
    Request issue(int firstSector, int endSector, int zeroFrom, int zeroEnd, boolean isZero, long nanos) {
        Request request = new Request(requestCount++, ++tick, nanos, firstSector, endSector, isZero);
        for (int sector = isZero ? zeroFrom : firstSector; sector < (isZero ? zeroEnd : endSector); sector++) {
            changes.get(sector).add(new Change(request, isZero));
        }
        return request;
    }

    /** Notes that a change was answered as done. */
    void answer(Request request, long nanos) {
        request.answerTick = ++tick;
        long newest = answers.isEmpty() ? 0 : answers.getLast().newestIssueNanos;
        // Zeroing what is zero anyway needs no room, so it tells nothing.
        answers.add(new Answer(tick, nanos, request.isZero ? newest : Math.max(newest, request.issueNanos)));
    }

    void promiseAllBefore(int atTick, long nanos) {
        promise(new AllBefore(atTick), nanos);
    }

    void promiseOne(Request request, long nanos) {
        promise(new One(request), nanos);
    }

    /** Notes that a mode is reported to be in force, after a switch that began at a moment. */
    void inForce(Mode newMode, int sinceTick, long nanos) {
        promise(new InForce(newMode, sinceTick), nanos);
    }

    /** Notes that the device has stopped and that the image has all that it held. */
    void lifeEnds(long nanos) {
        firstCut = cuts.size();
        promise(new LifeEnds(cuts.size(), false), nanos);
    }

    /** Notes that this is durably said. */
    void isClean(long nanos) {
        promise(new LifeEnds(cuts.size(), true), nanos);
    }

    void mayTear(long nanos) {
        promise(new MayTear(), nanos);
    }

    private void promise(Promise promise, long nanos) {
        promises.add(promise);
        recording.add(new Recording.Promised(nanos, promises.size() - 1));
    }

    // ---------------------------------------------------------------------------------------------------- kills

    /**
     * What is wrong with what a killed process has left, as the next one finds it, or null: everything that was answered is there, in any
     * mode, and of what was under way each chunk's part as a whole or not at all.
     *
     * @param pages what the device holds
     */
    @Nullable
    String judgeLeft(byte[][] pages, int chunkBytes) {
        int chunkSectors = chunkBytes / SECTOR_BYTES;
        for (int begin = 0; begin < sectorCount; begin += chunkSectors) {
            int present = 0;
            int absent = 0;
            for (int sector = begin; sector < Math.min(sectorCount, begin + chunkSectors); sector++) {
                List<Change> made = changes.get(sector);
                int found = stampOf(pages, sector);
                boolean isThere = isThere(made.getLast(), found);
                boolean isBefore = isOneBefore(made, found);
                if (!isThere && !isBefore) {
                    return "sector " + sector + " holds " + found + ", its history is " + describe(sector);
                }
                // Zeroes over zeroes are there, and are not.
                if (isUnderWay(made) && isThere && !isBefore) {
                    present = made.getLast().request.number;
                } else if (isUnderWay(made) && !isThere) {
                    absent = made.getLast().request.number;
                }
                if (present != 0 && present == absent) {
                    return "of request " + present + " a part of chunk " + begin / chunkSectors
                            + " is there and the rest is not";
                }
            }
        }
        return null;
    }

    private static boolean isUnderWay(List<Change> made) {
        return made.getLast().request.answerTick == NEVER;
    }

    /** Whether a sector may hold what it held before a change that was never answered, or failed. */
    private static boolean isOneBefore(List<Change> made, int found) {
        int at = made.size() - 1;
        while (made.get(at).request.answerTick == NEVER) {
            at--;
            if (isThere(made.get(at), found)) {
                return true;
            }
        }
        return false;
    }

    private static boolean isThere(Change change, int found) {
        return found == (change.isZero ? Stamp.ZERO : change.request.number);
    }

    /** Notes that all clients are gone, and will never hear what became of what they asked for. */
    void killed() {
        Arrays.fill(claimed, false);
    }

    /**
     * Notes what the next process found in the memory of a killed one: as much of what was under way is done as is there; and epochs that
     * are not in the journal will never be.
     */
    void takenOver(byte[][] pages, long headEpoch, long nanos) {
        tick++;
        for (int sector = 0; sector < sectorCount; sector++) {
            List<Change> made = changes.get(sector);
            int found = stampOf(pages, sector);
            while (isUnderWay(made) && !isThere(made.getLast(), found)) {
                made.removeLast();
            }
        }
        for (List<Change> made : changes) {
            Request newest = made.getLast().request;
            newest.answerTick = Math.min(newest.answerTick, tick);
        }
        while (cuts.size() > firstCut && cuts.getLast().epoch > headEpoch) {
            cuts.removeLast();
        }
        promise(new TakenOver(nanos), nanos);
    }

    /** Whether a sector of this content is what its newest change made it; for sectors under no request. */
    boolean isNewest(int sector, byte[] page, int offsetBytes) {
        List<Change> history = changes.get(sector);
        Change newest = history.getLast();
        int found = Stamp.read(page, offsetBytes, sector);
        if (newest.request.answerTick == NEVER) {
            return found != Stamp.TORN;
        }
        return found == (newest.isZero ? Stamp.ZERO : newest.request.number);
    }

    /** Notes what the device held when an epoch was cut. */
    void cut(long epoch, byte[][] pages) {
        cuts.add(new Cut(epoch, pages));
    }

    /** The pages of the newest cut, to share those that have not changed. */
    byte[][] newestPages() {
        return cuts.isEmpty() ? initial : cuts.getLast().pages;
    }

    int cutCount() {
        return cuts.size();
    }

    // ---------------------------------------------------------------------------------------- what every cut says

    /** Looks at every cut once the run is over; returns what is wrong with one of them, or null. */
    @Nullable
    String settle() {
        cuts.addFirst(new Cut(Long.MIN_VALUE, initial));
        for (Cut cut : cuts) {
            String wrong = settle(cut);
            if (wrong != null) {
                return "CUT: epoch " + cut.epoch + " is no consistent cut: " + wrong;
            }
        }
        return null;
    }

    private @Nullable String settle(Cut cut) {
        int[] found = new int[sectorCount];
        for (int sector = 0; sector < sectorCount; sector++) {
            found[sector] = stampOf(cut.pages, sector);
        }
        cut.position = new int[sectorCount];
        int moment = NEVER - 1;
        boolean isSettled = false;
        while (!isSettled) {
            isSettled = true;
            for (int sector = 0; sector < sectorCount; sector++) {
                int latest = latestMoment(sector, found[sector], moment, cut.position);
                if (latest < 0) {
                    return "sector " + sector + " holds " + found[sector] + " at moment " + moment + ", its history is "
                            + describe(sector);
                }
                if (latest < moment) {
                    moment = latest;
                    isSettled = false;
                }
            }
        }
        cut.momentTick = moment;
        return null;
    }

    static int stampOf(byte[][] pages, int sector) {
        byte[] page = pages[sector / Write.SECTORS_PER_PAGE];
        return Stamp.read(page, sector % Write.SECTORS_PER_PAGE * SECTOR_BYTES, sector);
    }

    /** The latest moment up to a given one at which a sector may have held what it does; -1 if there is none. */
    private int latestMoment(int sector, int found, int moment, int[] position) {
        List<Change> history = changes.get(sector);
        int end = NEVER;
        for (int at = history.size() - 1; at >= 0; at--) {
            Change change = history.get(at);
            if (found == (change.isZero ? Stamp.ZERO : change.request.number)) {
                int latest = Math.min(moment, end - 1);
                if (latest >= change.request.issueTick) {
                    position[sector] = at;
                    return latest;
                }
            }
            end = Math.min(end, change.request.answerTick);
        }
        return -1;
    }

    String describe(int sector) {
        StringBuilder text = new StringBuilder();
        for (Change change : changes.get(sector)) {
            text.append(change.isZero ? " zeroes by " : " ").append(change.request.number);
            text.append(" (").append(change.request.issueTick).append(" to ");
            text.append(change.request.answerTick == NEVER ? "never" : change.request.answerTick)
                    .append(')');
        }
        return text.toString();
    }
}
