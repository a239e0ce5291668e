package ramback.trace;

import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;
import org.jspecify.annotations.Nullable;

/** A round of applying in the JDK's flight recorder. Names as in docs/metrics.md. */
@Name("ramback.Apply")
@Label("Apply")
@Category("Ramback")
@Description("A round that carries what is stale to the image, until that is durable there")
@StackTrace(false)
public final class FlightApply extends Event {

    /** Asked whether events are wanted, so that none is made when they are not. */
    private static final FlightApply PROBE = new FlightApply();

    @Label("Epoch")
    @Description("Everything up to this one was carried")
    long epoch;

    @Label("Chunks")
    @Description("How many chunks became clean")
    long chunks;

    @Label("Whole")
    @Description("Whether nothing of it failed or was given up")
    boolean whole;

    private FlightApply() {}

    /** A round begins; null when nobody records it. Only while {@link Trace#isRecorded()}. */
    public static @Nullable FlightApply open() {
        if (!PROBE.isEnabled()) {
            return null;
        }
        FlightApply event = new FlightApply();
        event.begin();
        return event;
    }

    /** The round is over. */
    public void end(long appliedEpoch, long cleanedChunkCount, boolean isWhole) {
        end();
        epoch = appliedEpoch;
        chunks = cleanedChunkCount;
        whole = isWhole;
        commit();
    }
}
