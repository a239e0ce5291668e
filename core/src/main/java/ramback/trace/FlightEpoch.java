package ramback.trace;

import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;
import org.jspecify.annotations.Nullable;

/** An epoch in the JDK's flight recorder, from its cut until all of it is captured. Names as in docs/metrics.md. */
@Name("ramback.Epoch")
@Label("Epoch")
@Category("Ramback")
@Description("An epoch, from its cut until every chunk that it changed was captured")
@StackTrace(false)
public final class FlightEpoch extends Event {

    /** Asked whether events are wanted, so that none is made when they are not. */
    private static final FlightEpoch PROBE = new FlightEpoch();

    @Label("Epoch")
    long epoch;

    @Label("Chunks")
    @Description("How many chunks it had changed")
    long chunks;

    private FlightEpoch() {}

    /** An epoch was cut; null when nobody records it. Only while {@link Trace#isRecorded()}. */
    public static @Nullable FlightEpoch open() {
        if (!PROBE.isEnabled()) {
            return null;
        }
        FlightEpoch event = new FlightEpoch();
        event.begin();
        return event;
    }

    /** It is captured. */
    public void end(long sealedEpoch, long chunkCount) {
        end();
        epoch = sealedEpoch;
        chunks = chunkCount;
        commit();
    }
}
