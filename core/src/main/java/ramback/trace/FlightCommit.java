package ramback.trace;

import jdk.jfr.Category;
import jdk.jfr.DataAmount;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;
import org.jspecify.annotations.Nullable;

/** A commit in the JDK's flight recorder. Names as in docs/metrics.md. */
@Name("ramback.Commit")
@Label("Commit")
@Category("Ramback")
@Description("The journal's work for an epoch, from its first append until the commit record was durable")
@StackTrace(false)
public final class FlightCommit extends Event {

    /** Asked whether events are wanted, so that none is made when they are not. */
    private static final FlightCommit PROBE = new FlightCommit();

    @Label("Epoch")
    long epoch;

    @Label("Payload")
    @Description("What was appended of chunks")
    @DataAmount(DataAmount.BYTES)
    long payload;

    @Label("Journal Used")
    @Description("How much of the journal the image lacks now")
    @DataAmount(DataAmount.BYTES)
    long journalUsed;

    private FlightCommit() {}

    /** The work begins; null when nobody records it. Only while {@link Trace#isRecorded()}. */
    public static @Nullable FlightCommit open() {
        if (!PROBE.isEnabled()) {
            return null;
        }
        FlightCommit event = new FlightCommit();
        event.begin();
        return event;
    }

    /** The epoch is durable. */
    public void end(long committedEpoch, long payloadBytes, long journalUsedBytes) {
        end();
        epoch = committedEpoch;
        payload = payloadBytes;
        journalUsed = journalUsedBytes;
        commit();
    }
}
