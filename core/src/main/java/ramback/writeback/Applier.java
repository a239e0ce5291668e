package ramback.writeback;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.LongAdder;
import org.jspecify.annotations.Nullable;
import ramback.backing.Backing;
import ramback.clock.Agent;
import ramback.clock.Backoff;
import ramback.clock.Clock;
import ramback.clock.Signal;
import ramback.image.ChunkStore;
import ramback.mutant.Mutant;
import ramback.trace.Trace;

/**
 * Writes the words of a round that it is handed. The first applier also leads: it ends parts and rounds, and makes what was
 * written durable; with a journal it also decides when a round begins, and when its epochs may be retired ({@link RoundKeeper}).
 * The others help when it is urgent.
 */
final class Applier implements Agent {

    /** A part of a round is made durable and clean when it has lasted as long. */
    private static final long PART_NANOS_MAX = 1_000_000_000L;

    private static final int BATCH_WORDS = 16;
    private static final int BUFFER_ALIGNMENT = 4096;

    /** While the journal writes and nobody waits for the image, look again after so long. */
    private static final long COURTESY_NANOS = 2_000_000L;

    /** While rounds are held, look again after so long. */
    private static final long HELD_LOOK_NANOS = 50_000_000L;

    /** The journal counts as quiet so long after a commit, or twice as long as that took. */
    private static final long QUIET_NANOS_MIN = 20_000_000L;

    private static final long QUIET_NANOS_MAX = 1_000_000_000L;

    private final int number;
    private final Standing standing;
    private final ChunkStore store;
    private final Backing backing;
    private final Trace trace;
    private final Faults faults;
    private final ApplyRound round;
    private final RoundKeeper keeper;
    private final Runnable wakeLeader;
    private final LongAdder savedChunks;
    private final Backoff backoff = new Backoff();
    private final Arena arena = Arena.ofShared();
    private final long[] words = new long[BATCH_WORDS];
    private @Nullable Runs runs;
    private long partBeganNanos;
    private long beganEpoch = -1;

    final Signal signal;

    Applier(
            int number,
            Standing standing,
            ChunkStore store,
            Backing backing,
            Trace trace,
            Faults faults,
            ApplyRound round,
            RoundKeeper keeper,
            Runnable wakeLeader,
            LongAdder savedChunks) {
        this.number = number;
        this.standing = standing;
        this.store = store;
        this.backing = backing;
        this.trace = trace;
        this.faults = faults;
        this.round = round;
        this.keeper = keeper;
        this.wakeLeader = wakeLeader;
        this.savedChunks = savedChunks;
        this.signal = new Signal(standing.clock);
    }

    @Override
    public String name() {
        return "applier-" + number;
    }

    void close() {
        arena.close();
    }

    @Override
    public long step() {
        if (number == 0) {
            keeper.rewriteIfWanted(backing);
        }
        long epoch = standing.applying;
        if (epoch < 0) {
            return number == 0 ? next() : Clock.NEVER;
        }
        boolean isUrgent = keeper.isUrgent();
        if (number > 0 && !isUrgent) {
            return Clock.NEVER;
        }
        if (beganEpoch != epoch) {
            beganEpoch = epoch;
            beginPart();
            if (number == 0) {
                keeper.noteTakenUp();
            }
        }
        if (round.isBesideCaptures() && keeper.isHeld()) {
            if (number == 0) {
                keeper.noteHeld();
            }
            return standing.clock.nanoTime() + HELD_LOOK_NANOS;
        }
        if (!isUrgent && round.isBesideCaptures() && isJournalBusy()) {
            return standing.clock.nanoTime() + COURTESY_NANOS;
        }
        int count = round.take(words);
        if (count > 0) {
            writeBatch(count);
            return 0;
        }
        if (number == 0 && round.isPartOver()) {
            endPart();
            // Who pauses gives up a round beside captures; one without a journal is a commit, and has to end.
            boolean isGivenUp = standing.pauseWanted && round.isBesideCaptures();
            if (!isGivenUp && round.nextPart()) {
                if (isUrgent) {
                    standing.wakeAppliers.run();
                }
                return 0;
            }
            beganEpoch = -1;
            keeper.end(epoch, isGivenUp);
            return 0;
        }
        return Clock.NEVER;
    }

