package ramback.sim;

import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * Knows the content of each epoch that a {@link JournalWorld} began, and which are committed, at every moment of its
 * recording.
 */
final class EpochOracle implements Oracle {

    /** What the oracle hears. */
    sealed interface Step {}

    /** An epoch with this content may be committed from now on. */
    @SuppressWarnings("ArrayRecordComponent") // never compared
    record Begun(long epoch, byte[][] content) implements Step {}

    /** It is committed; the image is whole. */
    record Committed(long epoch) implements Step {}

    /** The journal is about to be suspended. */
    record MayTear() implements Step {}

    /** An operator is about to go back to an epoch, and newer ones are gone once that is done. */
    record GoingBack(long epoch, boolean isDone) implements Step {}

    private final byte[][] initial;
    private final List<Step> steps = new ArrayList<>();

    // Where the oracle is.
    private final TreeMap<Long, byte[][]> known = new TreeMap<>();
    private long floorEpoch;
    private boolean mayBeTorn;

    /** An oracle that knows epoch 0. */
    EpochOracle(byte[][] initial) {
        this.initial = initial;
    }

    /** Adds a step; returns its number in the recording. */
    int add(Step step) {
        steps.add(step);
        return steps.size() - 1;
    }

    @Override
    public void begin() {
        known.clear();
        known.put(0L, initial);
        floorEpoch = 0;
        mayBeTorn = false;
    }

    @Override
    public void pass(Recording.Event event, long untilNanos) {
        if (event instanceof Recording.Promised made) {
            pass(steps.get(made.promise()));
        }
    }

    private void pass(Step step) {
        switch (step) {
            case Begun begun -> known.put(begun.epoch, begun.content);
            case Committed committed -> {
                floorEpoch = committed.epoch;
                mayBeTorn = false;
            }
            case MayTear _ -> mayBeTorn = true;
            case GoingBack back -> {
                floorEpoch = back.epoch;
                if (back.isDone) {
                    known.tailMap(back.epoch, false).clear();
                }
            }
        }
    }

    @Override
    public @Nullable String judge(Verdict verdict, byte[][] restored) {
        return switch (verdict.outcome()) {
            case MEDIA_FAULT -> "FAULT: a power failure alone was taken for a media fault";
            case TORN -> mayBeTorn ? null : "TORN: the image was called torn";
            case RESTORED -> judgeRestored(verdict.epoch(), restored);
        };
    }

    @Override
    public @Nullable String judgeContent(Verdict verdict, byte[][] restored) {
        return verdict.outcome() == Outcome.RESTORED ? differenceFrom(verdict.epoch(), restored) : null;
    }

    private @Nullable String judgeRestored(long epoch, byte[][] restored) {
        String wrong = differenceFrom(epoch, restored);
        if (wrong != null) {
            return wrong;
        }
        return epoch >= floorEpoch
                ? null
                : "PROMISE: epoch " + epoch + " is older than " + floorEpoch + ", which was committed";
    }

    private @Nullable String differenceFrom(long epoch, byte[][] restored) {
        byte[][] expected = known.get(epoch);
        if (expected == null) {
            return "CONTENT: there was no epoch " + epoch;
        }
        for (int page = 0; page < restored.length; page++) {
            if (!Write.areEqual(restored[page], expected[page])) {
                return "CONTENT: page " + page + " is not as in epoch " + epoch + ": first sector by "
                        + Stamp.read(restored[page], 0, page * Write.SECTORS_PER_PAGE) + ", not by "
                        + Stamp.read(expected[page], 0, page * Write.SECTORS_PER_PAGE);
            }
        }
        return null;
    }
}
