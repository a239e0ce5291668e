package ramback.sim;

import java.io.IOException;
import org.jspecify.annotations.Nullable;
import ramback.journal.JournalScan;
import ramback.journal.Recovery;
import ramback.sim.Oracle.Outcome;
import ramback.sim.Oracle.Restorer;
import ramback.sim.Oracle.StateFileSink;
import ramback.sim.Oracle.Verdict;

/** Scan and recovery as they are, for a journal without a state file. */
final class JournalRestorer implements Restorer {

    @Override
    public Verdict restore(
            SimDisk image, SimDisk journal, @Nullable String stateFile, StateFileSink onStateFile, boolean goesOn) {
        try {
            JournalScan scan = JournalScan.of(journal);
            return switch (scan.verdict()) {
                case EPOCHS -> {
                    Recovery.Outcome outcome =
                            Recovery.run(journal, scan, image, scan.lastEpoch(), false, (done, total) -> {});
                    yield new Verdict(Outcome.RESTORED, outcome.epoch(), "recovered");
                }
                case CLEAN, EMPTY ->
                    new Verdict(
                            Outcome.RESTORED,
                            scan.retiredEpoch(),
                            scan.verdict().name());
                case SUSPENDED -> new Verdict(Outcome.TORN, -1, "suspended");
                case MEDIA_FAULT, NOT_A_JOURNAL, NEWER_FORMAT, DAMAGED, TRUNCATED ->
                    new Verdict(
                            Outcome.MEDIA_FAULT,
                            -1,
                            scan.verdict() + ": " + scan.fault().orElse("no more is known"));
            };
        } catch (IOException e) {
            throw new AssertionError("a healthy disk failed in a recovery", e);
        }
    }
}
