package ramback.trace;

import jdk.jfr.Category;
import jdk.jfr.DataAmount;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;
import org.jspecify.annotations.Nullable;

/** A read of the image in the JDK's flight recorder. Names as in docs/metrics.md. */
@Name("ramback.Load")
@Label("Load")
@Category("Ramback")
@Description("A range of the image was read, and put into RAM where that had not been written meanwhile")
@StackTrace(false)
public final class FlightLoad extends Event {

    /** Asked whether events are wanted, so that none is made when they are not. */
    private static final FlightLoad PROBE = new FlightLoad();

    @Label("Offset")
    @DataAmount(DataAmount.BYTES)
    long offset;

    @Label("Length")
    @DataAmount(DataAmount.BYTES)
    long length;

    @Label("Demand")
    @Description("Whether a request waits for it; otherwise it was its turn")
    boolean demand;

    @Label("Whole")
    @Description("Whether all of it is loaded now")
    boolean whole;

    private FlightLoad() {}

    /** A read begins; null when nobody records it. Only while {@link Trace#isRecorded()}. */
    public static @Nullable FlightLoad open() {
        if (!PROBE.isEnabled()) {
            return null;
        }
        FlightLoad event = new FlightLoad();
        event.begin();
        return event;
    }

    /** The range was read, or could not be. */
    public void end(long offsetBytes, long lengthBytes, boolean isDemand, boolean isWhole) {
        end();
        offset = offsetBytes;
        length = lengthBytes;
        demand = isDemand;
        whole = isWhole;
        commit();
    }
}