    /** Between two rounds. Only what is decided after a pause was seen is an answer to it. */
    private long next() {
        long pause = standing.pauseNumber;
        boolean isPaused = standing.pauseWanted;
        long dueNanos = keeper.next();
        if (isPaused && standing.applying < 0) {
            standing.applierRests = pause;
        }
        return dueNanos;
    }

    /**
     * Whether a commit is under way, or was until just now: the journal may be on the same disk, and who was answered asks again. A
     * write to the image in each pause between two commits would take half of the disk.
     */
    private boolean isJournalBusy() {
        long quietNanos = standing.clock.nanoTime() - standing.committedNanos;
        return standing.isCommitPending()
                || quietNanos < Math.min(QUIET_NANOS_MAX, Math.max(QUIET_NANOS_MIN, 2 * standing.commitNanos));
    }

    private void writeBatch(int count) {
        try {
            write(count);
        } catch (RuntimeException | Error e) {
            // A programmer's error: the round must end all the same, and its chunks stay stale.
            round.noteFailed(words[0] << 6, (words[count - 1] << 6) + 63);
            runs = null;
            throw e;
        } finally {
            round.done();
            // Only the first applier ends the round, and it may be waiting for this batch.
            wakeLeader.run();
        }
        if (number == 0 && standing.clock.nanoTime() - partBeganNanos > PART_NANOS_MAX) {
            round.closePart();
        }
    }

    private void write(int count) {
        Runs mine = runs;
        if (mine == null) {
            MemorySegment bounce = arena.allocate(Runs.bounceBytes(store.layout()), BUFFER_ALIGNMENT);
            mine = new Runs(store, backing, trace, faults, round, bounce);
            runs = mine;
        }
        boolean isBeside = round.isBesideCaptures();
        // With a journal the data is safe already, and bytes matter more than time.
        mine.begin(isBeside, !isBeside);
        for (int i = 0; i < count; i++) {
            mine.add(words[i], store.table().stale(words[i]));
        }
        mine.finish();
    }

    private void beginPart() {
        partBeganNanos = standing.clock.nanoTime();
    }

    /** Makes a part of the round durable, and only then what it carried clean. */
    private void endPart() {
        long first = round.partFirstWord();
        long end = round.partEndWord();
        boolean isBeside = round.isBesideCaptures();
        if (sync()) {
            long cleaned = 0;
            for (long word = store.table().nextStaleWord(first);
                    word >= 0 && word < end;
                    word = store.table().nextStaleWord(word + 1)) {
                long mask = store.table().stale(word) & ~round.failedMask(word);
                long left = store.cleanWord(word, mask, isBeside, backoff);
                long count = Long.bitCount(mask & ~left);
                savedChunks.add(count); // at once: what the throttle takes for left may not be more than what is
                cleaned += count;
                keeper.noteLeft(left != 0);
            }
            keeper.noteCleaned(cleaned, standing.clock.nanoTime() - partBeganNanos);
        } else {
            // What was written since the last good sync may be lost: all of it stays stale and is written again.
            round.noteFailed(first << 6, (end << 6) - 1);
        }
        beginPart();
    }

    private boolean sync() {
        if (Mutant.NO_IMAGE_FSYNC.isOn()) {
            return true;
        }
        try {
            backing.sync();
            return true;
        } catch (IOException e) {
            faults.note(Faults.Kind.SYNC, 0, e);
            return Mutant.SWALLOWED_IMAGE_FSYNC_ERROR.isOn();
        }
    }
}
