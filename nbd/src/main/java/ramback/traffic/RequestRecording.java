package ramback.traffic;

import java.lang.invoke.VarHandle;
import org.jspecify.annotations.Nullable;

/** Whether a device's requests are recorded by the JDK's flight recorder. Safe for use by many threads. */
final class RequestRecording {

    private boolean on;

    /** Whether they are: a plain read, so that it costs nothing while they are not. */
    boolean isOn() {
        return on;
    }

    /** Switches; threads that are busy may take a moment to see it. */
    void set(boolean wanted) {
        if (wanted) {
            // What takes long the first time does so here, and not where a client waits.
            FlightRequest.prepare();
        }
        on = wanted;
        VarHandle.fullFence();
    }

    /** A request begins. Only while it is on: this loads the flight recorder. */
    static @Nullable RequestSpan begin(RequestKind kind, long offsetBytes, long lengthBytes, boolean forceUnitAccess) {
        return FlightRequest.begin(kind, offsetBytes, lengthBytes, forceUnitAccess);
    }
}
