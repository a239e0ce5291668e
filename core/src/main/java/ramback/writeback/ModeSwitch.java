package ramback.writeback;

import java.io.IOException;
import ramback.clock.Clock;
import ramback.device.Mode;
import ramback.image.ImageDevice;
import ramback.journal.EpochLog;
import ramback.mutant.Mutant;

/**
 * Switches the mode of a running device, each way in the order that keeps both promises: the old one for what was
 * acknowledged before, the new one from the moment it is reported.
 *
 * <pre>
 *   into unsafe      reported, requests as in unsafe ─ journal suspended ─ record says unsafe ─ image in place
 *   out of unsafe    requests as in the new mode ─ all that the image lacks in one epoch, committed ─ record ─ reported
 *   stricter         requests as in the new mode ─ everything acknowledged committed ─ record ─ reported
 *   checkpoint       requests as before, interval promised ─ everything acknowledged committed ─ record ─ requests as in it, reported
 *   looser           record ─ requests as in the new mode ─ reported
 * </pre>
 *
 * The record (the state file) never promises more than the disk holds. Safe for use by many threads; one switch at a time.
 */
public final class ModeSwitch {

    /** Where the mode is written down for whoever finds the image after a crash. */
    public interface ModeRecord {

        /** Durably says which mode is in force. */
        void write(Mode mode) throws IOException;
    }

    private final ImageDevice device;
    private final WriteBehind writeBehind;
    private final EpochLog log;
    private final ModeRecord modeRecord;
    private final long intervalNanos;
    private volatile Mode reported;

    /**
     * For a device that is in the mode it was made with.
     *
     * @param intervalNanos what {@code checkpoint} promises
     */
    public ModeSwitch(
            ImageDevice device, WriteBehind writeBehind, EpochLog log, ModeRecord modeRecord, long intervalNanos) {
        this.device = device;
        this.writeBehind = writeBehind;
        this.log = log;
        this.modeRecord = modeRecord;
        this.intervalNanos = intervalNanos;
        this.reported = device.mode();
        carryAsIn(reported);
    }

    /** The mode whose promise holds for everything that has been acknowledged. */
    public Mode mode() {
        return reported;
    }

    /** Whether this mode is in force, and no switch was left half done: else {@link #switchTo} has something to do. */
    public boolean isIn(Mode mode) {
        return reported == mode && !isUnsafeByHalf();
    }

    /**
     * Switches; returns when the new mode is reported.
     *
     * @throws IOException when the journal or the record can't be written; the mode reported before then still holds, or
     *     {@code unsafe} if that was wanted and the journal takes no commit either that would promise anything again
     * @throws IllegalArgumentException for checkpoint without a journal
     */
    public synchronized void switchTo(Mode mode) throws IOException, InterruptedException {
        Mode before = reported;
        if (mode == Mode.CHECKPOINT && !log.keepsVersions()) {
            throw new IllegalArgumentException("checkpoint needs a journal");
        }
        if (isIn(mode)) {
            return;
        }
        boolean isDone = false;
        try {
            change(before, mode);
            isDone = true;
        } finally {
            if (!isDone) {
                // Not half in the new one: whoever tries again begins where the first try did.
                use(reported);
            }
        }
        reported = mode;
    }

    private void change(Mode before, Mode mode) throws IOException, InterruptedException {
        if (mode == Mode.UNSAFE) {
            enterUnsafe(before);
        } else if (before == Mode.UNSAFE) {
            leaveUnsafe(mode);
        } else if (isStricter(mode, before)) {
            // The interval is promised for as long as the old mode is the one that is reported.
            device.setMode(mode);
            commitAcknowledged();
            modeRecord.write(mode);
            use(mode);
        } else if (mode == Mode.CHECKPOINT) {
            // Less for whoever flushes, more for whoever does not: both promises are kept until the new one holds.
            keepInterval();
            modeRecord.write(mode);
            device.setMode(mode);
        } else {
            modeRecord.write(mode);
            use(mode);
        }
    }

    /** Whether a switch to {@code unsafe} failed that could not be taken back: the journal is kept, and nothing is promised. */
    private boolean isUnsafeByHalf() {
        return reported == Mode.UNSAFE && writeBehind.keepsVersions();
    }

    private static boolean isStricter(Mode mode, Mode before) {
        return mode.compareTo(before) < 0;
    }

    private void use(Mode mode) {
        device.setMode(mode);
        carryAsIn(mode);
    }

    private void carryAsIn(Mode mode) {
        writeBehind.carryLazily(mode == Mode.UNSAFE);
        promiseIntervalOf(mode);
    }

    private void commitAcknowledged() throws IOException, InterruptedException {
        if (!Mutant.MODE_EARLY.isOn()) {
            writeBehind.commitAll();
        }
    }

    /** Promises the interval; returns when no acknowledged change is older. */
    private void keepInterval() throws IOException, InterruptedException {
        promiseIntervalOf(Mode.CHECKPOINT);
        commitAcknowledged();
    }

    private void promiseIntervalOf(Mode mode) {
        writeBehind.promiseInterval(mode == Mode.CHECKPOINT ? intervalNanos : Clock.NEVER);
    }

    /** Nothing more is promised from the first moment on: a request answered meanwhile must not count on the journal. */
    private void enterUnsafe(Mode before) throws IOException, InterruptedException {
        if (!log.keepsVersions()) {
            modeRecord.write(Mode.UNSAFE);
            use(Mode.UNSAFE);
            return;
        }
        // A journal that takes nothing can't be suspended: that is known before anything is given up.
        writeBehind.checkLog();
        reported = Mode.UNSAFE;
        use(Mode.UNSAFE);
        try {
            writeBehind.suspendLog();
        } catch (IOException e) {
            // Nothing has been given up. But what failed may be on the disk all the same, and say that the image may be
            // torn: as before only once a commit is durable, which takes that back, with all that was acknowledged
            // meanwhile. While the journal takes none, unsafe is what there is.
            promiseAgain(before);
            reported = before;
            throw e;
        }
        // From here on there is no way back but through resumeLog: the journal has forgotten its epochs.
        try {
            modeRecord.write(Mode.UNSAFE);
        } catch (IOException e) {
            writeBehind.continueWithoutVersions();
            promiseAgain(before);
            reported = before;
            throw e;
        }
        writeBehind.continueWithoutVersions();
    }

    private void leaveUnsafe(Mode mode) throws IOException, InterruptedException {
        promiseAgain(mode);
        modeRecord.write(mode);
    }

    /** Acknowledges by a mode after {@code unsafe}; returns when its promise holds. */
    private void promiseAgain(Mode mode) throws IOException, InterruptedException {
        device.setMode(mode);
        writeBehind.carryLazily(false);
        if (!log.keepsVersions()) {
            writeBehind.allowBacklog();
            writeBehind.commitAll();
        } else if (writeBehind.keepsVersions()) {
            // Also after a switch that failed later than that: everything is in the journal, or goes there.
            writeBehind.commitOpen();
        } else {
            writeBehind.resumeLog();
        }
        if (mode == Mode.CHECKPOINT) {
            // Not before: the image can't keep it, and until all of that is in the journal everybody would wait.
            keepInterval();
        }
    }
}
