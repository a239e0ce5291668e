package ramback.trace;

import jdk.jfr.Category;
import jdk.jfr.DataAmount;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/** A change of the power in the JDK's flight recorder. Names as in docs/metrics.md. */
@Name("ramback.Power")
@Label("Power")
@Category("Ramback")
@Description("The power changed, as far as anybody says")
@StackTrace(false)
public final class FlightPower extends Event {

    @Label("From")
    @Description("none, online, on-battery, low-battery or unknown")
    String from;

    @Label("To")
    String to;

    @Label("Detail")
    @Description("Who says so, and what the operator should know")
    String detail;

    @Label("To Save")
    @Description("What would have to be written if the power went now")
    @DataAmount(DataAmount.BYTES)
    long toSave;

    private FlightPower(String from, String to, String detail, long toSaveBytes) {
        this.from = from;
        this.to = to;
        this.detail = detail;
        this.toSave = toSaveBytes;
    }

    /** The power changed. Only while {@link Trace#isRecorded()}. */
    public static void tell(String from, String to, String detail, long toSaveBytes) {
        new FlightPower(from, to, detail, toSaveBytes).commit();
    }
}
