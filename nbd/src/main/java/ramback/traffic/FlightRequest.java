package ramback.traffic;

import jdk.jfr.Category;
import jdk.jfr.DataAmount;
import jdk.jfr.Description;
import jdk.jfr.Enabled;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;
import jdk.jfr.Timespan;
import org.jspecify.annotations.Nullable;

/**
 * A request in the JDK's flight recorder. Its names are listed in docs/metrics.md, and stay. Only on demand: a recording
 * that somebody makes to find out something else does not get two hundred thousand of them a second.
 */
@Name("ramback.Request")
@Label("Request")
@Category("Ramback")
@Description("A request of a client, from when it was looked at until its answer was handed over")
@StackTrace(false)
@Enabled(false)
final class FlightRequest extends Event implements RequestSpan {

    /** Asked whether events are wanted, so that none is made when they are not. */
    private static final FlightRequest PROBE = new FlightRequest();

    @Label("Kind")
    @Description("read, write, flush, trim, zero, cache or status")
    String kind = "";

    @Label("Offset")
    @DataAmount(DataAmount.BYTES)
    long offset;

    @Label("Length")
    @DataAmount(DataAmount.BYTES)
    long length;

    @Label("FUA")
    @Description("Whether the answer had to wait until this change is durable")
    boolean forceUnitAccess;

    @Label("Latency")
    @Description("Since the receive that brought the request; with the requests before it in the same receive")
    @Timespan(Timespan.NANOSECONDS)
    long latency;

    @Label("Deferred")
    @Description("Whether it had to wait for a load, for room or for a commit")
    boolean deferred;

    @Label("Error")
    @Description("The answer's error number, 0 for none")
    int error;

    private FlightRequest() {}

    /** Has the flight recorder take in this kind of event. */
    static void prepare() {
        boolean _ = PROBE.isEnabled();
    }

    /** A request begins; null when nobody records it. */
    static @Nullable FlightRequest begin(
            RequestKind request, long offsetBytes, long lengthBytes, boolean forceUnitAccess) {
        if (!PROBE.isEnabled()) {
            return null;
        }
        FlightRequest event = new FlightRequest();
        event.kind = request.word();
        event.offset = offsetBytes;
        event.length = lengthBytes;
        event.forceUnitAccess = forceUnitAccess;
        event.begin();
        return event;
    }

    @Override
    public void end(int sentError, boolean isDeferred, long latencyNanos) {
        end();
        error = sentError;
        deferred = isDeferred;
        latency = latencyNanos;
        commit();
    }
}
